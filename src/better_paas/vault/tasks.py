"""The change of the key as a job: a new key seals from now on, then everything stored is sealed anew."""

import asyncio
import functools
from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from better_paas.db.database import Database, after_commit
from better_paas.errors import Conflict
from better_paas.jobs import queue
from better_paas.jobs.worker import JobRun
from better_paas.kit.crypto import Keyring, new_key
from better_paas.vault import service
from better_paas.vault.keys import KeySource
from better_paas.vault.slots import SLOTS

RESEAL = "reseal"
_BATCH = 50
_log = structlog.get_logger(__name__)


class Vault:
    """The ring in use and its source."""

    def __init__(self, database: Database, ring: Keyring, source: KeySource) -> None:
        self._database, self.ring, self.source = database, ring, source
        # A change that begins while another ends would see its key thrown away.
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """At start: load the ring and refuse a wrong one. Errors: StartRefused."""
        create = await self._database.read(service.is_new)
        self.ring.replace(self.source.load(create=create))

        def unit(session: Session) -> None:
            service.check(session, self.ring)
            service.enrol(session)
            # A change of the key that was not finished, or one that came from outside.
            if service.stale_rows(session, SLOTS) or service.is_changing(session):
                self._enqueue(session)

        await self._database.write(unit)

    async def rotate(self, wake: Callable[[], None]) -> str:
        """A new key seals from now on; a job does the rest. Gives the key's id. Errors: Conflict."""
        if self.source.is_pinned:
            raise Conflict(
                "the key is given from outside (BETTER_PAAS_SECRET_KEY)",
                "Set BETTER_PAAS_SECRET_KEY to a new key and BETTER_PAAS_SECRET_KEY_PREVIOUS to the one until now, "
                "then restart: everything is sealed anew by itself.",
            )
        if await self._database.read(self._database.others):
            raise Conflict(
                "several servers use this state, and each holds the key", "Stop all but one, then change the key."
            )
        async with self._changing:
            return await self._rotate(wake)

    async def _rotate(self, wake: Callable[[], None]) -> str:
        if await self._database.read(service.is_changing):
            raise Conflict("a change of the key is under way", "Wait until 'better-paas keys' shows one key in use.")
        keys = [new_key(), *self.ring.keys]
        # On disk before anything is sealed with it; a kill right here leaves a key too many, which does no harm.
        self.source.save(keys)
        self.ring.replace(keys)

        def unit(session: Session) -> None:
            service.enrol(session)
            self._enqueue(session)
            after_commit(session, wake)

        await self._database.write(unit)
        return keys[0].id

    def _enqueue(self, session: Session) -> None:
        queue.enqueue(session, RESEAL, {}, lock_key="vault", dedupe_key="reseal")

    async def reseal(self, run: JobRun) -> None:
        """Seal anew in small units, then forget the old keys. It looks for what is left: a kill does no harm."""
        async with self._changing:
            await self._reseal()

    async def _reseal(self) -> None:
        while rows := await self._database.read(lambda session: service.stale_rows(session, SLOTS)):
            for start in range(0, len(rows), _BATCH):
                batch = functools.partial(service.reseal, slots=SLOTS, rows=rows[start : start + _BATCH])
                await self._database.write(batch)
        active = self.ring.active
        await self._database.write(lambda session: service.retire(session, active.id))
        if not self.source.is_pinned:
            self.source.save([active])
            self.ring.replace([active])
        _log.info("all secrets are sealed with the newest key", key=active.id)

    async def reseal_failed(self, run: JobRun, error: BaseException) -> None:
        _log.error("secrets could not be sealed anew; the old key is still needed", reason=str(error))
