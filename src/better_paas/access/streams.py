"""Streams that end when the token that opened them no longer allows it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from better_paas import policy
from better_paas.access.authenticate import caller_of, platform_of, refresh_caller
from better_paas.access.authorize import check_targets
from better_paas.errors import PaasError
from better_paas.kit import sse

# A token that is gone or narrower cuts open streams within this time.
_RECHECK_SECONDS = 15.0


def event_stream(request: Request, source: AsyncIterator[bytes]) -> StreamingResponse:
    """`source` as server-sent events."""
    allowed = _still_allowed(request, request.scope["route"].action)
    return StreamingResponse(sse.with_heartbeat(source, allowed), media_type="text/event-stream", headers=sse.HEADERS)


async def until_gone(websocket: WebSocket, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends, the client goes away, or its token no longer allows it."""
    allowed = _still_allowed(websocket, policy.action_for("WS", websocket.scope["path"]))
    tasks = [asyncio.ensure_future(part) for part in (work, _drain(websocket), _until_refused(allowed))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[2].done():
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await websocket.close(4401, "the token no longer allows this")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _still_allowed(request: Request | WebSocket, action: policy.Action) -> Callable[[], Awaitable[bool]]:
    """A question to be asked again and again: token, scopes and the very resources that the stream is of."""
    platform, caller, fields = platform_of(request), caller_of(request), dict(request.query_params)

    async def allowed() -> bool:
        try:
            now = refresh_caller(platform, caller, action)
            if not now.may(action):
                return False
            if not now.sees_all:
                await platform.database.read(lambda session: check_targets(session, action, now, fields))
        except PaasError:
            return False
        return True

    return allowed


async def _until_refused(allowed: Callable[[], Awaitable[bool]]) -> None:
    while await allowed():  # noqa: ASYNC110  an expiry is no event: it has to be looked for
        await asyncio.sleep(_RECHECK_SECONDS)


async def _drain(websocket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await websocket.receive_text()
