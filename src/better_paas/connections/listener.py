"""Takes connections from a listening socket."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from http import HTTPStatus

import structlog

from better_paas.connections.answers import refusal
from better_paas.connections.connection import Connection
from better_paas.connections.gate import Gate, Refusal

# Connections that wait to be taken. They are taken at once: more only wait longer when the server can't.
_BACKLOG = 256
# Between two looks at everything else.
_AT_ONCE = 32
_PAUSE_SECONDS = 1.0
# Whoever acknowledges nothing for so long is gone, though no end of the connection came.
_GONE_MILLISECONDS = 60_000
_OUT_OF_MEANS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_STATUS = {Refusal.FULL: HTTPStatus.SERVICE_UNAVAILABLE, Refusal.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS}
_log = structlog.get_logger(__name__)


class Listener:
    """asyncio's own logs each accept that fails, 2,000 times a second when descriptors run out, and knows no limit.

    It has the part of asyncio.Server that uvicorn uses.
    """

    def __init__(self, found: socket.socket, gate: Gate, protocol: Callable[[Connection], asyncio.Protocol]) -> None:
        """found: bound. protocol: makes what speaks over a connection."""
        self._socket, self._gate, self._protocol = found, gate, protocol
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._made: set[asyncio.Task[None]] = set()
        found.setblocking(False)
        # Connections that are accepted have it from here.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_MILLISECONDS)
        found.listen(_BACKLOG)
        self._go_on()

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    async def wait_closed(self) -> None:
        return

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_MEANS:
                    self._rest(error)
                    return
                continue  # the other side has gone
            self._take(accepted, peer[:2])

    def _rest(self, error: OSError) -> None:
        """The kernel says at once that somebody waits, for as long as nobody can be taken."""
        _log.error("no connection can be accepted", problem=error.strerror)
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self._go_on)

    def _take(self, accepted: socket.socket, peer: tuple[str, int]) -> None:
        found = self._gate.admit(peer, self._loop.time())
        if isinstance(found, Refusal):
            _turn_away(accepted, found)
            return
        task = self._loop.create_task(self._serve(accepted, found))
        self._made.add(task)
        task.add_done_callback(self._made.discard)

    async def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: self._protocol(connection), accepted)
        except OSError:  # it has ended already
            accepted.close()
            connection.ended()


def _turn_away(accepted: socket.socket, why: Refusal) -> None:
    with accepted, contextlib.suppress(OSError):
        accepted.setblocking(False)
        accepted.send(refusal(_STATUS[why], why.value))
        # What was not read would make the kernel throw our answer away.
        accepted.recv(2**16)
