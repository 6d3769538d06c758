"""The installer on a machine with systemd: a service, an update while visitors come, and the way back from one that fails.

The machine is a container whose first process is systemd. It has this one's network and engine, as a host has its own.
"""

import collections
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.system.servers import ADMIN_TOKEN, PaasServer, app_ports, docker, wait_until

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
IMAGE = "better-paas-tests/systemd:bookworm"
DOCKERFILE = """FROM better-paas/debian:bookworm
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd systemd-sysv dbus && apt-get clean
"""
BUNDLE = "/etc/ssl/certs/of-the-host.crt"
NAME = "better-paas-tests-systemd"
# A version that changes the state and then can't serve.
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{before}"


def upgrade():
    op.add_column("apps", sa.Column("colour", sa.String(), nullable=True))
"""


class Machine:
    """A Debian host with an engine, on which nothing of ours is installed."""

    def __init__(self, source: Path, settings: dict[str, str]) -> None:
        """source: the folder with the product, which is /src there. settings: those of the service."""
        docker("build", "--quiet", "--network", "host", "--tag", IMAGE, "-", stdin=DOCKERFILE)
        bundle = settings.get("BUILD_CA_FILE")
        # With --state=postgres: where its server listens.
        sockets = settings.get("DATABASE_URL", "").partition("host=")[2]
        self._trust = [f"{name}={BUNDLE}" for name in ("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS") if bundle]
        docker(
            "run", "--detach", "--name", NAME, "--network", "host", "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN",
            "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--env", "container=docker",
            "--tmpfs", "/run", "--tmpfs", "/run/lock", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw",
            "--volume", "/var/run/docker.sock:/engine.sock", "--volume", f"{source}:/src",
            *(["--volume", f"{bundle}:{BUNDLE}:ro"] if bundle else []),
            *(["--volume", f"{sockets}:{sockets}"] if sockets else []), IMAGE, "/sbin/init",
        )  # fmt: skip
        self._get_up()
        # The engine is that of the host, whose packet filter can't be reached from in here.
        there = {**settings, "BUILD_CA_FILE": BUNDLE if bundle else "", "APPS_FIREWALL": "false"}
        self.run("mkdir", "--mode=700", "/var/lib/better-paas")
        text = "".join(f"{name}={value}\n" for name, value in there.items() if value)
        docker("exec", "--interactive", NAME, "tee", "/var/lib/better-paas/settings.env", stdin=text)

    def _get_up(self) -> None:
        wait_until(lambda: self.call("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), 60)
        self.run("ln", "--symbolic", "--force", "/engine.sock", "/run/docker.sock")

    def restart(self) -> None:
        docker("restart", "--time", "10", NAME)
        self._get_up()

    def call(self, *argv: str) -> subprocess.CompletedProcess:
        trust = [part for value in self._trust for part in ("--env", value)]
        return subprocess.run(
            ["docker", "exec", *trust, NAME, *argv], capture_output=True, text=True, check=False, timeout=600
        )

    def run(self, *argv: str) -> str:
        done = self.call(*argv)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def current(self) -> str:
        return self.run("readlink", "/opt/better-paas/current").strip()

    def process(self) -> str:
        return self.run("systemctl", "show", "--property=MainPID", "--value", "better-paas").strip()


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """What a clone would be, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("source") / "src"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, source):
    """The API of the service, and its machine in `machine`."""
    subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, check=False)
    found = PaasServer(tmp_path_factory.mktemp("service") / "data", APP_PORTS=app_ports(23800))
    settings = {name: value for name, value in found.settings.items() if name != "BETTER_PAAS_DATA_DIR"}
    found.machine = Machine(source, settings)
    yield found
    for app in found.client.get("/api/apps").json():
        found.purge(app)
    found.machine.run("systemctl", "stop", "better-paas")
    docker("rm", "--force", "--volumes", NAME)
    found.close()


def test_it_is_installed_and_outlives_kills_and_restarts(server):
    machine = server.machine
    with socket.create_server(("127.0.0.1", server.http_port)):
        refused = machine.call("/src/install.sh")
    assert refused.returncode == 1
    assert f"  {server.http_port} (HTTP_PORT={server.http_port})" in refused.stderr
    assert machine.call("ls", "/opt/better-paas").returncode != 0

    said = machine.run("/src/install.sh")
    assert "is installed" in said
    assert "and active" in said
    assert machine.run("better-paas", "token").strip() == ADMIN_TOKEN
    app = server.live("steady")
    assert server.visit(app).status_code == 200

    before = machine.process()
    machine.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", "better-paas")
    wait_until(lambda: machine.process() not in ("0", before) and answers(server), 30)
    machine.restart()
    wait_until(lambda: answers(server), 60)
    assert server.visit(app).status_code == 200
    assert server.app(app["id"])["status"] == "running"
    doctor = machine.call("better-paas", "doctor")
    assert doctor.returncode == 0, doctor.stdout
    checked = machine.call("systemd-analyze", "verify", "--man=no", "/etc/systemd/system/better-paas.service")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_update_loses_no_request_and_one_that_fails_goes_back(server, source):
    machine = server.machine
    (app,) = server.get("/api/apps")
    stop, seen = threading.Event(), collections.Counter()

    def visit() -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.http_port}", timeout=20) as client:
            while not stop.is_set():
                try:
                    seen[client.get("/", headers={"Host": app["defaultHost"]}).status_code] += 1
                except httpx2.HTTPError as error:
                    seen[type(error).__name__] += 1
                time.sleep(0.005)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        first = machine.current()
        machine.run("/src/install.sh")
        second = machine.current()
        assert second != first
        server.post("/api/apps/update", id=app["id"], envVars={"KEPT": "over the update"})

        break_it(source / "src" / "better_paas")
        broken = machine.call("/src/install.sh")
        assert broken.returncode == 1
        assert "the version before is back. It answers again. The state is the one from before" in broken.stderr
        assert machine.current() == second
        assert "OF_THE_BROKEN_ONE" not in machine.run("cat", "/etc/systemd/system/better-paas.service")
        assert server.app(app["id"])["envVars"] == {"KEPT": "over the update"}
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert seen[200] > 500
    assert set(seen) == {200}, seen
    server.redeploy(app)


def break_it(package: Path) -> None:
    unit = package.parents[1] / "packaging" / "better-paas.service"
    unit.write_text(unit.read_text().replace("[Service]\n", "[Service]\nEnvironment=OF_THE_BROKEN_ONE=1\n"))
    schema = package / "db" / "schema.py"
    text = schema.read_text()
    before = text.partition('HEAD = "')[2].partition('"')[0]
    schema.write_text(text.replace(f'HEAD = "{before}"', 'HEAD = "9999"'))
    (package / "db" / "migrations" / "versions" / "9999_colours.py").write_text(MIGRATION.format(before=before))
    entry = package / "server.py"
    opened = "        asyncio.run(platform.open())\n"
    assert opened in entry.read_text()
    entry.write_text(entry.read_text().replace(opened, f'{opened}        raise SystemExit("broken")\n'))


def answers(server: PaasServer) -> bool:
    try:
        return server.client.get("/api/health").status_code == 200
    except httpx2.HTTPError:
        return False


def test_without_systemd_it_says_what_to_do(tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, ROOT / "packaging" / "install.py"],
        env={**os.environ, "PATH": str(empty)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "./run" in done.stderr
