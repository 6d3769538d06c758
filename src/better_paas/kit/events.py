"""An in-process bus: after-commit news for open event streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
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

    @contextlib.contextmanager
    def listen(self) -> Iterator[asyncio.Queue[Event]]:
        """A queue of all events from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_BUFFER)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    async def subscribe(self) -> AsyncIterator[Event]:
        """All events, until the iterator is closed."""
        with self.listen() as queue:
            while True:
                yield await queue.get()
