"""`/mcp` as an ASGI application: who is it, does a browser send it from elsewhere, then the protocol.

The SDK is loaded with the first request: a server whose agents use the API alone never pays for it.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from better_paas.access.authenticate import authenticate
from better_paas.access.own_address import HEADERS, own_url
from better_paas.bootstrap import Platform
from better_paas.errors import Forbidden, PaasError, Unauthorized

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class McpEndpoint:
    """app: the application whose API the tools call."""

    def __init__(self, app: FastAPI, platform: Platform) -> None:
        self._app, self._platform = app, platform
        self._ready: asyncio.Task[Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            _check_origin(self._platform, request)
            caller = await authenticate(self._platform, request)
            if caller.kind == "anonymous":
                raise Unauthorized
        except PaasError as error:
            await self._refuse(request, error)(scope, receive, send)
            return
        request.state.caller = caller
        manager = await self._manager()
        await manager.handle_request(scope, receive, send)

    def _refuse(self, request: Request, error: PaasError) -> JSONResponse:
        """With the way to a token, for clients that can go it by themselves (RFC 9728)."""
        headers = dict(error.headers)
        if error.status == 401:
            metadata = f"{own_url(self._platform, request)}/.well-known/oauth-protected-resource/mcp"
            headers |= HEADERS
            headers["WWW-Authenticate"] = f'Bearer resource_metadata="{metadata}", scope="apps:read"'
        body = {"error": error.error, "code": error.code, "hint": error.hint, "requestId": request.state.request_id}
        return JSONResponse(body, error.status, headers)

    async def _manager(self) -> Any:
        """The session manager, running. One that was not cancelled is started once, whoever asks first."""
        if self._ready is None:
            self._ready = asyncio.ensure_future(self._start())
        return await asyncio.shield(self._ready)

    async def _start(self) -> Any:
        server = await asyncio.to_thread(_make, self._app)
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        # Without sessions a restart or a second process changes nothing for a client.
        manager = StreamableHTTPSessionManager(server, json_response=False, stateless=True)
        running = asyncio.Event()

        async def run() -> None:
            try:
                async with manager.run():
                    running.set()
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
            finally:
                # One that broke is of no use to anybody: the next call makes another.
                self._ready = None

        self._platform.background(run())
        await running.wait()
        return manager


def _make(app: FastAPI) -> Any:
    from better_paas.mcp.server import make_server

    return make_server(app)


def _check_origin(platform: Platform, request: Request) -> None:
    """A page in a browser may speak to us only from our own address or a named one: a name that was bent to this
    machine (DNS rebinding) is neither. Programs send no Origin. Errors: Forbidden."""
    origin = request.headers.get("origin")
    if origin is None or origin in platform.settings.origins:
        return
    known = urlsplit(platform.settings.paas_ui_url or "").hostname
    refused = Forbidden("Forbidden: origin not allowed", "Add it to DASHBOARD_ORIGIN.")
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as http://[
        raise refused from None
    same = parts.netloc == request.headers.get("host")
    if not same or not (parts.hostname == known or _is_fixed(parts.hostname or "")):
        raise refused


def _is_fixed(host: str) -> bool:
    """Whether nobody else can decide where this host leads."""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
