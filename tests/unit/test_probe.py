"""Looking at a release from outside."""

import asyncio
import contextlib

import pytest

from better_paas.runtime import probe


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


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (302, True), (404, True), (500, False), (503, False)])
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


async def test_nothing_listens():
    assert not (await probe.once(1, "/")).healthy
    assert not (await probe.once(1, "")).healthy


async def test_a_forwarder_that_hangs_up_is_no_open_port():
    async with listening(b"", hangs_up=True) as port:
        assert not (await probe.once(port, "")).healthy
    async with listening(b"") as port:
        assert (await probe.once(port, "")).healthy
