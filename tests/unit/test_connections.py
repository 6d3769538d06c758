"""The API's port against whoever holds connections: real sockets, a real server, small applications."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.responses import Response, StreamingResponse
from websockets.asyncio.client import connect

from better_paas.connections.gate import Gate, Refusal
from better_paas.connections.limits import Limits
from better_paas.connections.protocols import WebSocketProtocol
from better_paas.connections.server import Server
from tests.system.servers import free_port

LIMITS = Limits(head_seconds=1, idle_seconds=2, window_seconds=2, bytes_per_second=1024, connections=40, per_address=8)
# What a held connection may take longer than its limit: a look each second, and a busy machine.
SLACK = 4
BLOCK = b"x" * 65536


async def application(scope, receive, send):
    """GET /stream never ends; a body is read and counted; a WebSocket sends as much as it can, or waits."""
    if scope["type"] == "websocket":
        await _websocket(scope, receive, send)
        return
    size, more = 0, True
    while more and scope["method"] == "POST":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    answer: Response = Response(str(size))
    if scope["path"] != "/":
        answer = StreamingResponse(_blocks(200 if scope["path"] == "/large" else 10**9))
    await answer(scope, receive, send)


async def _blocks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield BLOCK
        await asyncio.sleep(0)  # what writes to nobody waits for nothing


async def _websocket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while scope["path"] == "/stream":
        await send({"type": "websocket.send", "bytes": BLOCK})
    while (await receive())["type"] != "websocket.disconnect":
        pass


class Port:
    """A running server, and what its visitors do."""

    def __init__(self, limits: Limits = LIMITS, crowds=(), host: str = "127.0.0.1", **config) -> None:
        self.host, self.port, self.gate = host, free_port(), Gate(limits, crowds)
        settings = {
            "http": "httptools",
            "ws": WebSocketProtocol,
            "lifespan": "off",
            "log_config": None,
            "proxy_headers": False,
            **config,
        }
        self.server = Server(
            uvicorn.Config(
                application, host=host, port=self.port, timeout_keep_alive=limits.idle_seconds,
                timeout_graceful_shutdown=1, **settings,
            ),
            self.gate,
        )  # fmt: skip

    async def open(self, own: str | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port, local_addr=(own, 0) if own else None)

    async def ask(self, text: bytes, own: str | None = None) -> bytes:
        """What comes back until the server ends the connection."""
        reader, writer = await self.open(own)
        writer.write(text)
        with contextlib.closing(writer):
            return await read_all(reader)

    async def status(self, own: str | None = None) -> int:
        answer = await self.ask(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", own)
        return int(answer.split()[1])


async def read_all(reader: asyncio.StreamReader) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            found += data
    return found


@contextlib.asynccontextmanager
async def serving(port: Port) -> AsyncIterator[Port]:
    task = asyncio.create_task(port.server.serve())
    while not getattr(port.server, "servers", None):
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        port.server.should_exit = True
        await task


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    async with serving(Port()) as made:
        yield made


def one_of(port: Port):
    """What speaks over the only connection."""
    return next(iter(port.gate.connections)).watched


async def until(check, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.02)


POST = b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "then", "answer"),
    [
        (b"", b"", b""),
        (b"", b"\r\n", b""),
        (b"GET / HT", b"", b"408"),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n", b"408"),
        (b"GET / HTTP/1.1\r\n\r\nGET /", b"x", b"408"),
        (b"GET / HTTP/1.1\r\n\r\n", b"\r\n", b"408"),
        (b"GET / HTTP/1.1\r\n\r\n", b"", b""),
        (POST, b"", b"408"),
        (POST, b"x", b"408"),
        (CHUNKED, b"1\r\nx\r\n", b"408"),
        (CHUNKED, b"1;a=b\r\nx\r\n", b"408"),
    ],
)
async def test_what_does_not_come_in_time_ends_its_connection(port, first, then, answer):
    reader, writer = await port.open()
    writer.write(first)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while then:
                await asyncio.sleep(0.3)
                writer.write(then)
                await writer.drain()

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(LIMITS.window_seconds + SLACK):
        said = await read_all(reader)
    dripping.cancel()
    said = said.removeprefix(b"HTTP/1.1 200 OK\r\n").rpartition(b"HTTP/1.1 ")[2]
    assert (said.startswith(answer) and b"too slowly" in said) if answer else b"408" not in said[:3]
    assert not port.gate.connections
    writer.close()


async def test_a_slow_body_that_keeps_coming_is_taken(port):
    reader, writer = await port.open()
    writer.write(b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 12000\r\n\r\n")
    for _ in range(12):  # three windows, at twice the rate that must be
        await asyncio.sleep(0.5)
        writer.write(b"x" * 1000)
    assert (await read_all(reader)).endswith(b"12000")
    writer.close()


async def test_requests_that_follow_one_another_keep_their_connection(port):
    reader, writer = await port.open()
    for _ in range(6):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        await asyncio.sleep(0.5)
    writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    assert (await read_all(reader)).endswith(b"4")
    writer.close()


@pytest.mark.parametrize("path", [b"/stream", b"/large"])
async def test_whoever_reads_nothing_is_dropped_and_fills_no_memory(port, path):
    reader, writer = await port.open()
    writer.transport.pause_reading()
    writer.write(b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
    await until(lambda: port.gate.connections and one_of(port).transport.get_write_buffer_size())
    assert one_of(port).transport.get_write_buffer_size() < 2**18
    await until(lambda: not port.gate.connections, LIMITS.window_seconds + SLACK)
    writer.transport.abort()


async def test_a_slow_reader_gets_all(port):
    with socket.create_connection((port.host, port.port)) as visitor:
        visitor.setblocking(False)
        loop, got = asyncio.get_running_loop(), 0
        await loop.sock_sendall(visitor, b"GET /large HTTP/1.1\r\nConnection: close\r\n\r\n")
        while data := await loop.sock_recv(visitor, 2**21):
            got += len(data)
            await asyncio.sleep(0.5)  # several windows in all
    assert got > 200 * len(BLOCK)


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nlong: " + b"x" * 400_000,
        b"GET /" + b"x" * 400_000,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        CHUNKED + b"0\r\n" + b"a: b\r\n" * 101,
        CHUNKED + b"0\r\nlong: " + b"x" * 400_000,
        CHUNKED + b"1;" + b"x" * 400_000,
    ],
    ids=["header", "address", "headers", "trailers", "trailer", "chunk"],
)
async def test_what_surrounds_a_body_has_an_end(port, text):
    assert (await port.ask(text)).startswith(b"HTTP/1.1 431 ")


async def test_requests_that_wait_behind_another_are_counted(port):
    assert (await port.ask(b"GET /large HTTP/1.1\r\n\r\n" * 10_000)).startswith(b"HTTP/1.1 429 ")
    assert not port.gate.connections
    assert (await port.ask(b"GET / HTTP/1.1\r\n\r\n" * 10 + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).count(
        b"HTTP/1.1 200"
    ) == 11


async def test_a_websocket_that_answers_no_ping_or_reads_nothing_is_dropped():
    async with serving(Port(ws_ping_interval=0.5, ws_ping_timeout=0.5)) as port:
        quiet = await port.open()
        quiet[1].write(UPGRADE)
        greedy = await port.open()
        greedy[1].transport.pause_reading()
        greedy[1].write(UPGRADE.replace(b"GET /", b"GET /stream", 1))
        async with connect(f"ws://127.0.0.1:{port.port}/") as lively:
            await until(lambda: len(port.gate.connections) == 1, LIMITS.window_seconds + SLACK)
            await lively.ping()
        await until(lambda: not port.gate.connections)
        for _, writer in (quiet, greedy):
            writer.transport.abort()


async def test_pings_of_whoever_reads_nothing_fill_no_memory(port):
    reader, writer = await port.open()
    writer.transport.pause_reading()
    writer.write(UPGRADE.replace(b"GET /", b"GET /stream", 1))
    await until(
        lambda: (
            port.gate.connections and isinstance(one_of(port), WebSocketProtocol) and not one_of(port).writable.is_set()
        )
    )
    ping = b"\x89\xfd" + b"\0" * 4 + b"p" * 125
    writer.write(ping * 8000)  # a megabyte of them
    await until(lambda: not writer.transport.get_write_buffer_size())
    await asyncio.sleep(0.1)
    assert one_of(port).transport.get_write_buffer_size() < 2**18
    writer.transport.abort()


async def test_one_address_gets_its_share_and_no_more(port):
    """Loopback is one that others may stand behind: half of all."""
    held = [await port.open() for _ in range(LIMITS.connections // 2)]
    assert await port.status() == 429
    assert await port.status("127.0.0.2") == 200
    for _, writer in held:
        writer.close()
    await until(lambda: not port.gate.connections)
    assert await port.status() == 200


async def test_when_all_are_taken_whoever_asked_nothing_makes_room(port):
    busy = [await port.open(f"127.0.1.{number % 4}") for number in range(4)]
    for _, writer in busy:
        writer.write(b"GET /stream HTTP/1.1\r\n\r\n")
        writer.transport.pause_reading()
    held = [await port.open(f"127.0.0.{number % 9 + 1}") for number in range(LIMITS.connections - len(busy))]
    for number in range(20):
        assert await port.status(f"127.0.2.{number}") == 200
    assert len(port.gate.connections) <= LIMITS.connections
    for _, writer in (*held, *busy):
        writer.transport.abort()


async def test_when_all_are_at_work_the_next_is_told_so(caplog):
    async with serving(Port(Limits(connections=4, per_address=4))) as port:
        held = [await port.open(f"127.0.0.{number + 1}") for number in range(4)]
        for _, writer in held:
            writer.write(b"GET /stream HTTP/1.1\r\n\r\n")
        await until(lambda: not any(one.is_spare for one in port.gate.connections))
        assert await port.status("127.0.0.9") == 503
        for _, writer in held:
            writer.transport.abort()


async def test_ipv6_is_listened_on_and_counted_by_network():
    async with serving(Port(host="::1")) as port:
        held = [await port.open() for _ in range(LIMITS.connections // 2)]
        assert await port.status() == 429
        for _, writer in held:
            writer.close()


async def test_accepting_without_descriptors_rests_and_tells_once_a_second(port, monkeypatch):
    tries = []

    class Exhausted:
        def __init__(self, found: socket.socket) -> None:
            self._found = found

        def accept(self):
            tries.append(1)
            raise OSError(24, "Too many open files")

        def __getattr__(self, name):
            return getattr(self._found, name)

    listener = port.server.servers[0]
    real, listener._socket = listener._socket, Exhausted(listener._socket)
    waiting = asyncio.create_task(port.status())
    await asyncio.sleep(1.5)
    assert len(tries) == 2
    listener._socket = real
    assert await waiting == 200


def peers(*addresses: str) -> list[tuple[str, int]]:
    return [(address, 1) for address in addresses]


def test_who_counts_as_one():
    limits = Limits(connections=100, per_address=2)
    gate = Gate(limits, (ipaddress.ip_network("10.0.0.0/8"),))
    in_64 = [gate.admit(peer, 0.0) for peer in peers("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")]
    assert [isinstance(one, Refusal) for one in in_64] == [False, False, True, False]
    mapped = [gate.admit(peer, 0.0) for peer in peers("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert [isinstance(one, Refusal) for one in mapped] == [False, False, True, False]
    # A trusted proxy stands for all its visitors.
    assert not any(isinstance(gate.admit(("10.0.0.1", 1), 0.0), Refusal) for _ in range(50))
    in_64[0].ended()
    in_64[0].ended()
    assert not isinstance(gate.admit(("2001:db8::9", 1), 0.0), Refusal)
    assert isinstance(gate.admit(("2001:db8::9", 1), 0.0), Refusal)


@pytest.mark.parametrize(
    ("descriptors", "connections", "per_address"), [(65536, 1024, 128), (1024, 512, 128), (256, 128, 32), (64, 32, 8)]
)
def test_connections_leave_half_of_the_descriptors(descriptors, connections, per_address):
    limits = Limits().within(descriptors)
    assert (limits.connections, limits.per_address) == (connections, per_address)
