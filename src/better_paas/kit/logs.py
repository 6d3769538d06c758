"""Append-only log files of JSON lines with live readers that resume by byte offset."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from better_paas.kit.clock import iso, now
from better_paas.kit.signals import Signal

_CHUNK = 256 * 1024
_LONGEST_LINE = 8000


@dataclass(frozen=True)
class Lines:
    """Decoded lines and the byte offset behind the last of them."""

    entries: list[dict[str, Any]]
    offset: int


class LogFile:
    """The writing end.

    limit: of bytes; past it lines are counted and dropped, except those written with `always`. changed: fires at each
    line and at the end.
    """

    def __init__(self, path: Path, limit: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._limit = limit
        self._file: IO[bytes] = path.open("ab")
        self._size = path.stat().st_size
        self._dropped = 0
        self.changed = Signal()
        self.closed = False

    def write(self, message: str, *, level: str = "info", always: bool = False, **extra: Any) -> None:
        """Append one line and wake the readers."""
        if self._size > self._limit and not always:
            if self._dropped == 0:
                self._append("The log is full: further output of this step is not kept.", "warning", {})
            self._dropped += 1
            return
        if self._dropped and always:
            self._append(f"{self._dropped} lines were not kept.", "warning", {})
            self._dropped = 0
        self._append(message, level, extra)

    def _append(self, message: str, level: str, extra: dict[str, Any]) -> None:
        if len(message) > _LONGEST_LINE:
            message = message[:_LONGEST_LINE] + f" … ({len(message) - _LONGEST_LINE} characters more)"
        entry = {"message": message, "timestamp": iso(now()), "level": level, **extra}
        data = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        self._file.write(data)
        self._file.flush()
        self._size += len(data)
        self.changed.fire()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            # On a full disk its last lines may not have come through: there is nowhere else to put them.
            with contextlib.suppress(OSError):
                self._file.close()
            self.changed.fire()


def read_lines(path: Path, offset: int = 0, limit: int = _CHUNK) -> Lines:
    """Whole lines from byte `offset` on, at most about `limit` bytes. A missing file is an empty one."""
    try:
        with path.open("rb") as handle:
            handle.seek(offset)
            data = handle.read(limit)
    except FileNotFoundError:
        return Lines([], 0)
    end = data.rfind(b"\n") + 1
    entries = [json.loads(line) for line in data[:end].splitlines() if line]
    return Lines(entries, offset + end)


async def follow(path: Path, live: LogFile | None, offset: int = 0) -> AsyncIterator[Lines]:
    """What is there, then what comes while `live` is open. Nothing is lost for a slow reader: it reads the file."""
    while True:
        waiter = live.changed.next() if live is not None else None
        finished = live is None or live.closed
        lines = await asyncio.to_thread(read_lines, path, offset)
        if lines.entries:
            offset = lines.offset
            yield lines
        elif finished:
            return
        elif waiter is not None:
            await waiter.wait()
