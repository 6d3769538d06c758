"""`read` and `write`: the only two ways to the state.

Reads run on a few threads with read-only connections. Writes are drained by one thread that commits many units at
once: durability costs one disk flush a group, and one writing connection is also what keeps SQLite before 3.51.3
clear of its WAL-reset fault. Where several processes share the state, their groups take turns.
"""

import asyncio
import contextlib
import queue
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from better_paas.db.store import News, Store
from better_paas.errors import Unavailable
from better_paas.kit.signals import Signal
from better_paas.kit.supervision import KeptThread, Problem

T = TypeVar("T")
Hook = Callable[[], None]
# Writes the rows that units left behind (the audit log's) in the transaction of their group.
Appender = Callable[[Connection, list[Any]], None]

_LARGEST_GROUP = 256
_SLOW_UNIT_SECONDS = 0.05
_PROBE_SECONDS = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Unit:
    run: Callable[[Session], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


# (unit, its result, its error)
_Outcome = tuple[_Unit, Any, BaseException | None]


def after_commit(session: Session, hook: Hook) -> None:
    """Run `hook` on the event loop once the unit is durable; never if it is not."""
    session.info.setdefault("hooks", []).append(hook)


def append_row(session: Session, row: Any) -> None:
    """Leave `row` for the appender, to be written with the group if this unit succeeds."""
    session.info.setdefault("rows", []).append(row)


def notify(session: Session, topic: str, identity: str = "") -> None:
    """Let other processes that share the state know of a change, once the unit is durable."""
    session.info.setdefault("news", []).append({"topic": topic, "id": identity})


class Database:
    """The state. problem: why it can't be written, for people; empty while it can."""

    problem = Problem()

    def __init__(self, store: Store, appender: Appender, info: dict[str, Any] | None = None) -> None:
        """info: what each session carries (`session.info`), such as the key ring."""
        self._store = store
        self._info = info or {}
        self._appender = appender
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._readers: ThreadPoolExecutor | None = None
        self._writer: KeptThread | None = None
        # What the writer is at, and since when; the clock is the monotonic one.
        self._group: list[_Unit] = []
        self._busy_since = 0.0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._commits = self._foreign_commits = 0
        # Fires when another process commits something.
        self.changed_elsewhere = Signal()

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write to the state too."""
        return self._store.is_shared

    @property
    def process(self) -> str:
        """This process among those that share the state."""
        return self._store.process()

    @property
    def version(self) -> tuple[int, int]:
        """Changes with each commit: what was made of the state under the same version is still true."""
        return self._commits, self._foreign_commits

    def start(self) -> None:
        """Take the lock, bring the schema up to date, start the threads. Errors: StartRefused."""
        self._store.open()
        self._readers = ThreadPoolExecutor(self._store.readers, thread_name_prefix="database-read")
        with self._store.writer.connect():
            pass  # what is wrong with it is said now
        self._writer = KeptThread("the writer of the state", self._write_groups, self._writer_told)

    def close(self) -> None:
        """Finish the queued units, then release everything."""
        if self._writer is not None:
            self._units.put(None)
            self._writer.join()
        if self._readers is not None:
            self._readers.shutdown()
        self._store.close()

    def listen(self, told: Callable[[list[News] | None], None]) -> None:
        """Call `told` on this event loop with what other processes commit; None: something may have been missed."""
        loop = asyncio.get_running_loop()

        def heard(news: list[News] | None) -> None:
            self._foreign_commits += 1
            self.changed_elsewhere.fire()
            told(news)

        def pass_on(news: list[News] | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(heard, news)

        self._store.listen(pass_on)

    def tell_others(self, topic: str, identity: str) -> None:
        """Let other processes know of what is no change of the state; nothing where there are none."""
        if self.is_shared and self._writer is not None and self._writer.is_alive():
            loop = asyncio.get_running_loop()
            unit = _Unit(lambda session: notify(session, topic, identity), loop.create_future(), loop)
            unit.future.add_done_callback(lambda future: future.cancelled() or future.exception())
            self._units.put(unit)

    def lead(self, leading: Callable[[bool], None]) -> None:
        """Call `leading` on this event loop when this process begins or ends to lead those that share the state."""
        loop = asyncio.get_running_loop()

        def pass_on(is_leader: bool) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(leading, is_leader)

        self._store.lead(pass_on)

    def living(self, session: Session) -> set[str]:
        """The processes that share the state and are alive; empty where none can."""
        return self._store.living(session.connection())

    def others(self, session: Session) -> set[str]:
        """Those of them but this one."""
        return self.living(session) - {self.process}

    @contextlib.asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        """Nobody else, in no process, does the same meanwhile."""
        async with self._locks.setdefault(name, asyncio.Lock()), self._store.exclusive(name):
            yield

    async def read(self, unit: Callable[[Session], T]) -> T:
        """The result of `unit`, which sees one consistent state and can't change it."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, unit)

    def _read(self, unit: Callable[[Session], T]) -> T:
        with Session(self._store.reader, expire_on_commit=False, info=dict(self._info)) as session:
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

    @property
    def stalled_seconds(self) -> float:
        """For how long the writer has been at one group of units."""
        since = self._busy_since
        return time.monotonic() - since if since else 0.0

    def _writer_told(self, problem: str) -> None:
        """The writer's thread ended, or runs again. What it was at is answered: nobody knows whether it was stored."""
        if problem:
            self.problem = problem
            group, self._group, self._busy_since = self._group, [], 0.0
            _pass_on([(unit, None, _unclear(RuntimeError(problem))) for unit in group], [])

    def _write_groups(self) -> None:
        with self._store.writer.connect() as connection:
            stopping = False
            while not stopping:
                try:
                    # While it can't be written, whether it can again is found out without anybody who wants to.
                    first = self._units.get(timeout=_PROBE_SECONDS if self.problem else None)
                except queue.Empty:
                    self._probe(connection)
                    continue
                if first is None:
                    return
                group = [first]
                while len(group) < _LARGEST_GROUP and not self._units.empty():
                    unit = self._units.get()
                    if unit is None:
                        stopping = True
                        break
                    group.append(unit)
                self._group, self._busy_since = group, time.monotonic()
                self._commit_group(connection, group)
                self._group, self._busy_since = [], 0.0

    def _probe(self, connection: Connection) -> None:
        """Write something that changes nothing, to the disk and all."""
        try:
            with connection.begin():
                connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
            self.problem = ""
        except Exception as error:
            self._can_not_write(error)
            _clear(connection)

    def _can_not_write(self, error: BaseException) -> None:
        self.problem = f"it can't be written: {str(getattr(error, 'orig', error)).strip() or type(error).__name__}"

    def _commit_group(self, connection: Connection, group: list[_Unit]) -> None:
        """Commit all units at once; if that fails, each by itself, so that one can't fail the others.

        A connection that broke while nothing was written is opened again for the second try.
        """
        if not self._commit(connection, group, last_try=len(group) == 1 and not self.is_shared):
            for unit in group:
                self._commit(connection, [unit], last_try=True)

    def _commit(self, connection: Connection, group: list[_Unit], last_try: bool) -> bool:
        outcomes: list[_Outcome] = []
        hooks: list[tuple[_Unit, Hook]] = []
        rows: list[Any] = []
        news: list[News] = []
        is_sent = False
        try:
            with connection.begin() as transaction:
                for unit in group:
                    result, error, info = _run_unit(connection, unit, self._info)
                    outcomes.append((unit, result, error))
                    if error is None:
                        hooks.extend((unit, hook) for hook in info.get("hooks", ()))
                        rows.extend(info.get("rows", ()))
                        news.extend(info.get("news", ()))
                if rows:
                    self._appender(connection, rows)
                    news.append({"topic": "audit", "id": ""})
                self._store.notify(connection, news)
                is_sent = True
                transaction.commit()
            failed = next((error for _, _, error in outcomes if isinstance(error, OperationalError)), None)
            if failed is not None:
                self._can_not_write(failed)
            elif self.problem:
                self.problem = ""
        except BaseException as error:  # whatever it was, nothing is known to be on disk: every caller must hear it
            _log.error("group commit failed", units=len(group), error=str(error))
            unclear = is_sent and connection.invalidated
            self._can_not_write(error)
            _clear(connection)
            if not last_try and not unclear:
                return False
            told = _unclear(error) if unclear else error
            outcomes, hooks = [(unit, None, told) for unit in group], []
        self._commits += 1
        _pass_on(outcomes, hooks)
        return True


def _pass_on(outcomes: list[_Outcome], hooks: list[tuple[_Unit, Hook]]) -> None:
    """Resolve the callers, each on its own event loop, then fire the hooks."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, finished in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all who waited
            loop.call_soon_threadsafe(_resolve, finished, [hook for unit, hook in hooks if unit.loop is loop])


def _clear(connection: Connection) -> None:
    """A commit that failed, as on a full disk, leaves a transaction of which nobody knows whether it is open: the next
    one begins on a new connection."""
    with contextlib.suppress(Exception):
        connection.invalidate()
        if connection.get_transaction() is not None:
            connection.rollback()


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


def _unclear(error: BaseException) -> BaseException:
    """The answer to a commit was lost: it may be there, so it is not tried again."""
    made = Unavailable("The database broke off while this was stored", "Look whether it was done, then try again.")
    made.__cause__ = error
    return made


def _resolve(outcomes: list[_Outcome], hooks: list[Hook]) -> None:
    for unit, result, error in outcomes:
        if unit.future.done():
            continue
        if error is None:
            unit.future.set_result(result)
        else:
            unit.future.set_exception(error)
    for hook in hooks:
        hook()
