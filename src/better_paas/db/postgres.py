"""The state in PostgreSQL, where several processes may share it.

Units are written for a state that nobody else changes meanwhile. So groups take turns: each begins with a lock that is
the same for all processes, and the audit log gets one order. A process is known to live by a lock that its connection
holds, which the server lets go of when the process dies; the same way one of them leads. News of commits come with
the commit itself (NOTIFY).
"""

import contextlib
import fcntl
import functools
import json
import os
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from better_paas.db import copies, schema, sqlite
from better_paas.db.store import News, Told
from better_paas.errors import StartRefused
from better_paas.kit.supervision import KeptThread

# First halves of our advisory locks.
_ONE_OF_A_KIND, _PROCESS, _NAMED = 0x62700001, 0x62700002, 0x62700003
# Second halves of those that are one of a kind.
_WRITE, _LEAD, _UPGRADE = 1, 2, 3
_CHANNEL = "better_paas"
_LONGEST_NEWS = 7_900
_PAUSE_SECONDS = 1.0
_LOCK_SECONDS = 2.0
# The server notices too that a machine is gone, and lets go of its locks.
_ALIVE = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
_CONNECT: dict[str, Any] = {
    "options": _ALIVE,
    "connect_timeout": 10,
    "application_name": "better-paas",
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_log = structlog.get_logger(__name__)


def engine(url: str, **options: Any) -> Engine:
    """An engine for a postgresql:// address."""
    return create_engine(_address(url), connect_args={**_CONNECT, **options.pop("connect_args", {})}, **options)


def reader(url: str) -> Engine:
    """The engine of transactions that see one state and can't change it."""
    rules = rf"{_ALIVE} -c default_transaction_read_only=on -c default_transaction_isolation=repeatable\ read"
    return engine(url, pool_size=PostgresStore.readers, pool_pre_ping=True, connect_args={"options": rules})


def _address(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+psycopg")


def _nobody(name: str, problem: str) -> None: ...


class PostgresStore:
    """One database on a server; the processes that share it share the data directory too."""

    is_shared = True
    readers = 4

    def __init__(
        self,
        url: str,
        path: Path,
        alone: bool = False,
        upgrades: bool = True,
        told: Callable[[str, str], None] = _nobody,
    ) -> None:
        """path: where SQLite would keep the state: copies and the lock of the data directory lie beside it.

        told: called with the name of a thread of ours and what ended it, or "" when it is well.
        alone: no server may start meanwhile. upgrades: False to take the state as it is, even a newer one.
        """
        self._upgrades, self._told = upgrades, told
        self._url, self._path, self._alone = url, path, alone
        self._plain = _address(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._number = secrets.randbelow(2**31 - 1) + 1
        self._lock: int | None = None
        self._line: _Line | None = None
        self._lead: _Line | None = None
        self.reader = reader(url)
        # Whoever holds the writers' lock and does not go on keeps all others from writing: the server ends it.
        rules = f"{_ALIVE} -c idle_in_transaction_session_timeout=15s -c lock_timeout=30s"
        self.writer = engine(url, pool_size=1, max_overflow=0, connect_args={"options": rules})
        event.listen(self.writer, "begin", _take_turn)

    def open(self) -> None:
        self._lock = sqlite.take_lock(self._path, fcntl.LOCK_EX if self._alone else fcntl.LOCK_SH)
        try:
            self._line = _Line(self._plain, self._told, self._introduce)
            self._line.connect()
            if self._upgrades:
                self._upgrade()
        except (SQLAlchemyError, psycopg.Error) as error:
            self.close()
            reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
            raise StartRefused(f"PostgreSQL can't be used: {reason}", "Check DATABASE_URL and the server.") from None
        except BaseException:
            self.close()
            raise

    def _upgrade(self) -> None:
        with self.reader.connect() as connection:
            current = schema.version(connection)
            encoding = connection.execute(text("SHOW server_encoding")).scalar()
            others = self.living(connection) - {self.process()}
        if encoding != "UTF8":
            raise StartRefused(f"this database is encoded in {encoding}", "Make one with ENCODING 'UTF8'.")
        if current == schema.HEAD:
            return
        if current is not None and others:
            raise StartRefused("other servers of another version use this state", "Stop them, then start again.")
        with self.reader.connect() as alone:
            # Two that come first at once.
            alone.execute(text("SELECT pg_advisory_lock(:kind, :which)"), {"kind": _ONE_OF_A_KIND, "which": _UPGRADE})
            bare = engine(self._url)
            try:
                schema.upgrade(bare, lambda: copies.keep(self.reader, self._path, f"before-{schema.HEAD}"))
            finally:
                bare.dispose()
                alone.invalidate()  # with its lock

    def close(self) -> None:
        for line in (self._lead, self._line):
            if line is not None:
                line.close()
        for used in (self.reader, self.writer):
            used.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def notify(self, connection: Connection, news: list[News]) -> None:
        payload = json.dumps({"from": self._number, "news": news})
        if len(payload) > _LONGEST_NEWS:
            payload = json.dumps({"from": self._number, "news": None})
        connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": _CHANNEL, "payload": payload})

    def listen(self, told: Told) -> None:
        assert self._line is not None
        line = self._line

        def follow() -> None:
            if not line.is_open:  # it was begun again
                line.again()
                told(None)
            for notification in line.notifications():
                if notification is None:
                    told(None)
                    continue
                said = json.loads(notification.payload)
                if said["from"] != self._number:
                    told(said["news"])

        line.run(follow, "news of the database")

    def lead(self, leading: Callable[[bool], None]) -> None:
        self._lead = line = _Line(self._plain, self._told)

        def follow() -> None:
            while not line.is_closed:
                try:
                    line.connect()
                    if line.wait_for_lock(_ONE_OF_A_KIND, _LEAD):
                        leading(True)
                        line.wait_for_end()
                        # Before the next try: another process leads by now, or soon.
                        leading(False)
                except psycopg.Error as error:
                    _log.warning("no connection to become the leader", reason=str(error).strip())
                line.pause()

        line.run(follow, "the wait for the lead")

    def process(self) -> str:
        return str(self._number)

    def living(self, connection: Connection) -> set[str]:
        query = text(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = :kind AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        # This one is alive, whatever its connection does at this moment.
        return {self.process()} | {str(number) for (number,) in connection.execute(query, {"kind": _PROCESS})}

    @contextlib.asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        connection = await psycopg.AsyncConnection.connect(self._plain, autocommit=True, **_CONNECT)
        try:
            await connection.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (_NAMED, name))
            yield
        finally:
            await connection.close()

    def _introduce(self, connection: psycopg.Connection[Any]) -> None:
        # Of a connection that broke the server may not know yet.
        connection.execute("SET lock_timeout = '20s'")
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (_PROCESS, self._number))
        connection.execute(f"LISTEN {_CHANNEL}")


def _take_turn(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_OF_A_KIND}, {_WRITE})")


class _Line:
    """A connection that is held open, and opened again when it breaks. begin: what it is there for."""

    def __init__(
        self,
        address: str,
        told: Callable[[str, str], None],
        begin: Callable[[psycopg.Connection[Any]], None] | None = None,
    ) -> None:
        self._address, self._told, self._begin = address, told, begin
        self._connection: psycopg.Connection[Any] | None = None
        self._closed = threading.Event()
        self._thread: KeptThread | None = None

    def run(self, work: Callable[[], None], name: str) -> None:
        """Do on a thread what waits for the server. The connection ends with it."""

        def follow() -> None:
            try:
                work()
            finally:
                self._drop()

        self._thread = KeptThread(name, follow, functools.partial(self._told, name), self._closed)

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def connect(self) -> None:
        """Errors: psycopg.Error."""
        self._drop()
        self._connection = psycopg.connect(self._address, autocommit=True, **_CONNECT)
        if self._begin is not None:
            self._begin(self._connection)

    def wait_for_lock(self, kind: int, which: int) -> bool:
        """Whether it was had before the end. Asked for again and again: a query that waits would keep all that is
        deleted meanwhile from being cleaned away. Errors: psycopg.Error."""
        assert self._connection is not None
        while not self.is_closed:
            found = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (kind, which)).fetchone()
            if found is not None and found[0]:
                return True
            self._closed.wait(_LOCK_SECONDS)
        return False

    def wait_for_end(self) -> None:
        """Returns when the connection breaks or is closed."""
        assert self._connection is not None
        with contextlib.suppress(psycopg.Error):
            for _ in self._connection.notifies():
                pass

    def notifications(self) -> Any:
        """Each notification as it comes, and None after each break. Ends with `close`."""
        while not self.is_closed:
            try:
                assert self._connection is not None
                yield from self._connection.notifies()
            except psycopg.Error as error:
                if self.is_closed:
                    return
                _log.warning("the connection to PostgreSQL broke", reason=str(error).strip())
                self.again()
                if not self.is_closed:
                    yield None

    def again(self) -> None:
        """Connect, however long that takes; returns at the end too."""
        while not self.is_closed:
            self.pause()
            with contextlib.suppress(psycopg.Error):
                self.connect()
                return

    def pause(self) -> None:
        self._closed.wait(_PAUSE_SECONDS)

    def close(self) -> None:
        """Its thread may be waiting for the server: it is woken by the end of the socket. Or it is connecting just
        now: then it finds out afterwards."""
        self._closed.set()
        if self._thread is None:
            self._drop()
            return
        if (connection := self._connection) is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                connection.cancel_safe(timeout=2)
            with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
