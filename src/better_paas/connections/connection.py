"""One connection, looked at once a second: what it waits for, since when, and whether that goes on too long."""

import asyncio
import socket
import struct
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from better_paas.connections.limits import Limits

# Of struct tcp_info (linux/tcp.h), which only ever grows at its end: tcpi_bytes_acked and tcpi_bytes_received.
_COUNTS = struct.Struct("QQ")
_COUNTS_AT = 120


class Waits(Enum):
    """Whom or what a connection waits for."""

    US = "our answer"
    IDLE = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    READER = "that the other side takes what was written"


# The state, and the request that it is of: the same state of another request is news.
Step = tuple[Waits, object]


class Watched(Protocol):
    """What speaks over the connection."""

    transport: asyncio.Transport

    def step(self) -> Step: ...

    def give_up(self, waits: Waits) -> None:
        """End the connection, whose other side was too slow."""


class Connection:
    """peer: address and port of the other side. since: when its step began."""

    def __init__(self, peer: tuple[str, int], now: float, limits: Limits, left: "Callable[[Connection], None]") -> None:
        """left: told when the connection has ended."""
        self.peer, self.since, self.limits = peer, now, limits
        self._left, self._moved = left, 0
        self._step: Step = (Waits.HEAD, None)
        self.watched: Watched | None = None

    @property
    def is_spare(self) -> bool:
        """Whether nothing of it would be lost: no request has come yet, or none since the last answer."""
        return self.watched is not None and self.watched.step()[0] in (Waits.HEAD, Waits.IDLE)

    def look(self, now: float) -> None:
        """End it if it has been too slow."""
        watched = self.watched
        if watched is None:
            return
        step = watched.step()
        if step != self._step:
            self._step, self.since, self._moved = step, now, self._counts(watched, step[0])
            return
        waits = step[0]
        if waits in (Waits.US, Waits.IDLE):
            return
        if now - self.since < (self.limits.head_seconds if waits is Waits.HEAD else self.limits.window_seconds):
            return
        moved = self._counts(watched, waits)
        if moved - self._moved >= self.limits.bytes_per_second * self.limits.window_seconds:
            self.since, self._moved = now, moved
            return
        watched.give_up(waits)

    def ended(self) -> None:
        self._left(self)

    def drop(self) -> None:
        """End it in favour of another."""
        if self.watched is not None:
            self.watched.transport.abort()
        self.ended()

    @staticmethod
    def _counts(watched: Watched, waits: Waits) -> int:
        """Bytes that the kernel has received, or that the other side has acknowledged."""
        if waits not in (Waits.BODY, Waits.READER):
            return 0
        found = watched.transport.get_extra_info("socket")
        try:
            acknowledged, received = _COUNTS.unpack_from(
                found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTS_AT + _COUNTS.size), _COUNTS_AT
            )
        except (OSError, struct.error):  # it is closed
            return 0
        return int(received if waits is Waits.BODY else acknowledged)
