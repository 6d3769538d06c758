"""A disk that fills up in the middle of a deployment: apps go on, nothing hangs, and with space it goes on by itself."""

import contextlib
import subprocess

import pytest

from tests.system.servers import PaasServer, app_ports, docker, wait_until
from tests.system.test_crashes import containers_of, text_app

pytestmark = pytest.mark.engine


@pytest.fixture
def small(tmp_path):
    """A platform whose data directory is a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
    server = PaasServer(disk / "data", APP_PORTS=app_ports(24000), DRAIN_SECONDS="2", DISK_FLOOR_MB="0")
    server.start()
    yield server
    (disk / "ballast").unlink(missing_ok=True)
    server.close()
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextlib.contextmanager
def full(server):
    """Not a byte is left on its disk."""
    ballast = server.data.parent / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0")
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.parametrize("step", ["fetch", "plan", "build", "start", "probe", "live"])
def test_a_disk_that_is_full_from_one_step_on(small, git, step):
    steady = small.live("steady", git.repository(f"steady-{step}.git", text_app("steady")).url)
    slow = {**text_app(step, pause=1), "Dockerfile": 'FROM better-paas/python:3.11\nRUN sleep 2\nCOPY app.py /app.py\nEXPOSE 8080\nCMD ["python3", "/app.py"]\n'}  # fmt: skip
    app = small.deploy("unlucky", git.repository(f"full-{step}.git", slow).url)

    def reached() -> bool:
        found = small.get("/api/deployments/get", id=app["deploymentId"])
        return step in [entry["name"] for entry in found["steps"]]

    wait_until(reached, 60)
    with full(small):
        wait_until(lambda: small.visit(steady).text == "steady", 10)
        # What is to be changed is refused with a reason, or it is done; it never hangs.
        answer = small.client.post("/api/apps/update", json={"id": steady["id"], "memory": "300m"})
        assert answer.status_code in (200, 503), answer.text
        assert small.get("/api/health")["status"] == "healthy"
        # It may end meanwhile, or wait for the disk.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: small.status(app["deploymentId"]) not in ("queued", "building"), 5)
        assert small.visit(steady).text == "steady"
    ended = small.ended(app["deploymentId"], 90)
    assert ended["status"] == "success" or ("disk" in ended["error"] and ended["hint"]), ended
    small.redeploy(app)
    assert small.visit("unlucky.localhost").text == step
    wait_until(lambda: len(containers_of(app)) == 1, 30)
    assert docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.deployment={app['deploymentId']}") in ("", docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}"))  # fmt: skip
    assert small.post("/api/audit-logs/verify")["ok"] is True
