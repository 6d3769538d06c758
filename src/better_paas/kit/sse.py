"""Server-sent events as bytes (WHATWG HTML, section 9.2)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT_SECONDS = 15.0


def event(data: Any, *, name: str | None = None, event_id: str | None = None) -> bytes:
    """One event with JSON data."""
    head = (f"id: {event_id}\n" if event_id else "") + (f"event: {name}\n" if name else "")
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def with_heartbeat(
    source: AsyncIterator[bytes], ended: Callable[[], Coroutine[Any, Any, None]]
) -> AsyncIterator[bytes]:
    """`source` with a comment line in each quiet quarter of a minute, so that proxies keep the stream open.

    ended: begun with the stream, which ends when this does, however it does.
    """
    pending: asyncio.Task[bytes] | None = None
    iterator = aiter(source)
    over = asyncio.ensure_future(ended())
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(iterator))
            done, _ = await asyncio.wait(
                {pending, over}, timeout=_HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if over in done:
                over.result()
                return
            if not done:
                yield b": still here\n\n"
                continue
            task, pending = pending, None
            try:
                chunk = task.result()
            except StopAsyncIteration:
                return
            yield chunk
    finally:
        over.cancel()
        if pending is not None:
            pending.cancel()
