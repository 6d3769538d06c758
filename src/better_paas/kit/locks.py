"""Locks by name, among the tasks of this process and among all processes that use the same folder."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote
from weakref import WeakValueDictionary

from better_paas.kit.files import file_lock


class Locks:
    """folder: in the data directory, which all processes of an installation share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tasks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        """Nobody else does the same meanwhile. The lock of a process that dies is free at once."""
        # In this process first: of all its tasks only one ever waits for the others' lock.
        async with self._tasks.setdefault(name, asyncio.Lock()):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            async with file_lock(self._folder / quote(name, safe="")):
                yield
