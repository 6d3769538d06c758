"""While the ingress takes configurations no visitor who comes is turned away: each gets an answer."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from better_paas.caddy import waiting
from better_paas.caddy.process import Caddy
from better_paas.caddy.waiting import waiting_room
from tests.system.authority import self_signed
from tests.system.servers import free_port

# Caddy outlives who started it, so its child is not waited for.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
QUESTION = b"GET / HTTP/1.1\r\nHost: here.example\r\nConnection: close\r\n\r\n"
# Holds what comes to an address until it is ended.
HOLD = """
import asyncio, sys
from better_paas.caddy.waiting import waiting_room
async def hold():
    async with waiting_room([sys.argv[1]], has_tls=False):
        print("waiting", flush=True)
        await asyncio.sleep(60)
asyncio.run(hold())
"""

# A server that tells Caddy of another host. A busy machine may take longer for so many than what holds visitors does.
LOAD = """
import asyncio, sys
from pathlib import Path
from better_paas.caddy import waiting
from better_paas.caddy.process import Caddy
from tests.system.test_ingress_loads import config
waiting.HOLDER = ("/bin/sleep", "8")
async def load():
    folder, address, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    caddy = Caddy(folder, lambda _: None)
    await caddy.start(config(folder, address))
    print("loading", flush=True)
    await caddy.load(config(folder, address, number + 1, routes=20000))
    await asyncio.sleep(60)
asyncio.run(load())
"""


def config(folder: Path, address: str, number: int = 0, routes: int = 1) -> dict:
    """routes: the more, the longer Caddy takes."""
    others = [
        {
            "match": [{"host": [f"h{number}-{each}.example"]}],
            "handle": [{"handler": "static_response", "body": "other"}],
        }
        for each in range(routes)
    ]
    server = {
        "listen": [address],
        "automatic_https": {"disable": True},
        "routes": [*others, {"handle": [{"handler": "static_response", "body": "here"}]}],
    }
    found = {
        "admin": {"listen": f"unix/{folder}/admin.sock|0600", "origins": ["localhost"]},
        "apps": {"http": {"servers": {"http": server}}},
    }
    if (folder / "key.pem").exists():
        server["tls_connection_policies"] = [{}]
        files = [{"certificate": f"{folder}/certificate.pem", "key": f"{folder}/key.pem"}]
        found["apps"]["tls"] = {"certificates": {"load_files": files}}
    return found


@pytest.fixture
async def folder():
    # A socket's path must be short.
    made = Path(tempfile.mkdtemp(prefix="caddy-"))
    yield made
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((made / "caddy.pid").read_text()), signal.SIGKILL)
    shutil.rmtree(made)


async def visit(host: str, port: int, tls: ssl.SSLContext | None, over: asyncio.Event) -> int:
    """How often it was answered until then."""
    answered = 0
    while not over.is_set():
        named = {"ssl": tls, "server_hostname": "here.example"} if tls else {}
        reader, writer = await asyncio.open_connection(host, port, **named)
        await asyncio.sleep(0.002)
        writer.write(QUESTION)
        assert (await reader.read()).endswith(b"here")
        writer.close()
        answered += 1
        await asyncio.sleep(0.01)
    return answered


@pytest.mark.parametrize(
    ("host", "tls", "loads"),
    [("127.0.0.1", False, 15), ("0.0.0.0", False, 15), ("", False, 15), ("[::1]", False, 15), ("127.0.0.1", True, 8)],
)
async def test_every_visitor_who_comes_is_answered(folder, host, tls, loads):
    port, context = free_port(), None
    if tls:
        self_signed(folder, "here.example")
        context = ssl.create_default_context(cafile=folder / "certificate.pem")
    caddy, over, address = Caddy(folder, lambda _: None), asyncio.Event(), f"{host}:{port}"
    await caddy.start(config(folder, address))
    try:
        async with asyncio.TaskGroup() as group:
            place = "::1" if host == "[::1]" else "127.0.0.1"
            visitors = [group.create_task(visit(place, port, context, over)) for _ in range(20)]
            for number in range(loads):
                await caddy.load(config(folder, address, number + 1))
                await asyncio.sleep(0.05)  # visits that no loading is in the way of, until the next
            over.set()
        assert sum(visitor.result() for visitor in visitors) >= 20 * loads
    finally:
        await caddy.detach()


async def test_those_who_wait_are_let_in_if_the_server_is_killed(folder):
    port = free_port()
    caddy = Caddy(folder, lambda _: None)
    await caddy.start(config(folder, f":{port}"))
    try:
        with subprocess.Popen([sys.executable, "-c", HOLD, f":{port}"], stdout=subprocess.PIPE) as holder:
            assert await asyncio.to_thread(holder.stdout.readline) == b"waiting\n"
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(QUESTION)
            answer = asyncio.ensure_future(reader.read())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(answer), 0.5)  # it waits indeed
            holder.kill()
            # What it was for may go on: they wait a little longer.
            assert (await asyncio.wait_for(answer, 8)).endswith(b"here")
            writer.close()
        # And those who come then, as ever.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(QUESTION)
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"here")
        writer.close()
    finally:
        await caddy.detach()


async def test_a_server_that_is_killed_while_it_loads_turns_nobody_away(folder):
    port, over = free_port(), asyncio.Event()
    address = f"127.0.0.1:{port}"
    caddy = Caddy(folder, lambda _: None)
    await caddy.start(config(folder, address))
    await caddy.detach()
    async with asyncio.TaskGroup() as group:
        visitors = [group.create_task(visit("127.0.0.1", port, None, over)) for _ in range(20)]
        for number in range(6):
            with subprocess.Popen(
                [sys.executable, "-c", LOAD, str(folder), address, str(number)], stdout=subprocess.PIPE
            ) as loader:
                assert await asyncio.to_thread(loader.stdout.readline) == b"loading\n"
                await asyncio.sleep(0.4)  # Caddy has been told, and is not done
                loader.kill()
        await asyncio.sleep(8.5)
        over.set()
    assert sum(visitor.result() for visitor in visitors) >= 100


async def test_a_loading_that_takes_too_long_is_not_waited_for(folder, monkeypatch):
    """Also while the event loop is held up: the kernel ends it."""
    monkeypatch.setattr(waiting, "HOLDER", ("/bin/sleep", "0.3"))
    port = free_port()
    caddy = Caddy(folder, lambda _: None)
    await caddy.start(config(folder, f"127.0.0.1:{port}"))
    try:
        async with waiting_room([f"127.0.0.1:{port}"], has_tls=False):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as visitor:
                visitor.sendall(QUESTION)
                assert visitor.makefile("rb").read().endswith(b"here")
    finally:
        await caddy.detach()


async def test_where_nobody_listens_nobody_is_made_to_wait():
    port = free_port()
    async with waiting_room([f":{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"localhost:{port}"], has_tls=False):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
