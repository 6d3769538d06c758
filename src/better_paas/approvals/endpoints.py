"""Approvals over HTTP: people list and decide, an agent may look at its own."""

from typing import Annotated, Literal

from fastapi import Query, Request
from sqlalchemy.orm import Session

from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.approvals import schemas, service
from better_paas.approvals.models import Approval
from better_paas.errors import NotFound
from better_paas.kit.clock import iso

router = api_router("Approvals")


@router.get("/api/approvals")
async def approvals_list(
    request: Request,
    status: Annotated[Literal["pending", "all"], Query()] = "pending",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[schemas.ApprovalAnswer]:
    """Calls that wait for a person, newest first; `all` gives the decided ones too."""

    def unit(session: Session) -> list[schemas.ApprovalAnswer]:
        return [_answer(approval) for approval in service.listed(session, status, limit)]

    return await platform_of(request).database.read(unit)


@router.get("/api/approvals/get")
async def approvals_get(request: Request, id: Annotated[str, Query(max_length=40)]) -> schemas.ApprovalAnswer:
    """One approval. An agent sees those that it asked for."""
    caller = caller_of(request)
    approval = await platform_of(request).database.read(lambda session: service.get(session, id))
    if caller.is_agent and approval.agent_id != caller.id:
        raise NotFound("Approval not found", "It may have been deleted with its token.")
    return _answer(approval)


@router.post("/api/approvals/approve")
async def approvals_approve(request: Request, body: schemas.ApprovalId) -> schemas.ApprovalAnswer:
    """Say yes: the agent's very same call then runs, once, while its resource is as it was."""
    return await _decide(request, body.id, "approved", "")


@router.post("/api/approvals/deny")
async def approvals_deny(request: Request, body: schemas.Refusal) -> schemas.ApprovalAnswer:
    """Say no; the agent reads the reason when it tries again."""
    return await _decide(request, body.id, "denied", body.reason)


async def _decide(request: Request, approval_id: str, status: str, reason: str) -> schemas.ApprovalAnswer:
    platform = platform_of(request)

    def unit(session: Session) -> schemas.ApprovalAnswer:
        platform.announce(session, "approval", approval_id)
        return _answer(service.decide(session, approval_id, status, reason))

    return await platform.database.write(unit)


def _answer(approval: Approval) -> schemas.ApprovalAnswer:
    return schemas.ApprovalAnswer(
        id=approval.id,
        status=service.status_of(approval),
        agent_id=approval.agent_id,
        agent_name=approval.agent_name,
        action=approval.action,
        resource_type=approval.resource_type,
        resource_id=approval.resource_id,
        resource_name=approval.resource_name,
        summary=approval.asked.sentence,
        quoted=approval.asked.quoted,
        payload=approval.payload,
        reason=approval.reason,
        created_at=iso(approval.created_at) or "",
        expires_at=iso(approval.expires_at) or "",
        decided_at=iso(approval.decided_at),
        used_at=iso(approval.used_at),
    )
