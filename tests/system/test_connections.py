"""A real server whose port is held by strangers: others are answered, its log stays small, and all is as it was."""

import contextlib
import os
import resource
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.system.servers import PaasServer, app_ports, free_port, wait_until

# Others are at an address of their own.
OTHERS = "127.0.0.200"
HEALTH_SECONDS = 0.25
_PAUSE = 0.01
# How often somebody is woken for one answer: the server, its thread, it again, the visitor.
_WAKES = 4
SHORT = "Limits(head_seconds=2, idle_seconds=2, window_seconds=2, connections=300, per_address=60)"
_PROGRAM = """
from better_paas.connections.limits import Limits
from better_paas.server import run
run({limits})
"""


class HeldServer(PaasServer):
    """limits: as Python text; tests bring shorter ones. descriptors: as many as it may have."""

    def __init__(self, folder: Path, limits: str = "None", descriptors: int = 4096, **settings: str) -> None:
        super().__init__(folder, APP_PORTS=app_ports(25900), RUNTIME="process", **settings)
        self.program = [
            "prlimit", f"--nofile={min(descriptors, 512)}:{descriptors}",
            sys.executable, "-c", _PROGRAM.format(limits=limits),
        ]  # fmt: skip

    @property
    def descriptors(self) -> int:
        return len(self.links())

    @property
    def held(self) -> int:
        """Descriptors but for the database's: its readers open it when they are first needed, and keep it."""
        return sum("better-paas.db" not in link for link in self.links())

    def links(self) -> list[str]:
        found = []
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.append(os.readlink(link))
        return found

    @property
    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self, own: str = "127.0.0.1", text: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.api_port), timeout=20, source_address=(own, 0))
        made.sendall(text)
        return made

    def ask(self, own: str = OTHERS) -> int:
        """The status of the health page for a visitor at this address, over a connection of its own."""
        with self.connect(own, b"GET /api/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as visitor:
            return int((_all(visitor) or b"- 0").split()[1])


class Others:
    """Somebody else, who asks for the health page all the while."""

    def __init__(self, server: HeldServer) -> None:
        self._server, self._end = server, threading.Event()
        self.seconds: list[float] = []
        # How much later than it had asked for this thread was woken, by a machine that others use meanwhile.
        self.late: list[float] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Others":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        asleep = time.perf_counter()
        while not self._end.wait(_PAUSE):
            began = time.perf_counter()
            self.late.append(began - asleep - _PAUSE)
            self.refused += self._server.ask() != 200
            asleep = time.perf_counter()
            self.seconds.append(asleep - began)

    def were_answered(self) -> None:
        assert self.refused == 0
        most = HEALTH_SECONDS + _WAKES * _of_most(self.late)
        assert _of_most(self.seconds) <= most, (most, sorted(self.seconds)[-5:], sorted(self.late)[-5:])


def _of_most(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]


def _all(found: socket.socket) -> bytes:
    text = b""
    with contextlib.suppress(ConnectionError):
        while data := found.recv(65536):
            text += data
    return text


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    server = HeldServer(tmp_path_factory.mktemp("held") / "data", SHORT)
    server.start()
    # The last that it opens as it begins: what is counted before an attack is then what it has at rest.
    wait_until(lambda: any(link.endswith("/data/processes") for link in server.links()), 20)
    yield server
    server.close()


@pytest.fixture
def undisturbed(short):
    """What must be true after each attack."""
    assert short.ask() == 200
    before, log = short.held, len(short.log())
    with Others(short) as others:
        yield
    others.were_answered()
    wait_until(lambda: short.held <= before, 10)
    assert len(short.log()) - log < 2000, short.log()[log:]


POST = b"POST /oauth/register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"
ADMIN = b"Authorization: Bearer the-admin-token-of-the-system-tests\r\n"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"", b""),
        (b"GET /api/health HTTP/1.1\r\nHost: a\r\n", b"HTTP/1.1 408 "),
        (POST, b"HTTP/1.1 408 "),
        (POST.replace(b"/oauth/register", b"/mcp").replace(b"Host: a\r\n", ADMIN), b"HTTP/1.1 408 "),
        (POST.replace(b"/oauth/register", b"/api/projects/create").replace(b"Host: a\r\n", ADMIN), b"HTTP/1.1 408 "),
        (b"GET /ws/events HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", b"HTTP/1.1 408 "),
    ],
    ids=["nothing", "half-a-head", "half-a-body", "half-of-mcp", "half-of-a-call", "half-a-handshake"],
)
def test_half_of_a_request_is_not_waited_for(short, undisturbed, text, answer):
    held = [short.connect(f"127.0.0.{number % 5 + 1}", text) for number in range(100)]
    began = time.monotonic()
    assert {_all(one)[: len(answer)] for one in held} <= {answer}
    assert time.monotonic() - began < 8
    for one in held:
        one.close()


def test_a_byte_now_and_then_holds_nothing(short, undisturbed):
    held = [short.connect("127.0.0.6", text) for text in (b"GET / HTTP/1.1\r\nx: ", POST) for _ in range(25)]
    open_still, began = set(held), time.monotonic()
    while open_still and time.monotonic() - began < 10:
        for one in tuple(open_still):
            try:
                one.sendall(b" ")
            except ConnectionError:
                open_still.discard(one)
        time.sleep(0.2)
    assert not open_still
    for one in held:
        one.close()


def test_many_from_one_address_leave_the_others_theirs(short, undisturbed):
    """This machine's own address has half of all: a proxy that nobody told us of may stand there."""
    held = [short.connect("127.0.0.7") for _ in range(300)]
    assert _all(held[-1]).startswith(b"HTTP/1.1 429 ")
    for one in held:
        one.close()


def test_many_from_many_addresses_make_room(short, undisturbed):
    held = [short.connect(f"127.0.1.{number % 100 + 1}") for number in range(600)]
    for one in held:
        one.close()


def test_whoever_reads_nothing_is_dropped(short, undisturbed):
    asking = b"GET /api/openapi.json HTTP/1.1\r\nHost: a\r\n" + ADMIN + b"\r\n"
    held, quiet = [], short.held
    for number in range(20):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.bind((f"127.0.0.{number % 5 + 1}", 0))
        one.connect(("127.0.0.1", short.api_port))
        one.sendall(asking * 15)
        held.append(one)
    wait_until(lambda: short.held >= quiet + 15, 5)
    wait_until(lambda: short.held <= quiet + 5, 10)
    for one in held:
        one.close()


def test_an_upload_over_a_slow_line_is_taken(short):
    body = b'{"client_name": "slow", "redirect_uris": ["http://127.0.0.1/"]' + b" " * 12000 + b"}"
    head = b"POST /oauth/register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n"
    with short.connect(text=head + b"Content-Length: %d\r\n\r\n" % len(body)) as slow:
        for start in range(0, len(body), 1000):
            slow.sendall(body[start : start + 1000])
            time.sleep(0.4)
        assert _all(slow).startswith(b"HTTP/1.1 201 ")


def test_few_descriptors_are_shared_with_what_the_server_needs_itself(tmp_path):
    server = HeldServer(tmp_path / "data", descriptors=256)
    server.start()
    try:
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        assert limits == (256, 256)
        before, log = server.held, len(server.log())
        held = [server.connect(f"127.0.0.{number % 50 + 1}") for number in range(400)]
        with Others(server) as others:
            assert server.held <= before + 256 // 2 + 32
            assert server.post("/api/projects/create", name="written-meanwhile")["name"] == "written-meanwhile"
            time.sleep(1)
        others.were_answered()
        for one in held:
            one.close()
        wait_until(lambda: server.held <= before + 2, 10)
        assert len(server.log()) - log < 2000, server.log()[log:]
    finally:
        server.close()


def test_without_a_descriptor_it_waits_quietly_and_goes_on(tmp_path):
    server = HeldServer(tmp_path / "data")
    server.start()
    try:
        server.ask()
        log, pid = len(server.log()), server.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft == hard == 4096  # raised at the start
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (server.descriptors, hard))
        held, spent = [server.connect() for _ in range(100)], server.processor_seconds
        time.sleep(4)
        assert server.processor_seconds - spent < 1
        told = server.log()[log:]
        assert "no connection can be accepted" in told
        assert len(told.splitlines()) <= 8, told
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        wait_until(lambda: server.ask() == 200, 5)
        for one in held:
            one.close()
    finally:
        server.close()


def test_ipv6_is_held_no_longer(tmp_path):
    server = HeldServer(tmp_path / "data", SHORT)
    port = server.api_port = free_port()
    server.settings["LISTEN_ADDR"] = f"[::1]:{port}"
    server.client.base_url = f"http://[::1]:{port}"
    server.start()
    try:
        held = [socket.create_connection(("::1", port), timeout=20) for _ in range(200)]
        began = time.monotonic()
        answers = {_all(one)[:13] for one in held}
        assert answers == {b"", b"HTTP/1.1 429 "}
        assert time.monotonic() - began < 8
        assert server.get("/api/health")["status"] == "healthy"
        for one in held:
            one.close()
    finally:
        server.close()
