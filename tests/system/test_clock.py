"""The machine's clock jumps while the server works."""

import contextlib
import platform
import signal
from pathlib import Path

import pytest

from tests.system.servers import PaasServer, app_ports, wait_until

pytestmark = pytest.mark.engine
LIBRARY = Path(f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1")
SLOW = {
    "Dockerfile": 'FROM better-paas/python:3.11\nRUN sleep 4\nCOPY app.py /app.py\nEXPOSE 8000\nCMD ["python3", "-u", "/app.py"]\n',
    "app.py": "import http.server\nhttp.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
}


@pytest.fixture
def clock(tmp_path):
    """A server whose clock is what a function says: an offset such as `+2d`."""
    offset = tmp_path / "offset"
    offset.write_text("+0d")
    server = PaasServer(
        tmp_path / "data", APP_PORTS=app_ports(22500, 500), DRAIN_SECONDS="2", LD_PRELOAD=str(LIBRARY),
        FAKETIME_TIMESTAMP_FILE=str(offset), FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1",
    )  # fmt: skip
    server.start()
    yield server, offset.write_text
    with contextlib.suppress(Exception):
        offset.write_text("+0d")
    if server.process.poll() is not None:
        server.start()
    server.close()


@pytest.mark.parametrize("jump", ["+2d", "-2d"])
def test_a_clock_that_jumps_stops_nothing(clock, git, jump):
    server, set_clock = clock
    steady = server.live("steady")
    repository = git.repository(f"clock{jump}.git", SLOW)
    app = server.deploy("jumped", repository.url)
    wait_until(lambda: "build" in [step["name"] for step in _deployment(server, app)["steps"]], 60)
    before = _deployment(server, app)["steps"][0]["startedAt"]
    set_clock(jump)
    server.post("/api/projects/create", name="meanwhile")
    assert server.succeeded(app["deploymentId"])["status"] == "success"
    ended = _deployment(server, app)["steps"][-1]["startedAt"]
    assert (ended > before) == (jump == "+2d")
    assert server.visit("jumped.localhost").status_code == 200
    assert server.visit(steady).status_code == 200
    # And the other way, over a restart.
    server.kill(signal.SIGKILL)
    set_clock("+0d")
    server.start()
    assert server.redeploy(app)["status"] == "success"
    assert {found["status"] for found in server.get("/api/apps")} == {"running"}
    # The log says that the clock went back, and that nothing else was touched.
    findings = server.post("/api/audit-logs/verify")["findings"]
    assert findings
    assert all("the clock went back" in finding for finding in findings)


def test_tokens_end_by_the_clock_as_it_is(clock):
    server, set_clock = clock
    made = server.post("/api/agents/create", name="reader", profile="observer", expiresInDays=1)
    with server.holding(made["token"]) as client:
        assert client.get("/api/apps").status_code == 200
        set_clock("+2d")
        assert client.get("/api/apps").status_code == 401
        set_clock("+0d")
        assert client.get("/api/apps").status_code == 200


def _deployment(server, app):
    return server.get("/api/deployments/get", id=app["deploymentId"])
