"""Streams that end when the token that opened them no longer allows it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from better_paas import policy
from better_paas.access.authenticate import caller_of, platform_of, refresh_caller
from better_paas.access.authorize import check_targets
from better_paas.errors import PaasError
from better_paas.kit import sse

# Whether a token has expired, or the admin token was replaced, is no news: it is looked for.
_RECHECK_SECONDS = 15.0


def event_stream(request: Request, source: AsyncIterator[bytes]) -> StreamingResponse:
    """`source` as server-sent events."""
    action = request.scope["route"].action
    stream = sse.with_heartbeat(source, lambda: _until_refused(request, action))
    return StreamingResponse(stream, media_type="text/event-stream", headers=sse.HEADERS)


async def until_gone(websocket: WebSocket, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends, the client goes away, or its token no longer allows it."""
    refused = _until_refused(websocket, policy.action_for("WS", websocket.scope["path"]))
    tasks = [asyncio.ensure_future(part) for part in (work, _drain(websocket), refused)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[2].done():
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await websocket.close(4401, "the token no longer allows this")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_refused(request: Request | WebSocket, action: policy.Action) -> None:
    """Until token, scopes or the resources that the stream is of allow it no more."""
    tokens = platform_of(request).agents.changed
    while True:
        changed = tokens.next()
        if not await _is_allowed(request, action):
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), _RECHECK_SECONDS)


async def _is_allowed(request: Request | WebSocket, action: policy.Action) -> bool:
    platform, fields = platform_of(request), dict(request.query_params)
    try:
        now = refresh_caller(platform, caller_of(request), action)
        if not now.may(action):
            return False
        if not now.sees_all:
            await platform.database.read(lambda session: check_targets(session, action, now, fields))
    except PaasError:
        return False
    return True


async def _drain(websocket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await websocket.receive_text()
