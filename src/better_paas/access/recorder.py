"""The audit entries of one call: its intent before any effect, its outcome after, or why it was refused."""

import json
import math
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from better_paas import policy
from better_paas.access.caller import Caller
from better_paas.access.uploads import is_upload, upload_fields
from better_paas.agents.models import Agent
from better_paas.approvals.models import Approval
from better_paas.apps.models import App
from better_paas.audit import service as audit
from better_paas.bootstrap import Platform
from better_paas.deployments.models import Deployment
from better_paas.errors import Invalid, PaasError, Unavailable
from better_paas.git.source import SourceRefused, parse_address
from better_paas.kit.redact import redact_fields, redact_text
from better_paas.projects.models import Project

_LONGEST_LOGGED, _LONGEST_ID = 500, 40
# Where the name of a resource stands, by its kind.
_NAMES: dict[str, InstrumentedAttribute[str]] = {
    "app": App.name,
    "project": Project.name,
    "agent": Agent.name,
    "deployment": Deployment.app_name,
    "approval": Approval.resource_name,
}
_log = structlog.get_logger(__name__)


class AuditRecorder:
    """Writes the entries of one call. A change whose intent can't be written is refused."""

    def __init__(self, platform: Platform, action: policy.Action, caller: Caller, request_id: str) -> None:
        self._platform, self._action, self._caller, self._request_id = platform, action, caller, request_id
        self.fields: dict[str, Any] = {}
        self.payload: dict[str, Any] = {}
        self.resource: str | None = None
        self.digest = ""
        self.approval_id = ""
        self.is_valid = True
        self._resource_name = ""
        self._diff: dict[str, Any] = {}

    async def describe(self, request: Request, body: type[BaseModel] | None = None) -> None:
        """Take from the request what the policy row allows to be logged.

        body: the endpoint's own type: names, blanks and defaults are then what it will see, and nothing else.
        """
        fields: Any = dict(request.query_params)
        if request.method == "POST":
            fields = await (upload_fields(request) if is_upload(request) else _json_body(request))
            if body is not None:
                try:
                    archive = fields.pop("archive", None) if is_upload(request) else None
                    fields = body.model_validate(fields).model_dump(mode="json", by_alias=True, exclude_unset=True)
                    if archive is not None:
                        fields["archive"] = archive
                except (ValidationError, RecursionError):
                    self.is_valid = False  # the endpoint will say what is wrong with it
        self.describe_fields(fields if isinstance(fields, dict) else {})

    def describe_fields(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        # A call that can make a thing or change one is about the one that it names by id.
        by_id = fields.get("id") if any(field == "id" for _, field in self._action.targets) else None
        named = by_id or fields.get(self._action.resource_field)
        if named is not None:
            self.resource = redact_text(_clean(str(_loggable(self._action.resource_field, named)))[:_LONGEST_LOGGED])
        wanted = {name: fields[name] for name in self._action.logged if fields.get(name) not in (None, "", [], {})}
        self.payload = redact_fields({name: _short(_clean(_loggable(name, value))) for name, value in wanted.items()})
        if self._caller.rotated:
            self.payload["oldToken"] = True
        if self._action.mutates:
            # Arguments may be secrets: without the key nobody can try out which value a digest is of.
            text = json.dumps([self._action.name, fields], sort_keys=True, default=str, separators=(",", ":"))
            self.digest = self._platform.vault.ring.digest(text.encode("utf-8", "surrogatepass"))

    async def around(self, handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
        """Intent, effect, outcome. The outcome is written whatever the effect came to."""
        try:
            await self.write("intent")
        except Exception as error:
            raise Unavailable("The audit log can't be written", "Nothing was changed. Check the disk.") from error
        started = time.monotonic()
        try:
            response = await handle(request)
        except BaseException as error:
            await self._outcome("failure", _describe(error), started, getattr(error, "status", None))
            raise
        self.resource = getattr(request.state, "resource_id", None) or self.resource
        self._diff = getattr(request.state, "diff", {})
        good = response.status_code < 400
        await self._outcome("success" if good else "failure", None, started, response.status_code)
        return response

    async def around_read(
        self, handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request
    ) -> Response:
        """A read of something sensitive: one entry, before anything is shown."""
        try:
            await self.write("success")
        except Exception as error:
            raise Unavailable("The audit log can't be written", "Nothing was read. Check the disk.") from error
        return await handle(request)

    async def _outcome(
        self, outcome: audit.Outcome, error: str | None, started: float, status: int | None = None
    ) -> None:
        """The effect is there, and its intent is on disk: a failure to write must not turn it into an error."""
        try:
            await self.write(outcome, error, started, status)
        except Exception as failure:
            _log.error(
                "an outcome could not be audited", action=self._action.name, outcome=outcome, reason=str(failure)
            )

    async def write(
        self,
        outcome: audit.Outcome,
        error: str | None = None,
        started: float | None = None,
        status: int | None = None,
    ) -> None:
        def unit(session: Session) -> None:
            self._resource_name = _name_of(session, self._action.resource, self.resource) or self._resource_name
            audit.record(session, self.entry(outcome, error, started, status))

        await self._platform.database.write(unit)

    def entry(
        self,
        outcome: audit.Outcome,
        error: str | None = None,
        started: float | None = None,
        status: int | None = None,
    ) -> audit.Entry:
        return audit.Entry(
            actor_type=self._caller.kind,
            actor_id=self._caller.id,
            actor_name=self._caller.name,
            action=self._action.name,
            outcome=outcome,
            request_id=self._request_id,
            source=self._caller.source,
            resource_type=self._action.resource,
            resource_id=self.resource,
            resource_name=self._resource_name,
            ip_address=self._caller.address,
            payload=self.payload,
            diff=self._diff,
            args_digest=self.digest,
            decision="deny" if outcome == "denied" else "ask" if outcome == "pending" else "allow",
            approval_id=self.approval_id,
            error=error,
            status=status,
            duration_ms=None if started is None else round((time.monotonic() - started) * 1000),
        )


def _name_of(session: Session, kind: str, resource_id: str | None) -> str:
    column = _NAMES.get(kind)
    if column is None or not resource_id or len(resource_id) > _LONGEST_ID:
        return ""
    return session.scalar(select(column).where(column.class_.id == resource_id)) or ""


async def _json_body(request: Request) -> Any:
    """The body as it came; what is no JSON is left to the endpoint to refuse. Errors: Invalid, 413."""
    try:
        return json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    except RecursionError:
        raise Invalid("the body is nested too deeply", "Send plain fields; see /api/docs.") from None


def _loggable(name: str, value: Any) -> Any:
    """A repository's address without what may be a password in it."""
    if name != "gitRepo" or not isinstance(value, str) or value.startswith("sample:"):
        return value
    try:
        return parse_address(value).url
    except SourceRefused:
        return "(no address)"


def _short(value: Any) -> Any:
    """A long value is cut where everybody can see it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= _LONGEST_LOGGED else f"{text[:_LONGEST_LOGGED]} … ({len(text)} characters)"


def _clean(value: Any) -> Any:
    """A value that can be stored: text without half characters, and plain text of everything that is no JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    # NaN and infinity are no JSON.
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (bool, int, float)) else _clean(str(value))


def _describe(error: BaseException) -> str:
    if isinstance(error, PaasError):
        return error.error
    if isinstance(error, RequestValidationError):
        return "invalid request"
    if isinstance(error, HTTPException):
        return str(error.detail)
    return type(error).__name__
