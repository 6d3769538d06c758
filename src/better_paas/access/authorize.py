"""Whether an agent may make this call: scopes, freeze, resources, budget, and the approval of a person.

People who are admin pass; a token is let through by every rule here, or not at all.
"""

from collections.abc import Callable
from typing import Any

from fastapi import Request, Response, WebSocket
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from better_paas.access.caller import Caller
from better_paas.access.own_address import own_url
from better_paas.access.recorder import AuditRecorder
from better_paas.approvals import impact
from better_paas.approvals import service as approvals
from better_paas.approvals.models import Approval
from better_paas.approvals.schemas import ApprovalRequired
from better_paas.apps.models import App
from better_paas.audit import service as audit
from better_paas.bootstrap import Platform
from better_paas.deployments.models import Deployment
from better_paas.errors import Conflict, Forbidden, NotFound, PaasError, TooManyRequests
from better_paas.kit.clock import iso
from better_paas.policy import Action
from better_paas.volumes import service as volumes

# The same words as for what does not exist: whoever may not see a thing does not learn that it is there.
_ABSENT = {
    "app": ("App not found", "List the apps to see their ids."),
    "deployment": ("Deployment not found", "List the deployments to see their ids."),
    "project": ("Project not found", "List the projects to see their ids."),
}
# What a token may still do to itself while all tokens are frozen: less.
_LESSENING = ("agent:revoke_self",)


async def authorize(
    platform: Platform, action: Action, caller: Caller, recorder: AuditRecorder, *, scopes_only: bool = False
) -> None:
    """Errors: Forbidden, NotFound, TooManyRequests; each is in the audit log when this raises.

    scopes_only: before the body has come, when nobody knows yet what the call is about.
    """
    try:
        if scopes_only:
            _check_scopes(action, caller)
        else:
            await _check(platform, action, caller, recorder.fields)
    except PaasError as error:
        await _note_denial(platform, caller, recorder, error)
        raise


async def _note_denial(platform: Platform, caller: Caller, recorder: AuditRecorder, error: PaasError) -> None:
    await recorder.write("denied", error.error, status=error.status)
    if caller.holder is not None:
        await platform.agent_watch.trouble(caller.holder, "denied")


def _check_scopes(action: Action, caller: Caller) -> None:
    if not caller.may(action):
        raise Forbidden(action.missing_text, action.missing_hint)


async def _check(platform: Platform, action: Action, caller: Caller, fields: dict[str, Any]) -> None:
    _check_scopes(action, caller)
    if caller.holder is None:
        return
    if platform.agents.frozen and action.mutates and action.name not in _LESSENING:
        raise Forbidden(
            "Forbidden: agent tokens are frozen, they may only read", "A person lifts this in the dashboard."
        )
    if action.deploys and platform.settings.runtime == "process" and not platform.settings.process_agents:
        raise Forbidden(
            "Forbidden: here apps are processes of the server's own machine, which agent tokens may not deploy",
            "A person allows it with PROCESS_AGENTS=true, or sets up a Docker engine.",
        )
    if not caller.sees_all:
        await platform.database.read(lambda session: check_targets(session, action, caller, fields))
    if caller.rotated and action.resource == "agent" and action.mutates and action.name not in _LESSENING:
        raise Forbidden("Forbidden: a token that was replaced makes and changes no tokens", "Use the new one.")


def check_targets(session: Session, action: Action, caller: Caller, fields: dict[str, Any]) -> None:
    """All that the call names must be the caller's. Errors: NotFound, Forbidden."""
    named = [(kind, fields[field]) for kind, field in action.targets if fields.get(field)]
    for kind, identity in named:
        if not _is_seen(session, caller, kind, identity):
            raise NotFound(*_ABSENT[kind])
    if named or action.lists:
        return
    if not action.targets or action.name == "app:deploy":
        raise Forbidden(
            "Forbidden: this token is limited to some projects and apps",
            "Send the projectId of one of its projects; GET /api/agents/self shows them.",
        )
    raise NotFound(*_ABSENT[action.targets[0][0]])


def _is_seen(session: Session, caller: Caller, kind: str, identity: Any) -> bool:
    if not isinstance(identity, str):
        return False
    if kind == "project":
        return caller.sees_project(identity)
    if kind == "deployment":
        deployment = session.get(Deployment, identity)
        identity = deployment.app_id if deployment is not None else ""
    app = session.get(App, identity)
    return app is not None and caller.sees_app(app.id, app.project_id)


async def take_deployment(platform: Platform, action: Action, caller: Caller, recorder: AuditRecorder) -> None:
    """Count a call that deploys against its token's budget: one that runs now. Errors: TooManyRequests."""
    if caller.holder is None or not action.deploys or not recorder.is_valid:
        return
    grant = platform.agents.take_deployment(caller.holder)
    if grant is not None:
        error = TooManyRequests(
            f"This token has used up its {grant.deploys_per_hour} deployments an hour",
            "Wait, or ask a person to raise its budget.",
            headers={"Retry-After": "600"},
        )
        await _note_denial(platform, caller, recorder, error)
        raise error
    platform.database.tell_others("deployment-by", caller.id)


async def ask_for_approval(
    platform: Platform, request: Request, action: Action, caller: Caller, recorder: AuditRecorder
) -> Response | None:
    """None: go on. Else the answer that says that a person has to approve first. Errors: Forbidden after a no."""
    if caller.holder is None or not action.mutates or not recorder.is_valid:
        return None  # an invalid call does nothing: its endpoint refuses it
    takes_away = action.name in impact.REPLACING and await platform.database.read(
        lambda session: impact.takes_away(session, recorder.resource or "", recorder.fields)
    )
    resource, fields = recorder.resource or "", recorder.fields
    if not caller.holder.wants_approval(action, takes_away=takes_away):
        if action.name in impact.REPLACING and caller.holder.wants_approval(action, takes_away=True):
            _decide(request, lambda session: not impact.takes_away(session, resource, fields))
        return None
    found = await volumes.sizes(platform.database, platform.runtime) if action.risk == "destructive" else {}
    sizes = {key: size for key, size in found.items() if size is not None}
    asked_for = approvals.ApprovalRequest(
        caller.id,
        caller.name,
        action,
        recorder.resource or "",
        recorder.digest,
        recorder.fields,
        recorder.payload,
        sizes,
    )

    def unit(session: Session) -> tuple[Approval, approvals.Verdict]:
        approval, verdict = approvals.ask(session, asked_for)
        recorder.approval_id = approval.id
        if verdict == "asked":
            audit.record(session, recorder.entry("pending", status=202))
            platform.announce(session, "approval", approval.id)
        return approval, verdict

    try:
        approval, verdict = await platform.database.write(unit)
    except PaasError as error:
        await _note_denial(platform, caller, recorder, error)
        raise
    if verdict == "run":
        approved = approval.version
        _decide(request, lambda session: impact.impact_of(session, action, resource, fields).version == approved)
        return None
    url = f"{dashboard_url(platform, request)}/approvals?id={approval.id}"
    if verdict == "asked":
        # Who asks decides on the address in his own answer, and on none that a person is sent.
        known = (
            f"{platform.settings.paas_ui_url.rstrip('/')}/approvals?id={approval.id}"
            if platform.settings.paas_ui_url
            else ""
        )
        platform.notify("approval", approval.id, f"{caller.name} asks: {approval.asked}", known)
    answer = ApprovalRequired(
        approval_id=approval.id,
        url=url,
        expires_at=iso(approval.expires_at) or "",
        summary=approval.asked.sentence,
        quoted=approval.asked.quoted,
    )
    return JSONResponse(answer.model_dump(by_alias=True), 202)


def _decide(request: Request, holds: Callable[[Session], bool]) -> None:
    """Between the decision and the call's own unit others may change the same thing."""
    request.state.decided = holds


def confirm(request: Request, session: Session) -> None:
    """In the unit that changes something: that the call may run must be so in it, too. Errors: Conflict."""
    holds = getattr(request.state, "decided", None)
    if holds is not None and not holds(session):
        raise Conflict(
            "it was changed while this call was decided on", "Send the call again: it is decided on anew.", code="stale"
        )


def dashboard_url(platform: Platform, request: Request | WebSocket) -> str:
    """Where people go: the setting, else our own address."""
    return (platform.settings.paas_ui_url or own_url(platform, request)).rstrip("/")
