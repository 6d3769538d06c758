"""Reading the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from better_paas.audit import service
from better_paas.audit.models import AuditEntry
from better_paas.audit.schemas import AuditAnswer
from better_paas.kit.clock import iso
from better_paas.tokens.guard import GuardedRoute, platform_of

router = APIRouter(route_class=GuardedRoute, tags=["Audit"])


@router.get("/api/audit-logs")
async def audit_list(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> list[AuditAnswer]:
    """Entries, newest first."""
    entries = await platform_of(request).database.read(lambda session: service.newest(session, limit, cursor))
    if len(entries) == limit:
        response.headers["X-Next-Cursor"] = str(entries[-1].id)
    return [_answer(entry) for entry in entries]


def _answer(entry: AuditEntry) -> AuditAnswer:
    return AuditAnswer(
        id=str(entry.id),
        actor_type=entry.actor_type,
        actor_id=entry.actor_id,
        action=entry.action,
        resource_type=entry.resource_type,
        resource_id=entry.resource_id or "",
        payload_summary=", ".join(f"{name}={value}" for name, value in entry.payload.items())[:500],
        payload=entry.payload,
        outcome=entry.outcome,
        ip_address=entry.ip_address or "",
        request_id=entry.request_id,
        source=entry.source,
        error=entry.error or "",
        duration_ms=entry.duration_ms,
        created_at=iso(entry.created_at) or "",
    )
