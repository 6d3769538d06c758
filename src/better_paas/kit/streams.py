"""Many streams as one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TypeVar

T = TypeVar("T")
_MOST_WAITING = 1000


async def merged(sources: Mapping[str, AsyncIterator[T]]) -> AsyncIterator[tuple[str, T]]:
    """What the sources give, as it comes, each with the name of its source. Ends when all have ended."""
    waiting: asyncio.Queue[tuple[str, T] | None] = asyncio.Queue(_MOST_WAITING)

    async def read(name: str, source: AsyncIterator[T]) -> None:
        with contextlib.suppress(Exception):  # one that breaks off has ended; the others go on
            async for item in source:
                await waiting.put((name, item))
        await waiting.put(None)

    readers = [asyncio.create_task(read(name, source)) for name, source in sources.items()]
    try:
        ended = 0
        while ended < len(readers):
            item = await waiting.get()
            if item is None:
                ended += 1
            else:
                yield item
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
