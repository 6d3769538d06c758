"""What surrounds each request: its id, the security headers, one log line."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from better_paas import policy
from better_paas.errors import TooLarge
from better_paas.kit.ids import new_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Styles are the one thing that the component kit sets inline; scripts are only our own files.
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
Counted = Callable[[str, str, int, float], None]
_log = structlog.get_logger("better_paas.request")


# The most that a call may send, and an upload of files.
MAX_BODY_BYTES = 2 * 2**20
# What anybody may send, without a token.
_MAX_PUBLIC_BYTES = 64 * 2**10
_PUBLIC = frozenset(action.path for action in policy.ACTIONS if action.public and action.method == "POST")
_MAX_UPLOAD_BYTES = 500 * 2**20


class RequestContextMiddleware:
    """Plain ASGI: a streamed answer passes through as it comes."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], counted: Counted | None = None) -> None:
        """counted: told of each request (method, route, status, seconds)."""
        self._app, self._counted = app, counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = new_id(16)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status, received, first_byte = time.perf_counter(), 0, 0, 0.0
        most = _most_bytes(scope["path"])

        async def send_with_headers(message: Message) -> None:
            nonlocal status, first_byte
            if message["type"] == "http.response.start":
                status, first_byte = message["status"], time.perf_counter() - started
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *_HEADERS]
            await send(message)

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body") or b"")
            if received > most:
                shown = f"{most // 2**20} MiB" if most >= 2**20 else f"{most // 2**10} KiB"
                raise TooLarge(f"the body is larger than {shown}", "Send a smaller body.")
            return message

        await self._app(scope, bounded if scope["type"] == "http" else receive, send_with_headers)
        seconds = time.perf_counter() - started
        if self._counted is not None and scope["type"] == "http":
            # The route's pattern, never the address: that is the caller's to choose, and may hold anything.
            route = scope.get("route")
            self._counted(scope["method"], getattr(route, "path", "other"), status, first_byte or seconds)
        milliseconds = round(seconds * 1000, 1)
        _log.debug("request", method=scope.get("method"), path=scope["path"], status=status, ms=milliseconds)


def _most_bytes(path: str) -> int:
    if path in _PUBLIC:
        return _MAX_PUBLIC_BYTES
    return _MAX_UPLOAD_BYTES if path.endswith("/upload") else MAX_BODY_BYTES
