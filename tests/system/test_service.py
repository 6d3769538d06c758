"""The installer: a service, an update while visitors come, and the way back from one that fails.

systemd is not there in a container: a program in its place starts what the unit file says. The unit file itself is
checked by systemd's own tool where there is one.
"""

import collections
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.system.servers import ADMIN_TOKEN, PaasServer, app_ports

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
SYSTEMCTL = """#!{python}
import os, re, signal, subprocess, sys, time
folder, verb = {folder!r}, sys.argv[1]
pid_file = folder + "/pid"
def stop():
    try:
        pid = int(open(pid_file).read())
        os.kill(pid, signal.SIGTERM)
        while os.path.exists("/proc/%d" % pid) and open("/proc/%d/stat" % pid).read().split()[2] != "Z":
            time.sleep(0.05)
    except (OSError, ValueError):
        pass
def start():
    command = re.search("ExecStart=(.*)", open(folder + "/better-paas.service").read())[1].split()
    with open(folder + "/log", "ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    open(pid_file, "w").write(str(process.pid))
if verb in ("stop", "restart"):
    stop()
if verb in ("start", "restart"):
    start()
if verb == "is-active":
    print("active")
"""


@pytest.fixture
def service(tmp_path):
    units = tmp_path / "units"
    units.mkdir()
    control = tmp_path / "bin" / "systemctl"
    control.parent.mkdir()
    control.write_text(SYSTEMCTL.format(python=sys.executable, folder=str(units)))
    control.chmod(0o755)
    server = PaasServer(tmp_path / "data", APP_PORTS=app_ports(23800))
    environment = {
        **os.environ, **server.settings, "PATH": f"{control.parent}:{os.environ['PATH']}",
        "BETTER_PAAS_PREFIX": str(tmp_path / "opt"), "BETTER_PAAS_UNITS": str(units),
        "BETTER_PAAS_COMMAND": str(tmp_path / "bin" / "better-paas"), "BETTER_PAAS_START_SECONDS": "20",
    }  # fmt: skip
    yield server, environment, tmp_path
    for app in server.client.get("/api/apps").json():
        server.client.post("/api/apps/delete", json={"id": app["id"]})
        server.client.post("/api/apps/purge", json={"id": app["id"], "name": app["name"], "volumes": True})
    subprocess.run([control, "stop", "better-paas"], check=True, env=environment)
    server.close()


def install(environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "packaging" / "install.py"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_update_loses_no_request_and_one_that_fails_goes_back(service):
    server, environment, folder = service
    done = install(environment)
    assert done.returncode == 0, done.stdout + done.stderr
    app = server.live("steady")
    assert "is installed" in done.stdout

    stop, answers = threading.Event(), collections.Counter()

    def visit() -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.http_port}", timeout=20) as client:
            while not stop.is_set():
                try:
                    answers[client.get("/", headers={"Host": app["defaultHost"]}).status_code] += 1
                except httpx2.HTTPError as error:
                    answers[type(error).__name__] += 1
                time.sleep(0.005)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        first = (folder / "opt/current").resolve()
        time.sleep(1.1)  # a release's name has seconds
        updated = install(environment)
        second = (folder / "opt/current").resolve()
        assert updated.returncode == 0, updated.stdout + updated.stderr
        assert second != first
        # One that can't start: what runs now has to come back.
        time.sleep(1.1)
        broken = install({**environment, "HTTP_PORT": "not-a-port"})
        assert broken.returncode == 1
        assert "the version before is back" in broken.stderr
        assert (folder / "opt/current").resolve() == second
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert answers[200] > 500
    assert set(answers) == {200}, answers
    subprocess.run([folder / "bin" / "systemctl", "restart", "better-paas"], check=True, env=environment)
    deadline = time.monotonic() + 30
    while True:
        try:
            assert server.client.get("/api/health").status_code == 200
            break
        except httpx2.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert server.app(app["id"])["status"] == "running"
    shown = subprocess.run(
        [folder / "bin" / "better-paas", "token"], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == ADMIN_TOKEN


def test_systemd_takes_the_unit_file(tmp_path):
    tool = shutil.which("systemd-analyze")
    if tool is None:
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "systemd"], check=True, capture_output=True
        )
        tool = shutil.which("systemd-analyze")
    assert tool is not None
    text = (
        (ROOT / "packaging/better-paas.service")
        .read_text()
        .replace("/opt/better-paas/current/bin/better-paas", "/bin/true")
    )
    unit = tmp_path / "better-paas.service"
    unit.write_text(text)
    done = subprocess.run([tool, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    complaints = [
        line for line in done.stderr.splitlines() if "better-paas.service" in line and "docker.service" not in line
    ]
    assert complaints == []


def test_without_systemd_it_says_what_to_do(tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    done = install({**os.environ, "PATH": str(empty)})
    assert done.returncode == 1
    assert "./run" in done.stderr
