"""Places for work that takes long: so many at once, and of one owner so many of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakValueDictionary


class Slots:
    def __init__(self, total: int, each: int) -> None:
        """each: of one owner, so that nobody takes all."""
        self._all, self._each = asyncio.Semaphore(total), each
        # Kept by those who have or wait for one.
        self._own: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def taken(self, owner: str) -> AsyncIterator[None]:
        """One of them, once there is one."""
        own = self._own.setdefault(owner, asyncio.Semaphore(self._each))
        async with own, self._all:
            yield
