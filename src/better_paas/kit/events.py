"""An in-process bus: after-commit news for open event streams."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

Event = dict[str, Any]

_BUFFER = 256


class EventBus:
    """Fans events out to subscribers. One that falls behind gets a single `reset` and should load afresh."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Event]] = set()

    def publish(self, event: Event) -> None:
        """Hand `event` to every subscriber. Call it on the event loop."""
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait({"topic": "reset"})
            else:
                queue.put_nowait(event)

    async def subscribe(self) -> AsyncIterator[Event]:
        """All events from now on, until the iterator is closed."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_BUFFER)
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)
