"""Rules of approvals: bound to one call and one state of its resource, for 15 minutes, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from better_paas.agents.models import Agent
from better_paas.approvals.impact import impact_of
from better_paas.approvals.models import Approval
from better_paas.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id
from better_paas.policy import Action

Verdict = Literal["run", "wait", "asked"]
LIFETIME = timedelta(minutes=15)
_MOST_PENDING = 20
_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class ApprovalRequest:
    """A call that an agent makes. fields: its arguments; payload: what of them may be shown.

    volume_sizes: bytes by (project id, volume), of those that the runtime knows.
    """

    agent_id: str
    agent_name: str
    action: Action
    resource_id: str
    digest: str
    fields: dict[str, Any]
    payload: dict[str, Any]
    volume_sizes: Mapping[tuple[str, str], int]


def get(session: Session, approval_id: str) -> Approval:
    """Errors: NotFound."""
    approval = session.get(Approval, approval_id)
    if approval is None:
        raise NotFound("Approval not found", "It may have been deleted with its token.")
    return approval


def listed(session: Session, status: str, limit: int) -> Sequence[Approval]:
    """Newest first. status: pending (and not expired), or all."""
    query = select(Approval).order_by(Approval.created_at.desc(), Approval.id).limit(limit)
    if status == "pending":
        query = query.where(Approval.status == "pending", Approval.expires_at > now())
    return session.scalars(query).all()


def status_of(approval: Approval) -> str:
    """pending, approved, denied, used or expired."""
    if approval.status in ("pending", "approved") and approval.expires_at <= now():
        return "expired"
    return approval.status


def ask(session: Session, request: ApprovalRequest) -> tuple[Approval, Verdict]:
    """The approval, and what it means: "run" now (a yes is used up by this), "wait", or "asked" just now.

    Errors: Unauthorized if the token is gone by now, Forbidden after a no, 429.
    """
    if session.get(Agent, request.agent_id) is None:
        raise Unauthorized
    impact = impact_of(session, request.action, request.resource_id, request.fields, request.volume_sizes)
    query = select(Approval).where(
        Approval.agent_id == request.agent_id, Approval.digest == request.digest, Approval.expires_at > now()
    )
    for earlier in session.scalars(query.order_by(Approval.created_at.desc())).all():
        if earlier.status == "denied":
            said = f"They say: {earlier.reason}" if earlier.reason else "Ask them before you try it again."
            raise Forbidden("Forbidden: a person refused this call", said)
        # Another state of the resource is another question.
        if earlier.status not in ("pending", "approved") or earlier.version != impact.version:
            continue
        if earlier.status == "approved":
            earlier.status, earlier.used_at = "used", now()
            return earlier, "run"
        return earlier, "wait"
    waiting = select(func.count()).select_from(Approval)
    waiting = waiting.where(Approval.agent_id == request.agent_id, Approval.status == "pending")
    if (session.scalar(waiting.where(Approval.expires_at > now())) or 0) >= _MOST_PENDING:
        raise TooManyRequests(
            "Too many calls of this token wait for approval", "Wait until a person has looked at them."
        )
    moment = now()
    for old in session.scalars(select(Approval).where(Approval.created_at < moment - _KEPT).limit(50)):
        session.delete(old)
    approval = Approval(
        id=new_id(12),
        agent_id=request.agent_id,
        agent_name=request.agent_name,
        action=request.action.name,
        resource_type=request.action.resource,
        resource_id=request.resource_id,
        resource_name=impact.resource_name,
        digest=request.digest,
        version=impact.version,
        summary=impact.summary.stored(),
        payload=request.payload,
        status="pending",
        reason="",
        created_at=moment,
        expires_at=moment + LIFETIME,
        decided_at=None,
        used_at=None,
    )
    session.add(approval)
    session.flush()
    return approval, "asked"


def decide(session: Session, approval_id: str, status: str, reason: str) -> Approval:
    """A person's answer; reason: of a no. Errors: NotFound, Conflict if it comes too late."""
    approval = get(session, approval_id)
    found = status_of(approval)
    if found != "pending":
        raise Conflict(f"this approval is {found} already", "The agent can ask again by repeating its call.")
    approval.status, approval.reason, approval.decided_at = status, reason.strip(), now()
    return approval
