"""Copies of the log outside: files, webhooks and syslog, and what happens while they are away."""

import asyncio
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from better_paas.audit.archive import verify_file
from better_paas.bootstrap import Platform
from tests.api.test_audit import write
from tests.fakes import FakeBases, FakeIngress, FakeRuntime


class Hook:
    """A web server that keeps what it gets, and refuses it while it is told to."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.refuses = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments): ...

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if not outer.refuses:
                    outer.bodies.append(body)
                self.send_response(503 if outer.refuses else 204)
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.asynccontextmanager
async def running(settings, **changes):
    platform = Platform(settings.model_copy(update=changes), FakeRuntime(), FakeIngress(), FakeBases())
    await platform.start()
    try:
        yield platform
    finally:
        await platform.stop()


async def until(check, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.02)


@pytest.fixture
def hook():
    made = Hook()
    yield made
    made.close()


async def test_checkpoints_go_to_a_file_and_prove_the_log_later(settings, tmp_path):
    anchors = tmp_path / "anchors"
    async with running(settings, audit_anchors=f"file:{anchors}") as platform:
        await write(platform, 10)
        await platform.checkpoints.make()
        await until(lambda: anchors.exists() and "\u2014" in anchors.read_text())
        await write(platform, 5)
        await platform.checkpoints.make()
        await until(lambda: anchors.read_text().count("\u2014") == 2)
        report = verify_file(settings.data_dir, platform.checkpoints.signer.verifier, anchors.read_text())
        assert (report.ok, report.anchors) == (True, 2)


async def test_entries_are_sent_in_order_and_nothing_is_left_out_while_the_other_side_is_away(
    settings, hook, monkeypatch
):
    from better_paas.audit import sinks

    monkeypatch.setattr(sinks, "_FIRST_PAUSE", 0.05)
    async with running(settings, audit_streams=hook.url) as platform:
        await write(platform, 3)
        await until(lambda: len(hook.bodies) == 1)
        hook.refuses = True
        await write(platform, 700)
        await asyncio.sleep(0.3)
        assert len(hook.bodies) == 1
        hook.refuses = False
        await until(lambda: "".join(hook.bodies).count("\n") == 703)
    numbers = [json.loads(line)["seq"] for line in "".join(hook.bodies).splitlines()]
    assert numbers == list(range(1, 704))
    # Another server goes on where this one was.
    async with running(settings, audit_streams=hook.url) as platform:
        await write(platform, 1, "app:start")
        await until(lambda: "app:start" in hook.bodies[-1])
    assert "".join(hook.bodies).count('"action":"app:start"') == 1


async def test_syslog(settings):
    received: list[bytes] = []

    async def take(reader, writer):
        while data := await reader.read(65536):
            received.append(data)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(settings, audit_streams=f"syslog://127.0.0.1:{port}") as platform:
        await write(platform, 2)
        await until(lambda: b"audit-2" in b"".join(received))
    server.close()
    await server.wait_closed()
    data = b"".join(received)
    length, _, rest = data.partition(b" ")
    first = rest[: int(length)]
    assert first.startswith(b"<110>1 - - better-paas - audit-1 - {")
    assert json.loads(first.partition(b" - {")[2].join([b"{", b""]))["seq"] == 1
    assert rest[int(length) :].startswith(length[:1])


@pytest.mark.parametrize("sink", ["ftp://x", "file:relative", "somewhere"])
def test_what_is_no_sink_stops_the_start(settings, sink):
    from pydantic import ValidationError

    from better_paas.settings import Settings

    with pytest.raises(ValidationError, match="must be file"):
        Settings(audit_anchors=sink)
