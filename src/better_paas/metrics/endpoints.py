"""Figures and findings over HTTP."""

import shutil
from collections import Counter
from datetime import datetime

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from better_paas.access.guard import api_router, platform_of
from better_paas.apps import service as apps
from better_paas.audit.models import AuditEntry
from better_paas.bootstrap import Platform
from better_paas.deployments.models import Deployment
from better_paas.jobs import queue
from better_paas.kit.clock import now
from better_paas.kit.logging import lost_lines
from better_paas.kit.schema import Answer
from better_paas.metrics.doctor import examine, summary

router = api_router("System")


class FindingAnswer(Answer):
    """level: good, notice or bad. advice: what to do about it; empty while all is well."""

    name: str
    level: str
    state: str
    advice: str


class DoctorAnswer(Answer):
    summary: str
    findings: list[FindingAnswer]


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Figures in the text form of Prometheus. A token with the scope metrics:read reads them."""
    platform = platform_of(request)
    await _look(platform)
    return Response(generate_latest(platform.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/system/doctor")
async def doctor(request: Request) -> DoctorAnswer:
    """Look at everything that apps depend on; each finding says what to do. Takes some seconds."""
    found = await examine(platform_of(request))
    answers = [FindingAnswer(name=one.name, level=one.level, state=one.state, advice=one.advice) for one in found]
    return DoctorAnswer(summary=summary(found), findings=answers)


async def _look(platform: Platform) -> None:
    """What is not counted as it happens is looked up when someone asks."""

    def unit(session: Session) -> tuple[Counter[str], dict[str, int], tuple[int, datetime | None], int]:
        states = Counter(apps.status_of(view)[0] for view in apps.views(session, apps.all_apps(session)))
        rows = session.execute(select(Deployment.status, func.count()).group_by(Deployment.status))
        entries = session.scalar(select(func.max(AuditEntry.id))) or 0
        return states, {status: count for status, count in rows}, queue.waiting(session), entries

    states, deployments, (queued, oldest), entries = await platform.database.read(unit)
    metrics = platform.metrics
    for state in ("running", "building", "stopped", "failed"):
        metrics.apps.labels(state).set(states.get(state, 0))
    for status in ("queued", "building", "success", "failed", "cancelled"):
        metrics.deployments.labels(status).set(deployments.get(status, 0))
    metrics.queued_jobs.set(queued)
    metrics.oldest_job.set((now() - oldest).total_seconds() if oldest else 0)
    metrics.loop_lag.set(metrics.loop.lag)
    metrics.loop_holds.set(metrics.loop.holds)
    metrics.loop_longest_hold.set(metrics.loop.longest)
    metrics.free_bytes.set(shutil.disk_usage(platform.data_dir).free)
    metrics.engine_up.set(await platform.engine_version() is not None)
    metrics.ingress_up.set(not platform.ingress.problem)
    metrics.audit_entries.set(entries)
    metrics.lost_log_lines.set(lost_lines())
