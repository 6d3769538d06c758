"""What an app hears of its visitors through a real ingress: what the ingress saw, and not what they say of themselves."""

import asyncio
import contextlib
import http.client
import socket
import threading

import pytest

from better_paas.domains.visitor import _FOREIGN, _OURS
from tests.system.ingress_world import World

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


class Listener:
    """An app that answers each request with its head and body, byte for byte."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            got = b""
            while b"\r\n\r\n" not in got:
                got += connection.recv(65536)
            if b"chunked" in got.partition(b"\r\n\r\n")[0].lower():
                while b"0\r\n" not in got.partition(b"\r\n\r\n")[2] or not got.endswith(b"\r\n\r\n"):
                    got += connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head + b"%x\r\n" % len(got) + got + b"\r\n0\r\nX-Sum: 42\r\n\r\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()


@pytest.fixture(params=[(), ("127.0.0.0/8",)], ids=["alone", "behind a trusted proxy"])
async def world(request, listener):
    made = World(proxies=request.param)
    made.app("a1", "a.localhost", port=listener.port)
    await made.ingress.start()
    yield made
    await made.close()


def heard(world: World, headers: dict[str, str], host: str = "a.localhost") -> dict[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", world.settings.http_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": host, **headers})
        lines = connection.getresponse().read().decode().splitlines()
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}


async def test_nobody_gives_himself_another_address(world):
    said = {name: "203.0.113.9" for name in (*_FOREIGN, *_OURS)}
    said |= {"X_Real_IP": "203.0.113.9", "X-Forwarded_For": "203.0.113.9", "True_Client-IP": "203.0.113.9"}
    found = await asyncio.to_thread(heard, world, {**said, "X-Of-The-App": "kept"})
    assert found["x-of-the-app"] == "kept"
    if world.settings.proxies:
        assert (found["x-real-ip"], found["cf-connecting-ip"]) == ("203.0.113.9", "203.0.113.9")
        assert found["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    else:
        told = {name: value for name, value in found.items() if "203.0.113.9" in value}
        assert not told
        assert (found["x-real-ip"], found["x-forwarded-for"]) == ("127.0.0.1", "127.0.0.1")


async def test_a_name_with_the_dot_of_the_root_is_the_same_name(world):
    found = await asyncio.to_thread(heard, world, {}, "a.localhost.")
    assert found["host"] == "a.localhost."


async def test_trailers_of_answers_pass_and_those_of_requests_leave_the_body_whole(world):
    """Go's proxies copy a request before its trailers are there, so they end at the ingress."""

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", world.settings.http_port), 10) as connection:
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
                b"Trailer: X-Checksum\r\n\r\n3\r\nabc\r\n0\r\nX-Checksum: 42\r\n\r\n"
            )
            got = b""
            while part := connection.recv(65536):
                got += part
            return got

    got = (await asyncio.to_thread(ask)).lower()
    assert b"3\r\nabc\r\n0\r\n" in got
    # Once they pass, docs/decisions/0003 has no reason any more.
    assert b"x-checksum: 42" not in got
    assert got.endswith(b"0\r\nx-sum: 42\r\n\r\n")
