"""Health, manifest, API document and the stream of events."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse

import better_paas
from better_paas.kit import sse
from better_paas.kit.clock import iso, now
from better_paas.kit.schema import Answer
from better_paas.tokens.guard import GuardedRoute, platform_of

router = APIRouter(route_class=GuardedRoute, tags=["System"])


class ErrorAnswer(Answer):
    """Every error. code: stable, for machines. hint: what to do."""

    error: str
    code: str
    hint: str | None
    request_id: str | None


class Health(Answer):
    """uptime: seconds. engine: its version, or null while it does not answer. ingress, jobs: "ok" or the problem."""

    status: str
    timestamp: str
    uptime: int
    version: str
    engine: str | None
    ingress: str
    jobs: str


class Manifest(Answer):
    """Where the API and the dashboard are."""

    api_url: str
    ui_url: str | None = None


class ServerInfo(Answer):
    public_ip: str | None
    apps_suffix: str
    http_port: int
    https_port: int
    tls: str


@router.get("/api/health")
async def health(request: Request) -> Health:
    """Whether the control plane is up; engine and ingress say how the rest does."""
    platform = platform_of(request)
    return Health(
        status="healthy",
        timestamp=iso(now()) or "",
        uptime=int(asyncio.get_running_loop().time() - platform.started_at),
        version=better_paas.__version__,
        engine=await platform.engine_version(),
        ingress=platform.ingress.problem or "ok",
        jobs=platform.worker.problem or "ok",
    )


@router.get("/.well-known/better-paas.json", response_model_exclude_none=True)
async def manifest(request: Request) -> Manifest:
    """For clients that know only the address."""
    platform = platform_of(request)
    scheme = request.headers.get("x-forwarded-proto") if platform.settings.trust_proxy else None
    host = request.headers.get("host", request.url.netloc)
    return Manifest(
        api_url=f"{scheme if scheme in ('http', 'https') else request.url.scheme}://{host}",
        ui_url=platform.settings.paas_ui_url,
    )


@router.get("/api/server/info")
async def server_info(request: Request) -> ServerInfo:
    """Addresses of this server, for DNS records."""
    platform = platform_of(request)
    settings = platform.settings
    return ServerInfo(
        public_ip=platform.public_address,
        apps_suffix=platform.rules.suffix,
        http_port=settings.http_port,
        https_port=settings.https_port,
        tls=settings.ingress_tls,
    )


@router.get("/api/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    return JSONResponse(request.app.openapi())


@router.get("/api/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The API reference: one page without anything from elsewhere."""
    return HTMLResponse(Path(__file__).with_name("docs.html").read_text())


@router.get("/api/docs/page.js", include_in_schema=False)
async def docs_script(request: Request) -> Response:
    return FileResponse(Path(__file__).with_name("docs.js"), media_type="text/javascript")


@router.get("/api/events", response_class=StreamingResponse)
async def events(request: Request) -> Response:
    """Server-sent events: `{topic, id}` for each app, deployment or project that changed; `reset` means load afresh."""
    platform = platform_of(request)

    async def stream() -> AsyncIterator[bytes]:
        yield sse.event({"topic": "hello"})
        async for event in platform.events.subscribe():
            yield sse.event(event)

    return StreamingResponse(sse.with_heartbeat(stream()), media_type="text/event-stream", headers=sse.HEADERS)
