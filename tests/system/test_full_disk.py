"""A disk that fills up in the middle of a deployment: apps go on, nothing hangs, and with space it goes on by itself."""

import contextlib
import functools
import subprocess
import time

import pytest

from tests.system.servers import PaasServer, app_ports, wait_until
from tests.system.test_crashes import containers_of, text_app

pytestmark = pytest.mark.engine

DOCKERFILE = """FROM better-paas/python:3.11
RUN sleep 1; echo {step}
COPY app.py /app.py
EXPOSE 8080
CMD ["python3", "/app.py"]
"""


@pytest.fixture
def small(tmp_path):
    """A platform whose data directory is a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], check=True)
    server = PaasServer(disk, APP_PORTS=app_ports(24000), DRAIN_SECONDS="2", DISK_FLOOR_MB="0")
    server.start()
    yield server
    (disk / "ballast").unlink(missing_ok=True)
    server.close()
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextlib.contextmanager
def full(server):
    """Not a byte is left on its disk."""
    ballast = server.data / "ballast"
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


def test_a_disk_that_is_full_from_one_step_on(small, git):
    steady = small.live("steady", git.repository("steady-disk.git", text_app("steady")).url)
    for step in ("fetch", "plan", "build", "start", "probe", "live"):
        slow = {**text_app(step, pause=1), "Dockerfile": DOCKERFILE.format(step=step)}
        app = small.deploy(f"full-{step}", git.repository(f"full-{step}.git", slow).url)
        wait_until(functools.partial(has_begun, small, app["deploymentId"], step), 60)
        with full(small):
            wait_until(lambda: small.visit(steady).text == "steady", 10)
            # What is to be changed is refused with a reason, or it is done; it never hangs.
            answer = small.client.post("/api/apps/update", json={"id": steady["id"], "memory": "300m"})
            assert answer.status_code in (200, 503), answer.text
            health = small.client.get("/api/health").json()
            assert health["status"] == "degraded"
            assert "MiB are free" in health["parts"]["disk"]["state"]
            time.sleep(3)
            assert small.visit(steady).text == "steady"
        ended = small.ended(app["deploymentId"], 60)
        assert ended["status"] == "success" or "Free some space" in ended["hint"], (
            step,
            ended["error"],
            ended["quoted"],
            ended["hint"],
        )
        if ended["status"] == "failed":
            wait_until(functools.partial(is_gone, app), 15)
            small.redeploy(app)
        assert small.visit(f"full-{step}.localhost").text == step
        assert len(containers_of(app)) == 1
    assert small.post("/api/apps/update", id=steady["id"], memory="300m")
    assert small.post("/api/audit-logs/verify")["ok"] is True


def has_begun(paas, deployment: str, step: str) -> bool:
    return step in [entry["name"] for entry in paas.get("/api/deployments/get", id=deployment)["steps"]]


def is_gone(app: dict) -> bool:
    return containers_of(app) == []


def test_a_server_that_starts_on_a_full_disk_goes_on_by_itself_with_space(small, git):
    app = small.deploy("waits", git.repository("full-start.git", {**text_app("waits", pause=2)}).url)
    wait_until(functools.partial(has_begun, small, app["deploymentId"], "build"), 60)
    # So that the state can be opened at all, as after a crash; a job is under way.
    small.kill()
    with full(small):
        small.start(code=(200, 503))
        time.sleep(3)
        answer = small.client.post("/api/projects/create", json={"name": "new"})
        assert answer.status_code in (200, 201, 503), answer.text
        assert small.client.get("/api/health").json()["status"] == "degraded"
    wait_until(lambda: small.client.get("/api/health").json()["status"] == "healthy", 60)
    assert small.ended(app["deploymentId"], 60)["status"] in ("success", "failed")
    small.redeploy(app)
    assert small.visit("waits.localhost").text == "waits"
    small.post("/api/projects/create", 200, name="later")
    assert small.post("/api/audit-logs/verify")["ok"] is True
