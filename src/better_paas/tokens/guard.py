"""The guard before each route: token, policy row, audit intent, the call, audit outcome."""

import json
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import structlog
from fastapi import HTTPException, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from better_paas import policy
from better_paas.audit import service as audit
from better_paas.bootstrap import Platform
from better_paas.errors import Forbidden, Invalid, PaasError, TooManyRequests, Unauthorized, Unavailable
from better_paas.kit.ids import new_id
from better_paas.kit.redact import redact_fields, redact_text
from better_paas.tokens.caller import Caller, anonymous

_SOURCES = ("dashboard", "cli")
_LONGEST_LOGGED = 500
_log = structlog.get_logger(__name__)


class GuardedRoute(APIRoute):
    """A route whose rights come from its row in the policy table. It can't be made without one."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        methods = options.get("methods") or ["GET"]
        self.action = policy.action_for(next(iter(methods)), path)
        security: list[dict[str, list[str]]] = [] if self.action.public else [{"bearer": list(self.action.scopes)}]
        options["openapi_extra"] = {"security": security, "x-action": self.action.name, "x-risk": self.action.risk}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        action = self.action

        async def guarded(request: Request) -> Response:
            platform = platform_of(request)
            caller = authenticate(platform, request)
            request.state.caller = caller
            structlog.contextvars.bind_contextvars(actor=f"{caller.kind}:{caller.id}")
            if action.public:
                return await handle(request)
            trail = AuditTrail(platform, action, caller, request.state.request_id)
            if caller.kind == "anonymous":
                raise Unauthorized
            await trail.describe(request)
            if not caller.may(action):
                await trail.write("denied", action.missing_text)
                raise Forbidden(action.missing_text)
            if not action.mutates:
                return await handle(request)
            return await trail.around(handle, request)

        return guarded


class AuditTrail:
    """Writes the entries of one call. A change whose intent can't be written is refused."""

    def __init__(self, platform: Platform, action: policy.Action, caller: Caller, request_id: str) -> None:
        self._platform, self._action, self._caller, self._request_id = platform, action, caller, request_id
        self._payload: dict[str, Any] = {}
        self._resource: str | None = None

    async def describe(self, request: Request) -> None:
        """Take from the request what the policy row allows to be logged."""
        fields: Any = dict(request.query_params)
        if request.method == "POST":
            fields = await _json_body(request)
        if not isinstance(fields, dict):
            fields = {}
        named = fields.get(self._action.resource_field)
        self._resource = redact_text(_clean(str(named))[:_LONGEST_LOGGED]) if named is not None else None
        wanted = {name: fields[name] for name in self._action.logged if fields.get(name) not in (None, "", [], {})}
        self._payload = redact_fields(
            {name: _clean(value) for name, value in wanted.items() if len(repr(value)) <= _LONGEST_LOGGED}
        )

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
            await self._outcome("failure", _describe(error), started)
            raise
        self._resource = getattr(request.state, "resource_id", None) or self._resource
        await self._outcome("success" if response.status_code < 400 else "failure", None, started)
        return response

    async def _outcome(self, outcome: audit.Outcome, error: str | None, started: float) -> None:
        """The effect is there, and its intent is on disk: a failure to write must not turn it into an error."""
        try:
            await self.write(outcome, error, started)
        except Exception as failure:
            _log.error(
                "an outcome could not be audited", action=self._action.name, outcome=outcome, reason=str(failure)
            )

    async def write(self, outcome: audit.Outcome, error: str | None = None, started: float | None = None) -> None:
        entry = audit.Entry(
            actor_type=self._caller.kind,
            actor_id=self._caller.id,
            action=self._action.name,
            outcome=outcome,
            request_id=self._request_id,
            source=self._caller.source,
            resource_type=self._action.resource,
            resource_id=self._resource,
            ip_address=self._caller.address,
            payload=self._payload,
            error=error,
            duration_ms=None if started is None else round((time.monotonic() - started) * 1000),
        )
        await self._platform.database.write(lambda session: audit.record(session, entry))


async def _json_body(request: Request) -> Any:
    """The body as it came; what is no JSON is left to the endpoint to refuse. Errors: Invalid, 413."""
    try:
        return json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    except RecursionError:
        raise Invalid("the body is nested too deeply", "Send plain fields; see /api/docs.") from None


def _clean(value: Any) -> Any:
    """A value that can be stored: text without half characters, and plain text of everything that is no JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    return value if isinstance(value, (bool, int, float)) else _clean(str(value))


def _describe(error: BaseException) -> str:
    if isinstance(error, PaasError):
        return error.error
    if isinstance(error, RequestValidationError):
        return "invalid request"
    if isinstance(error, HTTPException):
        return str(error.detail)
    return type(error).__name__


def platform_of(request: Request | WebSocket) -> Platform:
    return cast(Platform, request.app.state.platform)


def caller_of(request: Request) -> Caller:
    return cast(Caller, request.state.caller)


def client_address(platform: Platform, request: Request | WebSocket) -> str:
    """The peer's address; behind a trusted proxy the last hop that the proxy itself saw."""
    forwarded = request.headers.get("x-forwarded-for", "") if platform.settings.trust_proxy else ""
    last_hop = forwarded.rpartition(",")[2].strip()
    return last_hop or (request.client.host if request.client else "unknown")


def bearer_of(request: Request | WebSocket) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def authenticate(platform: Platform, request: Request | WebSocket, token: str | None = None) -> Caller:
    """The caller. No token is anonymous; a wrong one is refused and counted. Errors: Unauthorized, 429."""
    token = bearer_of(request) if token is None else token
    address = client_address(platform, request)
    named = request.headers.get("x-better-paas-client", "")
    source = named if named in _SOURCES else "api"
    if not token:
        return anonymous(address, source)
    if platform.admin_token.matches(token):
        return Caller("admin", "admin", address, source)
    refuse(platform, request, address)
    raise Unauthorized


def refuse(platform: Platform, request: Request | WebSocket, address: str) -> None:
    """Count a failed sign-in, and answer 429 while its address has to wait."""
    wait = platform.failures.fail(address)
    entry = audit.Entry(
        "anonymous", "", "auth:verify", "denied", request_id_of(request), ip_address=address, error="wrong token"
    )
    if not wait:
        # A flood is not written line by line: each address has a handful of free failures.
        platform.background(platform.database.write(lambda session: audit.record(session, entry)))
        return
    seconds = max(1, round(wait))
    raise TooManyRequests(
        "Too many failed sign-ins",
        f"Wait {seconds} s, then use the right token. 'better-paas token' on the server shows it.",
        headers={"Retry-After": str(seconds)},
    )


def request_id_of(request: Request | WebSocket) -> str:
    return getattr(request.state, "request_id", None) or new_id(16)


async def open_websocket(websocket: WebSocket) -> Caller | None:
    """Check origin, ticket or token, and rights; accept, or close with 401/403/429 and give None."""
    platform = platform_of(websocket)
    action = policy.action_for("WS", websocket.scope["path"])
    try:
        if not _origin_allowed(platform, websocket):
            raise Forbidden("Forbidden: origin not allowed")
        ticket, token = websocket.query_params.get("ticket"), websocket.query_params.get("token")
        caller = platform.tickets.redeem(ticket) if ticket else authenticate(platform, websocket, token)
        if caller is None or caller.kind == "anonymous":
            raise Unauthorized
        if not caller.may(action):
            raise Forbidden(action.missing_text)
    except PaasError as error:
        body = json.dumps({"error": error.error, "code": error.code, "hint": error.hint}).encode()
        response = Response(body, error.status, error.headers, "application/json")
        await websocket.send_denial_response(response)
        return None
    await websocket.accept()
    return caller


def _origin_allowed(platform: Platform, websocket: WebSocket) -> bool:
    origin = websocket.headers.get("origin")
    if origin is None or origin in platform.settings.origins:
        return True
    return origin.partition("://")[2] == websocket.headers.get("host")
