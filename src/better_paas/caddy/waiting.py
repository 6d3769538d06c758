"""A waiting room for new connections while Caddy takes a configuration, so that none is closed without an answer.

With each configuration Caddy listens anew and closes the sockets before. Of their connections it goes on with those
whose request it has read; the others it closes. So new ones are led to sockets of ours meanwhile, where nobody takes
them: those that Caddy has taken get the time to ask, and with ours closed the kernel gives what waits there to Caddy's
new sockets. Nothing passes through this process, and another one holds the sockets, which outlives it.

Source: Linux, net/core/sock_reuseport.c; SO_ATTACH_REUSEPORT_CBPF in socket(7); tcp_migrate_req in ip-sysctl.
"""

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from better_paas.kit.listeners import Listener, of_process

# From the moment in which a connection is taken until its request is read: for a stranger with TLS, one round trip.
# It is what a new connection waits in the worst case, beside the loading itself.
_PLAIN_SECONDS, _TLS_SECONDS = 0.1, 0.25
# A loading that takes longer than that is not waited for: they are Caddy's as ever, which goes on with what it has.
HOLDER = ("/bin/sleep", "3")
# The kernel keeps to its own, net.core.somaxconn.
_MOST_WAITING = 4096
# Whether the system gives what waits at a listener that is closed to another one of the same port (Linux 5.14).
_MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")
_ATTACH_CBPF = 51  # SO_ATTACH_REUSEPORT_CBPF, which Python has no name for
_RETURN = 0x06  # BPF_RET | BPF_K


def keep_waiting_connections() -> bool:
    """Whether those who wait at a socket that is closed are given to the next one.

    Where that is neither so nor for us to say (no root, a container), they are reset.
    """
    with contextlib.suppress(OSError):
        if _MIGRATE.read_text().strip() == "0":
            _MIGRATE.write_text("1")
        return True
    return False


@contextlib.asynccontextmanager
async def waiting_room(addresses: Iterable[str], has_tls: bool) -> AsyncIterator[None]:
    """New connections to these addresses, as Caddy writes them, wait until the end.

    Where Caddy does not listen there, or the system can't do that, all is as ever.
    """
    holder = _hold(addresses) if keep_waiting_connections() else None
    try:
        if holder is not None:
            await asyncio.sleep(_TLS_SECONDS if has_tls else _PLAIN_SECONDS)
        yield
    finally:
        if holder is not None:
            holder.kill()
            holder.wait()


def _hold(addresses: Iterable[str]) -> "subprocess.Popen[bytes] | None":
    """A process that does nothing but have the sockets open; with its end they are closed.

    So those who wait do so while this process is killed, and no longer than they may while this one is held up.
    """
    with contextlib.ExitStack() as rooms:
        places = [place for address in addresses for place in _places(address)]
        opened = [rooms.enter_context(room).fileno() for room in map(_open, places) if room is not None]
        if not opened:
            return None
        # There are other limits than those of this process.
        with contextlib.suppress(OSError):
            return subprocess.Popen(HOLDER, pass_fds=opened, stdin=subprocess.DEVNULL, env={}, start_new_session=True)
    return None


def _places(address: str) -> set[Listener]:
    """Where Caddy listens for this address: at all addresses of both families for `0.0.0.0`, too, as Go does.

    Nowhere for a name: what it means is for Caddy to find out.
    """
    host, _, port = address.rpartition(":")
    try:
        at = ipaddress.ip_address(host.strip("[]") or "::")
    except ValueError:
        return set()
    shown = {"[::]", "0.0.0.0"} if at.is_unspecified else {f"[{at}]" if at.version == 6 else str(at)}
    return {found for found in of_process(os.getpid()) if found.port == int(port) and found.address in shown}


def _open(place: Listener) -> socket.socket | None:
    """A socket beside Caddy's to which all new connections go; None where there may be none, as for another user."""
    try:
        room = socket.socket(socket.AF_INET6 if place.address.startswith("[") else socket.AF_INET)
    except OSError:  # no descriptor is left
        return None
    try:
        room.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        room.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if room.family == socket.AF_INET6:
            room.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # the kernel groups only those that agree
        room.bind((place.address.strip("[]"), place.port))
        room.listen(_MOST_WAITING)
        # Sockets of one place are numbered as they came.
        _lead_to(room, of_process(os.getpid()).count(place) - 1)
    except OSError:
        room.close()
        return None
    return room


def _lead_to(room: socket.socket, number: int) -> None:
    """Of the sockets that listen at the place of `room`, the one of this number gets all new connections.

    A number that there is no more, since sockets were closed, means that they are shared out as ever.
    """
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", _RETURN, 0, 0, number))
    program = struct.pack("@HP", 1, ctypes.addressof(instruction))
    room.setsockopt(socket.SOL_SOCKET, _ATTACH_CBPF, program)
