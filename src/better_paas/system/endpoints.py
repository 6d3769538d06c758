"""Health, manifest, API document and the stream of events."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from sqlalchemy.orm import Session

import better_paas
from better_paas.access.authenticate import refresh_caller
from better_paas.access.caller import Caller
from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.access.own_address import HEADERS, own_url
from better_paas.access.streams import event_stream
from better_paas.apps.models import App
from better_paas.bootstrap import Platform
from better_paas.deployments.models import Deployment
from better_paas.errors import PaasError
from better_paas.kit import sse
from better_paas.kit.clock import iso, now
from better_paas.kit.schema import Answer
from better_paas.system.health import look

router = api_router("System")


class PartAnswer(Answer):
    """state: "ok" or the problem. since: when that began."""

    state: str
    since: str


class Health(Answer):
    """status: "healthy", or "degraded" if any part is not ok. uptime: seconds. runtime: what runs apps, "docker" or
    "process". ingress, jobs: "ok" or the problem.

    parts: jobs, writer (of the state), ingress, engine, disk, releases (that the state does not know), tasks (others
    that are not meant to end).

    engine: its version, or null while it does not answer and where apps are processes of the machine.

    unservedNames: hosts and paths of apps that the ingress leaves out; GET /api/apps/domains says why.

    queuedJobs: jobs that wait, the oldest for oldestJob seconds. loopLag: seconds that the server answers late.
    """

    status: str
    timestamp: str
    uptime: int
    version: str
    runtime: str
    engine: str | None
    ingress: str
    unserved_names: int
    jobs: str
    queued_jobs: int
    oldest_job: int
    loop_lag: float
    parts: dict[str, PartAnswer]


class Manifest(Answer):
    """Where the API and the dashboard are."""

    api_url: str
    ui_url: str | None = None


class SecurityCheck(Answer):
    """state: how it is. advice: what makes it better, or keeps it good."""

    name: str
    good: bool
    state: str
    advice: str


class LockOut(Answer):
    network: str
    failures: int
    seconds: int


class SecurityAnswer(Answer):
    checks: list[SecurityCheck]
    lock_outs: list[LockOut]


class ServerInfo(Answer):
    """defaultMemory, defaultCpus: limits of an app that sets none; empty for none."""

    public_ip: str | None
    default_memory: str
    default_cpus: str
    apps_suffix: str
    http_port: int
    https_port: int
    tls: str


@router.get("/api/health", responses={503: {"model": Health, "description": "The state can't be read or written."}})
async def health(request: Request, response: Response) -> Health:
    """How the control plane and each of its parts does, and since when. 503 if the state can't be read or written."""
    platform = platform_of(request)
    found = await look(platform)
    if not found.is_usable:
        response.status_code = 503
    parts = {
        name: PartAnswer(state=part.problem or "ok", since=iso(part.since) or "") for name, part in found.parts.items()
    }
    return Health(
        status="healthy" if found.is_healthy else "degraded",
        timestamp=iso(now()) or "",
        uptime=int(asyncio.get_running_loop().time() - platform.started_at),
        version=better_paas.__version__,
        runtime=platform.settings.runtime,
        engine=found.engine,
        ingress=parts["ingress"].state,
        jobs=parts["jobs"].state,
        queued_jobs=found.queued,
        oldest_job=round((now() - found.oldest).total_seconds()) if found.oldest else 0,
        loop_lag=round(platform.metrics.loop.lag, 3),
        unserved_names=len(platform.unserved.all()),
        parts=parts,
    )


@router.get("/.well-known/better-paas.json", response_model_exclude_none=True)
async def manifest(request: Request, response: Response) -> Manifest:
    """For clients that know only the address."""
    response.headers.update(HEADERS)
    platform = platform_of(request)
    return Manifest(api_url=own_url(platform, request), ui_url=platform.settings.paas_ui_url)


@router.get("/api/server/info")
async def server_info(request: Request) -> ServerInfo:
    """Addresses of this server, for DNS records."""
    platform = platform_of(request)
    settings = platform.settings
    return ServerInfo(
        public_ip=platform.public_address,
        default_memory=settings.default_memory,
        default_cpus=settings.default_cpus,
        apps_suffix=platform.rules.suffix,
        http_port=settings.http_port,
        https_port=settings.https_port,
        tls=settings.ingress_tls,
    )


@router.get("/api/security")
async def security(request: Request) -> SecurityAnswer:
    """How safe this installation is set up, and who has to wait after failed sign-ins."""
    platform = platform_of(request)
    settings = platform.settings
    loopback = settings.listen[0] in ("127.0.0.1", "::1", "localhost")
    pinned_key = platform.vault.source.is_pinned
    checks = [
        SecurityCheck(
            name="Admin token",
            good=True,
            state="Pinned by ADMIN_TOKEN" if settings.admin_token else "In a file that its owner alone can read",
            advice="Give machines agent tokens, never this one. Suspect it leaked? Run 'better-paas token rotate'.",
        ),
        SecurityCheck(
            name="Key of stored secrets",
            good=pinned_key,
            state="Given from outside" if pinned_key else "In a file beside the database",
            advice="Set BETTER_PAAS_SECRET_KEY from a secrets manager: then a stolen data directory opens nothing.",
        ),
        SecurityCheck(
            name="Network",
            good=loopback or settings.proxies is not None,
            state=f"Listens on {settings.listen_addr}",
            advice="Put HTTPS in front and set LISTEN_ADDR=127.0.0.1:8080. Open only 80, 443 and SSH in the firewall.",
        ),
        SecurityCheck(
            name="Proxy in front",
            good=not (loopback and settings.proxies is None),
            state=f"TRUST_PROXY is {settings.trust_proxy}",
            advice="Behind a proxy, set TRUST_PROXY: else every visitor seems to come from the proxy.",
        ),
        SecurityCheck(
            name="Audit log kept elsewhere",
            good=bool(settings.anchors),
            state=f"Checkpoints go to {len(settings.anchors)} places" if settings.anchors else "On this server alone",
            advice="Set AUDIT_ANCHORS: then nobody who owns this server can cut off the log unseen.",
        ),
    ]
    waiting = [
        LockOut(network=network, failures=failures, seconds=round(seconds))
        for network, failures, seconds in platform.failures.waiting()
    ]
    return SecurityAnswer(checks=checks, lock_outs=waiting)


@router.get("/api/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """Made once, aside: it takes half a second, and anybody may ask for it."""
    app = request.app
    made = getattr(app.state, "openapi", None)
    if made is None:
        made = app.state.openapi = asyncio.ensure_future(
            asyncio.to_thread(lambda: json.dumps(app.openapi(), separators=(",", ":")).encode())
        )
    try:
        return Response(await asyncio.shield(made), media_type="application/json")
    except Exception:
        app.state.openapi = None  # the next one tries again
        raise


@router.get("/api/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The API reference: one page without anything from elsewhere."""
    return HTMLResponse(Path(__file__).with_name("docs.html").read_text())


@router.get("/api/docs/page.js", include_in_schema=False)
async def docs_script(request: Request) -> Response:
    return FileResponse(Path(__file__).with_name("docs.js"), media_type="text/javascript")


@router.get("/api/events", response_class=StreamingResponse)
async def events(request: Request) -> Response:
    """Server-sent events: `{topic, id}` for each app, deployment or project that changed; `reset` means load afresh.

    People who are admin also get `agent`, `approval` and `audit`; a token gets what is its own.
    """
    platform, caller, action = platform_of(request), caller_of(request), request.scope["route"].action

    async def stream() -> AsyncIterator[bytes]:
        yield sse.event({"topic": "hello"})
        async for event in platform.events.subscribe():
            try:
                current = refresh_caller(platform, caller, action)
            except PaasError:
                return
            if current.kind == "admin" or await _is_for(platform, current, event):
                yield sse.event(event)

    return event_stream(request, stream())


async def _is_for(platform: Platform, caller: Caller, event: dict[str, Any]) -> bool:
    """Whether a token may hear of this. What was deleted can be looked up no more: then it hears nothing."""
    topic, identity = event["topic"], event.get("id", "")
    if topic == "reset":
        return True
    if topic not in ("app", "deployment", "project"):
        return False
    if caller.sees_all:
        return True
    if topic == "project":
        return caller.sees_project(identity)

    def unit(session: Session) -> bool:
        deployment = session.get(Deployment, identity) if topic == "deployment" else None
        app = session.get(App, deployment.app_id if deployment is not None else identity)
        return app is not None and caller.sees_app(app.id, app.project_id)

    return await platform.database.read(unit)
