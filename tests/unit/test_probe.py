"""Looking at a release from outside."""

import asyncio
import contextlib
import os
import socket

import pytest

from better_paas.kit import listeners
from better_paas.runtime import probe
from better_paas.runtime.probe import Speaks


@contextlib.asynccontextmanager
async def listening(answer: bytes, *, ends: bool = True, hangs_up: bool = False):
    async def serve(reader, writer):
        try:
            if not hangs_up:
                await reader.readline()
                writer.write(answer)
                await writer.drain()
                while not ends:
                    writer.write(b"more" * 1000)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize(
    ("status", "healthy"), [(200, True), (302, True), (399, True), (404, False), (500, False), (503, False)]
)
async def test_statuses(status, healthy):
    async with listening(b"HTTP/1.1 %d x\r\nContent-Length: 4\r\n\r\nbody" % status) as port:
        found = await probe.once(port, "/health")
    assert found.healthy is healthy
    assert f"answered {status}" in found.seen
    assert found.body == ("" if healthy else "body")


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_without_end_does_not_hold_the_probe(status):
    async with listening(b"HTTP/1.1 %d x\r\n\r\n" % status, ends=False) as port, asyncio.timeout(4):
        assert (await probe.once(port, "/stream")).healthy is (status == 200)


@pytest.mark.parametrize("path", ["@127.0.0.1:{port}/", "healthz", "/a#b", "/ä", "/\n"])
async def test_no_path_leads_to_another_host(path):
    async with listening(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n") as port:
        found = await probe.once(port, path.format(port=port))
        assert not found.healthy and "no path of a URL" in found.seen
        assert (await probe.once(port, "//127.0.0.2/x?y=1")).healthy


async def test_nothing_listens():
    assert not (await probe.once(1, "/")).healthy
    assert not (await probe.once(1, "")).healthy


async def test_a_forwarder_that_hangs_up_is_no_open_port():
    async with listening(b"", hangs_up=True) as port:
        assert not (await probe.once(port, "")).healthy
    async with listening(b"") as port:
        assert (await probe.once(port, "")).healthy


@pytest.mark.parametrize(
    ("status", "good", "healthy"),
    [(404, "", False), (404, "200-299,404", True), (204, "200", False), (401, "200-399, 401", True)],
)
async def test_which_statuses_are_good_is_the_app_s_to_say(status, good, healthy):
    async with listening(b"HTTP/1.1 %d x\r\nContent-Length: 4\r\n\r\nbody" % status) as port:
        assert (await probe.once(port, "/health", good)).healthy is healthy


@pytest.mark.parametrize(
    ("answer", "speaks", "warns"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Speaks.HTTP, False),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Speaks.HTTP, False),
        (b"HTTP/1.0 503 Busy\r\n\r\n", Speaks.HTTP, True),
        (b"-ERR unknown command\r\n", Speaks.OTHER, False),
        (b"\0\0\0\4\0\0\0\0\0", Speaks.HTTP2, False),
        (b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0d", Speaks.HTTP2, False),
        (b"\0\0\0\4\0\0\0\0\1", Speaks.OTHER, False),
    ],
)
async def test_without_a_health_path_any_answer_will_do(answer, speaks, warns):
    async with listening(answer) as port:
        found = await probe.once(port, "")
    assert (found.healthy, found.speaks, bool(found.warning)) == (True, speaks, warns)


async def test_what_hangs_up_on_http_and_takes_http2_speaks_http2():
    async def serve(reader, writer):
        if (await reader.read(3)) == b"PRI":
            writer.write(b"\0\0\0\4\0\0\0\0\0")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        assert (await probe.once(server.sockets[0].getsockname()[1], "")).speaks is Speaks.HTTP2


async def test_what_takes_a_request_and_says_nothing_is_up_after_a_while(monkeypatch):
    monkeypatch.setattr(probe, "_ANSWER_SECONDS", 0.2)
    over = asyncio.Event()

    async def serve(reader, writer):
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        found = await probe.once(server.sockets[0].getsockname()[1], "")
        over.set()
    assert found.healthy and "no answer" in found.warning


async def test_looking_again_asks_nothing():
    asked = []

    async def serve(reader, writer):
        asked.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        assert (await probe.is_open(server.sockets[0].getsockname()[1])).healthy
        await asyncio.sleep(0.05)
    assert asked == [b""]


def test_where_this_process_listens():
    with (
        socket.create_server(("127.0.0.1", 0)) as local,
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as local6,
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both,
    ):
        found = {listener.port: listener for listener in listeners.of_process(os.getpid())}
        ports = [each.getsockname()[1] for each in (local, everywhere, local6, both)]
    assert [str(found[port]) for port in ports] == [
        f"127.0.0.1:{ports[0]}", f"0.0.0.0:{ports[1]}", f"[::1]:{ports[2]}", f"[::]:{ports[3]}",
    ]  # fmt: skip
    assert [found[port].is_local for port in ports] == [True, False, True, False]


def test_a_process_that_is_gone_listens_nowhere():
    assert listeners.of_process(2**22 + 1) == []


def test_a_process_that_is_not_the_container_s_tells_nothing():
    with socket.create_server(("0.0.0.0", 0)):
        assert listeners.of_process(os.getpid())
        assert listeners.of_container(os.getpid(), "f" * 64) == []
        assert listeners.of_container(2**22 + 1, "f" * 64) == []
