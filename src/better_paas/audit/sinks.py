"""Copies of the log outside of this server: signed checkpoints (anchors) and the entries themselves (streams).

Each sink has a cursor in the database, so that nothing is left out however long it was away.
"""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from better_paas.audit import service
from better_paas.audit.deliver import Access, deliver
from better_paas.db.database import Database

_BATCH = 500
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sink:
    """kind: "anchor" or "stream". address: as deliver.py reads it."""

    kind: str
    address: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.address}"


class SinkWorker:
    """Brings what is new to one sink. changed: told when its state (well, or why not) changes."""

    def __init__(self, database: Database, sink: Sink, access: Access, changed: Callable[[], None]) -> None:
        self._database, self.sink, self._access, self._changed = database, sink, access, changed
        self._news = asyncio.Event()
        self._news.set()  # what was left at the last stop

    def wake(self) -> None:
        self._news.set()

    async def run(self) -> None:
        """Never returns. A sink that is away is tried again, more and more slowly."""
        pause = _FIRST_PAUSE
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                while await self._bring():
                    pass
                pause = _FIRST_PAUSE
            except Exception as error:  # whatever the other side does, the cursor says where to go on
                reason = f"{type(error).__name__}: {error}"[:300]
                _log.warning("the audit log can't be copied outside", sink=self.sink.name, reason=reason)
                await self._note(reason)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                self._news.set()

    async def _bring(self) -> bool:
        """One batch; whether there may be more."""
        position = await self._database.read(lambda session: service.sink_position(session, self.sink.name))
        source = service.notes_from if self.sink.kind == "anchor" else service.records_from
        items = await self._database.read(functools.partial(source, first=position + 1, limit=_BATCH))
        if not items:
            return False
        await deliver(self.sink.address, self.sink.kind, items, self._access)

        def unit(session: Session) -> None:
            service.move_sink(session, self.sink.name, items[-1][0], "")

        await self._database.write(unit)
        return len(items) == _BATCH

    async def _note(self, problem: str) -> None:
        try:
            await self._database.write(lambda session: service.move_sink(session, self.sink.name, None, problem))
            self._changed()
        except Exception as error:  # the disk is full, too
            _log.warning("a sink's state could not be written", reason=str(error))
