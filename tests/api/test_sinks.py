"""Copies of the log outside: files, webhooks and syslog, and what happens while they are away."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from better_paas.audit import service
from better_paas.audit.archive import prove
from better_paas.bootstrap import Platform
from tests.api.test_audit import write
from tests.fakes import FakeBases, FakeIngress, FakeRuntime
from tests.system.servers import GitServer, free_port


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
        report = prove(
            settings.data_dir, settings.database_url, platform.checkpoints.signer.verifier, anchors.read_text()
        )
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


async def test_checkpoints_become_commits_of_a_branch_that_prove_the_log_later(settings, tmp_path, monkeypatch):
    server = GitServer(tmp_path)
    server.auth = "robot:push-it"
    repository = server.repository("anchors.git")
    subprocess.run(["git", "-C", repository.path, "config", "http.receivepack", "true"], check=True)
    address = f"git+{repository.url}"
    async with running(settings, audit_anchors=address, audit_git_token="robot:push-it") as platform:
        for _ in range(2):
            await write(platform, 4)
            await platform.checkpoints.make()
            await until_delivered(platform)
        branch = f"audit/{platform.checkpoints.signer.verifier.name.partition('/')[0]}"
        kept = git(repository.path, "log", "--reverse", "--format=%B", branch)
        report = prove(settings.data_dir, settings.database_url, platform.checkpoints.signer.verifier, kept)
        assert (report.ok, report.anchors) == (True, 2)
    server.close()


def git(folder, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    return done.stdout


async def until_delivered(platform) -> None:
    """The one sink has got the newest checkpoint."""
    async with asyncio.timeout(20):
        while True:
            newest = await platform.database.read(service.last_checkpoint)
            found = await platform.database.read(service.sinks)
            if found and newest is not None and found[0].position == newest.size:
                return
            await asyncio.sleep(0.05)


async def test_checkpoints_go_to_a_bucket_under_names_that_are_never_overwritten(settings, tmp_path):
    port = free_port()
    (tmp_path / "bucket").mkdir()
    rclone = Path(sys.executable).with_name("rclone")
    arguments = ["serve", "s3", str(tmp_path), "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret-key"]
    process = subprocess.Popen([rclone, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        changes = {
            "audit_anchors": "s3://bucket/anchors", "audit_s3_endpoint": f"http://127.0.0.1:{port}",
            "audit_s3_access_key_id": "key", "audit_s3_secret_access_key": "secret-key",
        }  # fmt: skip
        folder = tmp_path / "bucket" / "anchors"
        async with running(settings, **changes) as platform:
            await write(platform, 4)
            await platform.checkpoints.make()
            await until_delivered(platform)
        notes = "".join(path.read_text() for path in sorted(folder.rglob("*.txt")))
        report = prove(settings.data_dir, settings.database_url, platform.checkpoints.signer.verifier, notes)
        assert report.ok
        assert report.anchors >= 1
        # A wrong key is a problem that the dashboard shows, and nothing arrives.
        count = len(list(folder.rglob("*.txt")))
        changes["audit_s3_secret_access_key"] = "wrong"
        async with running(settings, **changes) as platform:
            await write(platform, 4)
            await platform.checkpoints.make()
            async with asyncio.timeout(40):
                while not (await platform.database.read(service.sinks))[0].problem:
                    await asyncio.sleep(0.05)
        assert len(list(folder.rglob("*.txt"))) == count
    finally:
        process.terminate()
        process.wait(10)


async def test_what_wants_eyes_goes_to_the_notify_url(settings, hook):
    async with running(settings, notify_url=hook.url) as platform:
        platform.notify("approval", "a1", "ci asks: Deletes app shop.", "https://paas.example.com/approvals?id=a1")
        await until(lambda: hook.bodies)
    sent = json.loads(hook.bodies[0])
    assert (sent["kind"], sent["id"], sent["url"]) == ("approval", "a1", "https://paas.example.com/approvals?id=a1")
    assert sent["text"] == "ci asks: Deletes app shop. https://paas.example.com/approvals?id=a1"
