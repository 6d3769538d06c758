"""The ASGI application: routers, middleware, errors, the dashboard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Route

import better_paas
from better_paas import policy
from better_paas.access import endpoints as tokens
from better_paas.access.schemas import ErrorAnswer
from better_paas.agents import endpoints as agents
from better_paas.approvals import endpoints as approvals
from better_paas.apps import endpoints as apps
from better_paas.apps import trash_endpoints as trash
from better_paas.audit import endpoints as audit
from better_paas.bootstrap import Platform
from better_paas.caddy.process import CaddyFailed
from better_paas.connect import endpoints as connect
from better_paas.connect import oauth
from better_paas.deployments import endpoints as deployments
from better_paas.domains import cloudflare_endpoints as cloudflare
from better_paas.domains import endpoints as domains
from better_paas.engine.client import EngineFailed
from better_paas.errors import PaasError
from better_paas.install import endpoints as install
from better_paas.kit.memory import settle
from better_paas.kit.quoted import quote
from better_paas.mcp.endpoint import McpEndpoint
from better_paas.metrics import endpoints as metrics
from better_paas.middleware import RequestContextMiddleware
from better_paas.projects import endpoints as projects
from better_paas.runtime.protocol import RuntimeFailed
from better_paas.system import endpoints as system
from better_paas.vault import endpoints as vault
from better_paas.volumes import endpoints as volumes

_OUTSIDE = {EngineFailed: "the engine could not do it", CaddyFailed: "the ingress could not do it"}
DASHBOARD = Path(better_paas.__file__).with_name("dashboard")
_ROUTERS = (
    system.router,
    tokens.router,
    apps.router,
    domains.router,
    cloudflare.router,
    trash.router,
    volumes.router,
    deployments.router,
    projects.router,
    agents.router,
    approvals.router,
    install.router,
    connect.router,
    oauth.router,
    audit.router,
    vault.router,
    metrics.router,
)


def create_app(platform: Platform | None) -> FastAPI:
    """The application over a platform; without one it can only describe itself (its OpenAPI document)."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        assert platform is not None
        await platform.start()
        settle()
        yield
        await platform.stop()

    app = FastAPI(
        title="Better-PaaS",
        version=better_paas.__version__,
        description="Deploy from Git, watch it build, roll it back.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.platform = platform
    for router in _ROUTERS:
        app.router.routes.extend(router.routes)
    app.add_exception_handler(PaasError, _paas_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(EngineFailed, _outside_error)
    app.add_exception_handler(RuntimeFailed, _outside_error)
    app.add_exception_handler(CaddyFailed, _outside_error)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _own_error)
    if platform is not None and platform.settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(platform.settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID", "X-Better-PaaS-Client"],
            expose_headers=["X-Next-Cursor", "X-Request-Id", "Retry-After"],
        )
    app.add_middleware(RequestContextMiddleware, counted=platform.metrics.request if platform is not None else None)
    if platform is not None:
        # First: finding one of a hundred routes is a good part of what a message costs.
        app.router.routes.insert(0, Route("/mcp", McpEndpoint(app, platform), include_in_schema=False))
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    app.add_api_route("/{path:path}", _dashboard, methods=["GET", "HEAD"], include_in_schema=False)
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the security that the policy table asks for."""
    from fastapi.openapi.utils import get_openapi

    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, servers=[{"url": "/"}]
    )
    document["components"]["schemas"][ErrorAnswer.__name__] = ErrorAnswer.model_json_schema(mode="serialization")
    scheme = {"type": "http", "scheme": "bearer", "description": "The admin token, or an agent token (bpagt_…)."}
    document["components"]["securitySchemes"] = {"bearer": scheme}
    return document


def _error(
    request: Request,
    status: int,
    error: str,
    code: str,
    hint: str | None,
    headers: dict[str, str] | None = None,
    quoted: str = "",
) -> JSONResponse:
    request_id = getattr(request.state, "request_id", None)
    body = {"error": error, "code": code, "hint": hint, "quoted": quote(quoted) or None, "requestId": request_id}
    return JSONResponse(body, status, headers)


async def _paas_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PaasError)
    return _error(request, error.status, error.error, error.code, error.hint, error.headers, error.quoted)


async def _invalid(request: Request, error: Exception) -> Response:
    """The first fault, in words, without the value that was sent."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    message = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        where, message = "", "the body is not valid JSON"
    text = f"{where}: {message}" if where else message
    return _error(request, 400, text, "invalid", "See /api/docs for what this call takes.")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    hints = {404: "See /api/docs for all calls.", 405: "See /api/docs for the method."}
    codes = {404: "not_found", 405: "method_not_allowed"}
    code = codes.get(error.status_code, "invalid")
    headers = dict(error.headers) if error.headers else None
    return _error(request, error.status_code, str(error.detail), code, hints.get(error.status_code), headers)


async def _too_deep(request: Request, error: Exception) -> Response:
    return _error(request, 400, "the body is nested too deeply", "invalid", "Send plain fields; see /api/docs.")


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads it, and it is no fault of ours that a log should tell."""
    return Response(status_code=400)


async def _outside_error(request: Request, error: Exception) -> Response:
    hint = getattr(error, "hint", "") or "Is the Docker engine running? 'GET /api/health' shows what is missing."
    if isinstance(error, RuntimeFailed):
        return _error(request, 503, str(error), "unavailable", hint, quoted=error.quoted)
    return _error(request, 503, _OUTSIDE[type(error)], "unavailable", hint, quoted=str(error))


async def _own_error(request: Request, error: Exception) -> Response:
    structlog.get_logger(__name__).error("request failed", path=request.url.path, exc_info=error)
    return _error(request, 500, "Internal error", "internal", "Try again; the server's log has the details.")


def _dashboard(path: str) -> Response:
    """A file of the built dashboard, or its page for every address inside it."""
    if path.startswith(("api/", "ws/", ".well-known/", "install/", "oauth/", "metrics")):
        raise HTTPException(404, "Not found")
    try:
        file = (DASHBOARD / path).resolve()
        found = bool(path) and file.is_relative_to(DASHBOARD) and file.is_file()
    except (ValueError, OSError):  # a NUL character, or longer than a name can be
        raise HTTPException(404, "Not found") from None
    if found:
        hashed = path.startswith("assets/")
        cache = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return FileResponse(file, headers={"Cache-Control": cache})
    index = DASHBOARD / "index.html"
    if not index.is_file():
        raise HTTPException(404, "The dashboard was not built; run ./run")
    return FileResponse(index, headers={"Cache-Control": "no-cache"})


def unserved_actions() -> list[str]:
    """Rows of the policy table that no route serves; a test keeps this empty."""
    served = {
        (method, getattr(route, "path", ""))
        for router in _ROUTERS
        for route in router.routes
        for method in getattr(route, "methods", None) or {"WS"}
    }
    return [f"{row.method} {row.path}" for row in policy.ACTIONS if (row.method, row.path) not in served]
