"""Makes checkpoints while the server runs: every 1,000 entries, within a minute of news, and at the stop."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from better_paas.audit import service
from better_paas.audit.models import AuditCheckpoint
from better_paas.audit.notes import Signer
from better_paas.db.database import Database

_ENTRIES = 1_000
_SECONDS = 60.0
_log = structlog.get_logger(__name__)


class Checkpointer:
    """told: called with each new checkpoint, on the event loop."""

    def __init__(self, database: Database, signer: Signer, told: Callable[[AuditCheckpoint], None]) -> None:
        self._database, self.signer, self._told = database, signer, told
        self._news = asyncio.Event()
        self._enough = asyncio.Event()
        self._count = 0

    def note(self) -> None:
        """An entry is on disk."""
        self._count += 1
        self._news.set()
        if self._count >= _ENTRIES:
            self._enough.set()

    async def run(self) -> None:
        """Never returns. A failure is told, and tried again with the next news."""
        while True:
            await self._news.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), _SECONDS)
            try:
                await self.make()
            except Exception as error:
                _log.error("a checkpoint of the audit log could not be written", reason=str(error))
                await asyncio.sleep(_SECONDS)

    async def make(self) -> AuditCheckpoint | None:
        """A checkpoint over all that is on disk; None if there was nothing new."""
        self._news.clear()
        self._enough.clear()
        self._count = 0
        made = await self._database.write(lambda session: service.add_checkpoint(session, self.signer))
        if made is not None:
            self._told(made)
        return made
