"""Reading, proving and exporting the audit log."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.audit import archive, schemas, service
from better_paas.audit.formats import FORMATS
from better_paas.errors import Invalid
from better_paas.kit.clock import iso
from better_paas.kit.redact import redact_text

router = api_router("Audit")
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[int | None, Query(ge=1, le=2**62)]
OutcomeFilter = Literal["", "intent", "success", "failure", "denied", "pending"]
Short = Annotated[str, Query(max_length=100)]
Moment = Annotated[
    str,
    Query(max_length=40, pattern=r"^$|^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?$", description="RFC 3339, UTC."),
]
_EXPORT_PAGE = 2_000


@router.get("/api/audit-logs")
async def audit_list(
    request: Request,
    response: Response,
    limit: Limit = 50,
    cursor: Cursor = None,
    actor: Short = "",
    action: Short = "",
    resource: Short = "",
    outcome: OutcomeFilter = "",
    request_id: Annotated[str, Query(alias="requestId", max_length=40)] = "",
    since: Moment = "",
    until: Moment = "",
    text: Annotated[str, Query(max_length=200, description="Anywhere in the entry.")] = "",
) -> list[schemas.AuditAnswer]:
    """Entries, newest first. A page of a search may be short: go on while there is an `X-Next-Cursor`."""
    filters = service.Filters(actor, action, resource, outcome, request_id, since, until, text)
    return await _page(request, response, filters, limit, cursor)


@router.get("/api/agents/self/actions")
async def agents_self_actions(
    request: Request,
    response: Response,
    limit: Limit = 50,
    cursor: Cursor = None,
    action: Short = "",
    outcome: OutcomeFilter = "",
) -> list[schemas.AuditAnswer]:
    """What this token did itself, newest first."""
    filters = service.Filters(actor=caller_of(request).id, action=action, outcome=outcome)
    return await _page(request, response, filters, limit, cursor)


@router.get("/api/audit-logs/checkpoint")
async def audit_checkpoint(request: Request) -> schemas.CheckpointAnswer:
    """The newest signed checkpoint. Keep it elsewhere: with it you can prove later that nothing was cut off."""
    platform = platform_of(request)
    await platform.checkpoints.make()
    found = await platform.database.read(service.last_checkpoint)
    sinks = await platform.database.read(service.sinks)
    return schemas.CheckpointAnswer(
        size=found.size if found else 0,
        note=found.note if found else "",
        public_key=platform.checkpoints.signer.verifier.text(),
        sinks=[
            schemas.SinkAnswer(
                name=redact_text(sink.name),
                position=sink.position,
                problem=sink.problem,
                changed_at=iso(sink.changed_at) or "",
            )
            for sink in sinks
        ],
    )


@router.post("/api/audit-logs/verify")
async def audit_verify(request: Request, body: schemas.VerifyBody) -> schemas.ProofAnswer:
    """Check every entry, the tree and all checkpoints, and those that are sent. `findings` says what is wrong."""
    platform = platform_of(request)
    await platform.checkpoints.make()
    report = await asyncio.to_thread(
        archive.prove,
        platform.data_dir,
        platform.settings.database_url,
        platform.checkpoints.signer.verifier,
        body.anchors,
    )
    return schemas.ProofAnswer.model_validate({**vars(report), "ok": report.ok})


@router.get("/api/audit-logs/export", response_class=StreamingResponse)
async def audit_export(
    request: Request,
    format: Literal["jsonl", "ocsf"] = "jsonl",
    start: Annotated[int, Query(alias="from", ge=1, le=2**62)] = 1,
) -> Response:
    """All entries from one on, oldest first, a line each."""
    platform, form = platform_of(request), FORMATS[format]

    async def lines() -> AsyncIterator[bytes]:
        position = start
        while rows := await platform.database.read(
            functools.partial(service.records_from, first=position, limit=_EXPORT_PAGE)
        ):
            yield "".join(form(record) for _, record in rows).encode()
            position = rows[-1][0] + 1

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.post("/api/audit-logs/prune")
async def audit_prune(request: Request, body: schemas.PruneBody) -> schemas.PruneAnswer:
    """Export old entries to a file on the server, then delete their text. Their hashes stay: the log still proves."""
    platform = platform_of(request)
    try:
        done = await archive.prune(platform.database, platform.data_dir, body.before)
    except ValueError:
        raise Invalid("before: must be a moment such as 2026-01-31T00:00:00Z") from None
    if done is None:
        raise Invalid("there is nothing that old", "Choose a later moment.")
    return schemas.PruneAnswer(pruned=done.last - done.first + 1, file=str(done.file), digest=done.digest)


async def _page(
    request: Request, response: Response, filters: service.Filters, limit: int, cursor: int | None
) -> list[schemas.AuditAnswer]:
    page = await platform_of(request).database.read(lambda session: service.page(session, filters, limit, cursor))
    if page.next is not None:
        response.headers["X-Next-Cursor"] = str(page.next)
    return [_answer(number, record) for number, record in page.entries]


def _answer(number: int, record: str) -> schemas.AuditAnswer:
    entry: dict[str, Any] = json.loads(record)
    payload = entry.get("payload", {})
    return schemas.AuditAnswer(
        id=str(number),
        actor_type=entry.get("actorType", ""),
        actor_id=entry.get("actorId", ""),
        actor_name=entry.get("actorName", ""),
        action=entry.get("action", ""),
        resource_type=entry.get("resourceType", ""),
        resource_id=entry.get("resourceId", ""),
        resource_name=entry.get("resourceName", ""),
        payload_summary=", ".join(f"{name}={value}" for name, value in payload.items())[:500],
        payload=payload,
        diff=entry.get("diff", {}),
        args_digest=entry.get("argsDigest", ""),
        decision=entry.get("decision", ""),
        approval_id=entry.get("approvalId", ""),
        outcome=entry.get("outcome", ""),
        ip_address=entry.get("ipAddress", ""),
        request_id=entry.get("requestId", ""),
        source=entry.get("source", ""),
        error=entry.get("error", ""),
        status=entry.get("status"),
        duration_ms=entry.get("durationMs"),
        count=entry.get("count", 1),
        created_at=entry.get("createdAt", ""),
    )
