"""The state in SQLite: one writer with full durability, readers that can't write, and the data directory's lock."""

import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from better_paas.db import backups, schema
from better_paas.db.check import ADVICE, file_faults
from better_paas.db.store import DatabaseInUse, News, Told
from better_paas.errors import StartRefused

FILE_NAME = "better-paas.db"
# For looking at the pages before the start; a state that takes longer is for better-paas db check.
_CHECK_SECONDS = 1.0


class SqliteStore:
    """One file that one process owns."""

    is_shared = False
    # More threads only fight over the interpreter lock.
    readers = 2

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None
        self.writer, self.reader = writer(path), reader(path)

    def open(self) -> None:
        self._lock = take_lock(self._path, fcntl.LOCK_EX)
        try:
            self._check()
            schema.upgrade(self.writer, lambda: backups.keep(self._path, f"before-{schema.HEAD}"))
        except DBAPIError as error:
            self.close()
            raise StartRefused(
                f"the state in {self._path} can't be opened: {error.orig}", f"Is the disk full? If not: {ADVICE}"
            ) from None
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        """A damaged file would answer with what is not true, or break in the middle. Errors: StartRefused."""
        if self._path.exists() and (faults := file_faults(self._path, _CHECK_SECONDS)):
            raise StartRefused(f"the state in {self._path} is damaged: {faults[0]}", ADVICE)

    def close(self) -> None:
        for engine in (self.reader, self.writer):
            engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def notify(self, connection: Connection, news: list[News]) -> None: ...

    def listen(self, told: Told) -> None: ...

    def lead(self, leading: Callable[[bool], None]) -> None:
        leading(True)

    def process(self) -> str:
        return ""

    def living(self, connection: Connection) -> set[str]:
        return set()

    @contextlib.asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        yield


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """The lock of a database's data directory, for a command that works while no server runs. Errors: DatabaseInUse."""
    lock = take_lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def take_lock(path: Path, how: int) -> int:
    """The open lock file of a database's data directory. how: alone or shared. Errors: DatabaseInUse."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DatabaseInUse(
            f"another server uses {path.parent}", "Stop it first, or set BETTER_PAAS_DATA_DIR."
        ) from error
    return lock


def writer(path: Path) -> Engine:
    """The engine of the one writing connection. Units begin with BEGIN IMMEDIATE."""
    engine = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=5000",
            "foreign_keys=ON",
            "wal_autocheckpoint=1000",
            "cache_size=-16000",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reader(path: Path) -> Engine:
    """The engine of the read-only connections. Each transaction sees one state."""
    engine = create_engine(
        f"sqlite:///file:{path}?mode=ro&uri=true",
        pool_size=2,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins none before a SELECT
        connection.execute("PRAGMA query_only=1")
        connection.execute("PRAGMA busy_timeout=5000")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
