"""Reading deployments and following their logs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.access.streams import event_stream, until_gone
from better_paas.apps import service as apps
from better_paas.bootstrap import Platform
from better_paas.deployments import service
from better_paas.deployments.compare import compare
from better_paas.deployments.models import Deployment
from better_paas.deployments.schemas import (
    ChangeAnswer,
    CompareAnswer,
    DeploymentAnswer,
    DeploymentLogs,
    LogLine,
    StepAnswer,
)
from better_paas.errors import NotFound
from better_paas.jobs import queue
from better_paas.jobs.models import JobStep
from better_paas.kit import sse
from better_paas.kit.clock import iso, now
from better_paas.kit.logs import Lines
from better_paas.kit.quoted import subject

router = api_router("Deployments")
_LOG_PAGE_BYTES = 1024 * 1024

Status = Literal["queued", "building", "success", "failed", "cancelled"]


@router.get("/api/deployments/history")
async def deployments_history(
    request: Request,
    response: Response,
    app_id: Annotated[str | None, Query(alias="appId", max_length=40)] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
) -> list[DeploymentAnswer]:
    """Deployments, newest first, without their logs."""
    caller = caller_of(request)

    def unit(session: Session) -> list[DeploymentAnswer]:
        visible = None if caller.sees_all else apps.visible_ids(session, caller.sees_app)
        return answers(session, list(service.history(session, app_id, status, limit, cursor, visible)))

    found = await platform_of(request).database.read(unit)
    if len(found) == limit:
        response.headers["X-Next-Cursor"] = found[-1].id
    return found


@router.get("/api/deployments/get", responses={404: {"description": "No such deployment"}})
async def deployments_get(request: Request, id: Annotated[str, Query(max_length=40)]) -> DeploymentAnswer:
    """One deployment with its steps and times."""
    return await platform_of(request).database.read(lambda session: answers(session, [service.get(session, id)])[0])


@router.get("/api/deployments/compare", responses={404: {"description": "No such deployment"}})
async def deployments_compare(
    request: Request,
    id: Annotated[str, Query(max_length=40)],
    with_id: Annotated[str, Query(alias="withId", max_length=40, description="Empty: the good one before it.")] = "",
) -> CompareAnswer:
    """What a deployment changed: commit, plan, settings, and which variables, without their values."""
    found = await platform_of(request).database.read(lambda session: compare(session, id, with_id))
    return CompareAnswer(
        id=found.after.id,
        with_id=found.before.id if found.before else None,
        commit=found.after.commit,
        with_commit=found.before.commit if found.before else "",
        plan=[ChangeAnswer(**asdict(change)) for change in found.plan],
        settings=[ChangeAnswer(**asdict(change)) for change in found.settings],
        added=found.added,
        removed=found.removed,
        changed=found.changed,
    )


@router.get("/api/deployments/logs", responses={404: {"description": "No such deployment"}})
async def deployments_logs(
    request: Request,
    id: Annotated[str, Query(max_length=40)],
    offset: Annotated[int, Query(ge=0, le=2**40)] = 0,
) -> DeploymentLogs:
    """A page of a deployment's log, at most about 1 MiB, from byte `offset` on."""
    platform = platform_of(request)
    deployment = await platform.database.read(lambda session: service.get(session, id))
    lines = await asyncio.to_thread(platform.log_store.read, deployment.app_id, id, offset, _LOG_PAGE_BYTES)
    finished = deployment.status not in service.ACTIVE and not lines.entries
    return DeploymentLogs(logs=[LogLine(**entry) for entry in lines.entries], next=lines.offset, finished=finished)


@router.get("/api/deployments/logs/stream", response_class=StreamingResponse)
async def deployments_logs_stream(
    request: Request,
    id: Annotated[str, Query(max_length=40)],
    offset: Annotated[int, Query(ge=0, le=2**40)] = 0,
) -> Response:
    """A deployment's log by server-sent events, to its end. `Last-Event-ID` resumes."""
    platform = platform_of(request)
    deployment = await platform.database.read(lambda session: service.get(session, id))
    last = request.headers.get("last-event-id", "")
    start = int(last) if last.isdigit() and len(last) < 16 else offset

    async def stream() -> AsyncIterator[bytes]:
        async for lines in _follow(platform, deployment.app_id, id, start):
            # Many lines in one event: nineteen times cheaper than one event for each.
            yield sse.event(lines.entries, event_id=str(lines.offset))
        yield sse.event({"status": await _status(platform, id)}, name="end")

    return event_stream(request, stream())


@router.websocket("/ws/logs")
async def ws_logs(websocket: WebSocket) -> None:
    """The log of an app's latest deployment (of `deploymentId` if given), line by line."""
    platform = platform_of(websocket)
    app_id, wanted = websocket.query_params.get("appId", ""), websocket.query_params.get("deploymentId", "")
    found = await platform.database.read(lambda session: _latest(session, app_id, wanted))
    if found is None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await websocket.close(4404, "no such deployment")
        return

    async def send() -> None:
        async for lines in _follow(platform, found.app_id, found.id, 0):
            for entry in lines.entries:
                await websocket.send_json({"message": entry["message"], "timestamp": entry["timestamp"]})
        await websocket.close(1000)

    await until_gone(websocket, send())


def _follow(platform: Platform, app_id: str, deployment_id: str, offset: int) -> AsyncIterator[Lines]:
    async def is_active() -> bool:
        return await _status(platform, deployment_id) in service.ACTIVE

    return platform.log_store.follow(app_id, deployment_id, offset, is_active, platform.events)


def _latest(session: Session, app_id: str, deployment_id: str) -> Deployment | None:
    if deployment_id:
        try:
            return service.get(session, deployment_id)
        except NotFound:
            return None
    return next(iter(service.history(session, app_id or None, None, 1, None)), None)


async def _status(platform: Platform, deployment_id: str) -> str:
    return (await platform.database.read(lambda session: service.get(session, deployment_id))).status


def answers(session: Session, found: list[Deployment]) -> list[DeploymentAnswer]:
    """API answers with their steps, by two queries."""
    steps = queue.steps_of(session, [deployment.job_id for deployment in found])
    return [_answer(session, deployment, steps.get(deployment.job_id, [])) for deployment in found]


def _answer(session: Session, deployment: Deployment, steps: list[JobStep]) -> DeploymentAnswer:
    begun, ended = deployment.started_at, deployment.finished_at
    why = deployment.why
    return DeploymentAnswer(
        id=deployment.id,
        app_id=deployment.app_id,
        app_name=deployment.app_name,
        status=deployment.status,
        trigger=deployment.trigger,
        actor=deployment.actor,
        request_id=deployment.request_id,
        commit=deployment.commit,
        commit_msg=subject(deployment.commit_msg),
        image=deployment.image or None,
        rollback_of=deployment.rollback_of,
        error=why.sentence,
        hint=deployment.hint,
        quoted=why.quoted,
        plan=deployment.plan or None,
        created_at=iso(deployment.created_at) or "",
        started_at=iso(begun),
        finished_at=iso(ended),
        duration=round(((ended or now()) - deployment.created_at).total_seconds(), 2),
        waits_for=service.waits_for(session, deployment),
        settled=service.is_settled(deployment),
        watched_until=iso(deployment.watched_until),
        steps=[
            StepAnswer(
                name=step.name,
                # The cutover's commit is the success; its step is written a moment later.
                status="done" if deployment.status == "success" else step.status,
                started_at=iso(step.started_at) or "",
                finished_at=iso(step.finished_at),
                seconds=round(((step.finished_at or now()) - step.started_at).total_seconds(), 2),
            )
            for step in steps
        ],
    )
