"""`read` and `write`: the only two ways to the state.

Reads run on two threads with read-only connections (more threads only fight over the interpreter lock).
Writes are drained by one thread that commits many units at once: durability costs one disk flush a group,
and one writing connection is also what keeps SQLite before 3.51.3 clear of its WAL-reset fault.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from better_paas.db import sqlite
from better_paas.errors import StartRefused

T = TypeVar("T")
Hook = Callable[[], None]
# Writes the rows that units left behind (the audit log's) in the transaction of their group.
Appender = Callable[[Connection, list[Any]], None]

_LARGEST_GROUP = 256
_SLOW_UNIT_SECONDS = 0.05
_log = structlog.get_logger(__name__)


class DatabaseInUse(StartRefused):
    """Another process owns the data directory."""


@dataclass(frozen=True)
class _Unit:
    run: Callable[[Session], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


def after_commit(session: Session, hook: Hook) -> None:
    """Run `hook` on the event loop once the unit is durable; never if it is not."""
    session.info.setdefault("hooks", []).append(hook)


def append_row(session: Session, row: Any) -> None:
    """Leave `row` for the appender, to be written with the group if this unit succeeds."""
    session.info.setdefault("rows", []).append(row)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """The lock of a database's data directory, for a command that works while no server runs. Errors: DatabaseInUse."""
    lock = _take_lock(path)
    try:
        yield
    finally:
        os.close(lock)


def _take_lock(path: Path) -> int:
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DatabaseInUse(
            f"another server uses {path.parent}", "Stop it first, or set BETTER_PAAS_DATA_DIR."
        ) from error
    return lock


class Database:
    """One SQLite database that this process owns."""

    def __init__(self, path: Path, appender: Appender, info: dict[str, Any] | None = None) -> None:
        """info: what each session carries (`session.info`), such as the key ring."""
        self._path = path
        self._info = info or {}
        self._appender = appender
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._reader_engine: Engine | None = None
        self._writer_engine: Engine | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._writer: threading.Thread | None = None
        self._lock: int | None = None
        # Changes with each commit: what was made of the state under the same number is still true.
        self.version = 0

    def start(self) -> None:
        """Take the lock, bring the schema up to date, start the threads. Errors: DatabaseInUse."""
        self._lock = _take_lock(self._path)
        self._writer_engine = sqlite.writer(self._path)
        try:
            sqlite.migrate(self._writer_engine)
        except BaseException:
            self.close()
            raise
        self._reader_engine = sqlite.reader(self._path)
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="database-read")
        self._writer = threading.Thread(target=self._write_groups, name="database-write", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Finish the queued units, then release everything."""
        if self._writer is not None:
            self._units.put(None)
            self._writer.join()
        if self._readers is not None:
            self._readers.shutdown()
        for engine in (self._reader_engine, self._writer_engine):
            if engine is not None:
                engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def read(self, unit: Callable[[Session], T]) -> T:
        """The result of `unit`, which sees one consistent state and can't change it."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, unit)

    def _read(self, unit: Callable[[Session], T]) -> T:
        with Session(self._reader_engine, expire_on_commit=False, info=dict(self._info)) as session:
            return unit(session)

    async def write(self, unit: Callable[[Session], T]) -> T:
        """The result of `unit` once its changes are on disk. `unit` does no I/O: every write waits for it.

        An exception in `unit` undoes that unit alone. If the group can't be committed, all its callers fail.
        """
        if self._writer is None or not self._writer.is_alive():
            raise RuntimeError("the database is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._units.put(_Unit(unit, future, loop))
        return await future

    def _write_groups(self) -> None:
        assert self._writer_engine is not None
        with self._writer_engine.connect() as connection:
            stopping = False
            while not stopping:
                first = self._units.get()
                if first is None:
                    return
                group = [first]
                while len(group) < _LARGEST_GROUP and not self._units.empty():
                    unit = self._units.get()
                    if unit is None:
                        stopping = True
                        break
                    group.append(unit)
                self._commit_group(connection, group)

    def _commit_group(self, connection: Connection, group: list[_Unit]) -> None:
        """Commit all units at once; if that fails, each by itself, so that one can't fail the others."""
        if not self._commit(connection, group, last_try=len(group) == 1):
            for unit in group:
                self._commit(connection, [unit], last_try=True)

    def _commit(self, connection: Connection, group: list[_Unit], last_try: bool) -> bool:
        outcomes: list[tuple[_Unit, Any, BaseException | None]] = []
        hooks: list[tuple[_Unit, Hook]] = []
        rows: list[Any] = []
        try:
            with connection.begin():
                for unit in group:
                    result, error, info = _run_unit(connection, unit, self._info)
                    outcomes.append((unit, result, error))
                    if error is None:
                        hooks.extend((unit, hook) for hook in info.get("hooks", ()))
                        rows.extend(info.get("rows", ()))
                if rows:
                    self._appender(connection, rows)
        except BaseException as error:  # whatever it was, nothing is on disk: every caller must hear it
            _log.error("group commit failed", units=len(group), error=str(error))
            if not last_try:
                return False
            outcomes, hooks = [(unit, None, error) for unit in group], []
        self.version += 1
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Unit, Any, BaseException | None]]] = {}
        for outcome in outcomes:
            by_loop.setdefault(outcome[0].loop, []).append(outcome)
        for loop, finished in by_loop.items():
            loop.call_soon_threadsafe(_resolve, finished, [hook for unit, hook in hooks if unit.loop is loop])
        return True


def _run_unit(
    connection: Connection, unit: _Unit, carried: dict[str, Any]
) -> tuple[Any, BaseException | None, dict[Any, Any]]:
    started = time.perf_counter()
    session = Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint", info=dict(carried))
    try:
        result = unit.run(session)
        session.commit()
        return result, None, session.info
    except Exception as error:  # handed to the caller
        session.rollback()
        return None, error, {}
    finally:
        session.close()
        seconds = time.perf_counter() - started
        if seconds > _SLOW_UNIT_SECONDS:
            _log.warning("slow write unit", unit=getattr(unit.run, "__qualname__", "?"), seconds=round(seconds, 3))


def _resolve(outcomes: list[tuple[_Unit, Any, BaseException | None]], hooks: list[Hook]) -> None:
    for unit, result, error in outcomes:
        if unit.future.done():
            continue
        if error is None:
            unit.future.set_result(result)
        else:
            unit.future.set_exception(error)
    for hook in hooks:
        hook()
