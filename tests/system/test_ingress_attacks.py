"""Connections that mean harm, over IPv4 and IPv6: the visitors of other apps are served meanwhile."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time

import pytest

from better_paas.domains.render import Certificate, Name
from tests.system.authority import self_signed
from tests.system.ingress_world import World

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RESET, SETTINGS, PING, GOAWAY, CONTINUATION = 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
MAX_CONCURRENT_STREAMS = 3
# Visitors ask for one app, attackers for another.
HOST, ATTACKED = "good.example.com", "other.example.com"
# :method GET, :scheme https, :path / from the static table, and :authority spelled out.
REQUEST = b"\x82\x87\x84" + b"\x41" + bytes([len(ATTACKED)]) + ATTACKED.encode()
LEAST_VISITS, MOST_SECONDS, MOST_MEMORY = 5, 2.0, 200 * 2**20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: bytes) -> bytes:
    """A header that is not to be kept in the table."""
    length = b""
    rest = len(value)
    if rest < 127:
        length = bytes([rest])
    else:
        length, rest = b"\x7f", rest - 127
        while rest >= 128:
            length += bytes([rest % 128 + 128])
            rest //= 128
        length += bytes([rest])
    return b"\x00" + bytes([len(name)]) + name.encode() + length + value


class Visitors:
    """Ask for another app all the time, each over a connection of its own."""

    def __init__(self, world: World) -> None:
        self._world, self._ends = world, threading.Event()
        self.seconds: list[float] = []
        self.failed: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Visitors":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(0.02) or len(self.seconds) < LEAST_VISITS:
            started = time.monotonic()
            try:
                if (answer := secure_get(self._world)) != b"good":
                    self.failed.append(repr(answer))
            except OSError as error:
                self.failed.append(repr(error))
            self.seconds.append(time.monotonic() - started)


def connect(world: World, *protocols: str) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    plain = socket.create_connection((world.settings.address.strip("[]"), world.settings.https_port), timeout=20)
    return context.wrap_socket(plain, server_hostname=HOST)


def secure_get(world: World) -> bytes:
    with connect(world, "http/1.1") as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if head.startswith(b"HTTP/1.1 200") else head[:80]


def read_frames(connection: ssl.SSLSocket):
    """(kind, flags, stream, payload) until the connection ends."""
    kept = b""
    with contextlib.suppress(OSError):
        while part := connection.recv(65536):
            kept += part
            while len(kept) >= 9 and len(kept) >= 9 + (size := int.from_bytes(kept[:3], "big")):
                yield kept[3], kept[4], int.from_bytes(kept[5:9], "big"), kept[9 : 9 + size]
                kept = kept[9 + size :]


def memory(world: World) -> int:
    with open(f"/proc/{world.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


@pytest.fixture(params=["127.0.0.1", "::1"])
async def world(request):
    made = World(address=request.param)
    certify(made)
    made.app("good", Name(HOST, https=True))
    made.app("other", Name("other.example.com", https=True))
    await made.ingress.start()
    assert made.ingress.problem == ""
    yield made
    await made.close()


def certify(world: World) -> None:
    chain, key = self_signed(world.folder, "*.example.com")
    world.certificates = (Certificate("*.example.com", str(chain), str(key)),)


async def attack(world: World, *attackers) -> Visitors:
    """Run the attackers side by side, with visitors beside them: who are all served, and soon."""
    with Visitors(world) as visitors:
        await asyncio.gather(*(asyncio.to_thread(attacker, world) for attacker in attackers))
    assert visitors.failed == []
    assert max(visitors.seconds) < MOST_SECONDS, sorted(visitors.seconds)[-5:]
    assert memory(world) < MOST_MEMORY
    return visitors


def rapid_reset(world: World) -> None:
    """Requests that are taken back at once, so that none counts as open."""
    with connect(world, "h2") as connection, contextlib.suppress(OSError):
        assert connection.selected_alpn_protocol() == "h2"
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
        for first in range(1, 40_000, 400):
            streams = range(first, first + 400, 2)
            connection.sendall(
                b"".join(
                    frame(HEADERS, END_STREAM | END_HEADERS, stream, REQUEST) + frame(RESET, 0, stream, b"\0\0\0\x08")
                    for stream in streams
                )
            )


def continuation_flood(world: World) -> None:
    """Headers without an end."""
    sent = 0
    with connect(world, "h2") as connection, contextlib.suppress(OSError):
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_STREAM, 1, REQUEST))
        while sent < 64 * 2**20:
            part = literal("x-flood", b"a" * 8000)
            connection.sendall(frame(CONTINUATION, 0, 1, part))
            sent += len(part)
    assert sent < 4 * 2**20, "it was let go on"


def table_flood(world: World) -> None:
    """One large header in the table, named again and again: 6 KB that mean 100 MB."""
    entry = b"\x40" + bytes([1]) + b"x" + literal("x", b"b" * 3900)[3:]
    with connect(world, "h2") as connection, contextlib.suppress(OSError):
        connection.sendall(
            PREFACE
            + frame(SETTINGS, 0, 0)
            + frame(HEADERS, END_STREAM | END_HEADERS, 1, REQUEST + entry + b"\xbe" * 8000)
        )
        answers = [kind for kind, *_ in read_frames_for(connection, 2)]
    assert GOAWAY in answers or RESET in answers or HEADERS in answers  # refused, or answered with 431


def read_frames_for(connection: ssl.SSLSocket, seconds: float):
    connection.settimeout(seconds)
    return list(read_frames(connection))


def control_flood(world: World) -> None:
    """Frames that want an answer each, of which none is read."""
    with connect(world, "h2") as connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
        for _ in range(300):
            connection.sendall((frame(PING, 0, 0, b"12345678") + frame(SETTINGS, 0, 0)) * 200)


async def test_requests_that_are_taken_back_at_once(world):
    await attack(world, *[rapid_reset] * 3)


async def test_headers_without_an_end(world):
    await attack(world, *[continuation_flood] * 3, table_flood)


async def test_frames_that_want_answers(world):
    await attack(world, *[control_flood] * 3)


async def test_a_connection_has_a_bounded_number_of_streams(world):
    def many_streams(world: World) -> None:
        with connect(world, "h2") as connection:
            # Bodies that never come: each request stays open.
            requests = b"".join(
                frame(HEADERS, END_HEADERS, stream, b"\x83" + REQUEST[1:]) for stream in range(1, 2001, 2)
            )
            with contextlib.suppress(OSError):
                connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + requests)
            found = []
            for read in read_frames(connection):
                found.append(read)
                if read[0] == GOAWAY or sum(kind == RESET for kind, *_ in found) >= 700:
                    break
        settings = next(payload for kind, flags, _, payload in found if kind == SETTINGS and not flags & ACK)
        said = {
            int.from_bytes(settings[at : at + 2], "big"): int.from_bytes(settings[at + 2 : at + 6], "big")
            for at in range(0, len(settings), 6)
        }
        assert said[MAX_CONCURRENT_STREAMS] <= 250
        refused = [stream for kind, _, stream, _ in found if kind == RESET]
        assert len(refused) >= 700 or any(kind == GOAWAY for kind, *_ in found)

    await attack(world, *[many_streams] * 3)


async def test_heads_that_never_end_are_ended(world):
    """No byte, half a head, half a handshake, over both ports: all are closed after ten seconds."""
    address = world.settings.address
    ends: list[float] = []

    def slow(world: World) -> None:
        held = []
        for number in range(300):
            port = world.settings.http_port if number % 2 else world.settings.https_port
            held.append(socket.create_connection((address, port), timeout=20))
            if number % 3:
                held[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-A" if number % 2 else b"\x16\x03\x01\x02\x00\x01")
        started = time.monotonic()
        for connection in held:
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
            connection.close()
        ends.append(time.monotonic() - started)

    await attack(world, slow)
    assert ends[0] < 13


async def test_bodies_that_come_slowly_hold_up_only_themselves(world):
    def slow(world: World) -> None:
        held = []
        for _ in range(200):
            held.append(connect(world, "http/1.1"))
            held[-1].sendall(f"POST / HTTP/1.1\r\nHost: {ATTACKED}\r\nContent-Length: 100000\r\n\r\na".encode())
        for connection in held:
            connection.sendall(b"b")
        for connection in held:
            connection.close()

    await attack(world, slow)


async def test_a_head_that_is_too_large_is_refused(world):
    with connect(world, "http/1.1") as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX-A: ".encode())
        with contextlib.suppress(OSError):
            for _ in range(20):
                connection.sendall(b"a" * 8192)
            connection.sendall(b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 431")
    with connect(world, "http/1.1") as connection:  # what browsers send in cookies at most is taken
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX-A: {'a' * 40_000}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
