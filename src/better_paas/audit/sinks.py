"""Copies of the log outside of this server: signed checkpoints (anchors) and the entries themselves (streams).

Each sink has a cursor in the database, so that nothing is left out however long it was away.
"""

import asyncio
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import structlog
from sqlalchemy.orm import Session

from better_paas.audit import service
from better_paas.db.database import Database

_BATCH = 500
_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0
# RFC 5424: facility 13 (log audit), severity 6 (informational).
_PRIORITY = 13 * 8 + 6
_log = structlog.get_logger(__name__)

# (number, text): of a checkpoint its size and note, of an entry its number and record.
Item = tuple[int, str]


@dataclass(frozen=True)
class Sink:
    """kind: "anchor" or "stream". address: file:/path, https://… or syslog://host:port."""

    kind: str
    address: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.address}"


async def deliver(sink: Sink, items: Sequence[Item]) -> None:
    """Hand items over, in order; returns when they are there. Errors: OSError, httpx2.HTTPError."""
    parts = urlsplit(sink.address)
    if parts.scheme == "file":
        await asyncio.to_thread(_append, Path(parts.path), items)
    elif parts.scheme == "syslog":
        await _syslog(parts.hostname or "localhost", parts.port or 514, items)
    else:
        await _post(sink, items)


def _append(path: Path, items: Sequence[Item]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(text + "\n" for _, text in items)
        file.flush()
        os.fsync(file.fileno())


async def _post(sink: Sink, items: Sequence[Item]) -> None:
    kind = "text/plain; charset=utf-8" if sink.kind == "anchor" else "application/x-ndjson"
    body = "".join(text + "\n" for _, text in items).encode()
    async with httpx2.AsyncClient(timeout=_SECONDS) as client:
        response = await client.post(sink.address, content=body, headers={"Content-Type": kind})
        response.raise_for_status()


async def _syslog(host: str, port: int, items: Sequence[Item]) -> None:
    """RFC 5424 messages over TCP, each with its length before it (RFC 6587, 3.4.1)."""
    async with asyncio.timeout(_SECONDS):
        _, writer = await asyncio.open_connection(host, port)
        try:
            for number, text in items:
                line = text.replace("\n", "\\n")
                message = f"<{_PRIORITY}>1 - - better-paas - audit-{number} - {line}".encode()
                writer.write(str(len(message)).encode() + b" " + message)
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


class Courier:
    """Brings what is new to one sink. changed: told when its state (well, or why not) changes."""

    def __init__(self, database: Database, sink: Sink, changed: Callable[[], None]) -> None:
        self._database, self.sink, self._changed = database, sink, changed
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
        await deliver(self.sink, items)

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
