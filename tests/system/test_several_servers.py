"""Several servers share one state in PostgreSQL; an installation moves there and back."""

import contextlib
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import websockets.sync.client

from tests.system.servers import PaasServer, app_ports, docker, free_port, wait_until

pytestmark = pytest.mark.engine
SLOW_BUILD = {
    "Dockerfile": 'FROM better-paas/python:3.11\nRUN sleep 6\nCOPY app.py /app.py\nEXPOSE 8000\nCMD ["python3", "-u", "/app.py"]\n',
    "app.py": "import http.server\nhttp.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
}


@pytest.fixture
def database(postgres):
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest.fixture
def pair(tmp_path, database):
    """Two servers; the first one leads."""
    first = PaasServer(tmp_path / "data", APP_PORTS=app_ports(22500, 500), DRAIN_SECONDS="2", DATABASE_URL=database)
    first.start()
    wait_until(lambda: "this process leads" in first.log(), 10)
    second = PaasServer(tmp_path / "data", **{**first.settings, "LISTEN_ADDR": f"127.0.0.1:{free_port()}"})
    second.move_to(int(second.settings["LISTEN_ADDR"].rpartition(":")[2]), first.http_port)
    second.start()
    yield first, second
    if first.process.poll() is None:
        first.kill(signal.SIGTERM)
    if second.process.poll() is not None:
        second.start()
    second.close()
    first.client.close()


def test_what_one_does_the_other_knows(pair):
    first, second = pair
    with second.client.stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        app = first.live("shared")
        topics = {(said := json.loads(line[6:]))["topic"] for line in _until(lines, f'"id":"{app["id"]}"')}
    assert "app" in topics
    assert said["id"] == app["id"]
    assert second.app(app["id"])["name"] == "shared"
    assert second.visit(app).status_code == 200

    made = first.post("/api/agents/create", name="reader", profile="observer")
    with second.holding(made["token"]) as client:
        wait_until(lambda: client.get("/api/apps").status_code == 200, 5)
        first.post("/api/agents/delete", id=made["id"])
        wait_until(lambda: client.get("/api/apps").status_code == 401, 5)

    path = f"/ws/logs?appId={app['id']}&ticket={first.post('/api/auth/ws-ticket')['ticket']}"
    with websockets.sync.client.connect(f"ws://127.0.0.1:{second.api_port}{path}") as connection:
        assert "sample:hello-python" in connection.recv(10)
    for server in pair:  # it was good for one connection, and nowhere for a second
        with pytest.raises(websockets.InvalidStatus):
            websockets.sync.client.connect(f"ws://127.0.0.1:{server.api_port}{path}")

    assert second.post("/api/apps/stop", id=app["id"])
    assert first.app(app["id"])["status"] == "stopped"


def _until(lines, wanted):
    for line in lines:
        if line.startswith("data: "):
            yield line
        if wanted in line:
            return


def test_a_job_of_a_killed_server_is_taken_over(pair, git):
    first, second = pair
    steady = second.live("steady")
    repository = git.repository("taken-over.git", SLOW_BUILD)
    app = first.deploy("taken", repository.url)
    wait_until(lambda: "build" in [step["name"] for step in _deployment(first, app)["steps"]], 60)
    first.kill()
    assert second.visit(steady).status_code == 200
    assert second.succeeded(app["deploymentId"])["status"] == "success"
    assert second.visit("taken.localhost").status_code == 200
    containers = docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}").split()
    assert len(containers) == 1
    # The one that is left looks after the ingress too.
    os.kill(second.caddy_pid(), signal.SIGKILL)
    wait_until(lambda: _serves(second, steady), 15)


def _deployment(server, app):
    return server.get("/api/deployments/get", id=app["deploymentId"])


def _serves(server, app):
    with contextlib.suppress(httpx2.HTTPError):
        return server.visit(app).status_code == 200
    return False


def test_one_cancels_what_runs_in_the_other(pair, git):
    first, second = pair
    repository = git.repository("cancelled-elsewhere.git", SLOW_BUILD)
    app = first.deploy("gone", repository.url)
    wait_until(lambda: "build" in [step["name"] for step in _deployment(first, app)["steps"]], 60)
    # The one that queued it claims it first, so this one has to ask it.
    second.post("/api/apps/cancel", id=app["id"], deploymentId=app["deploymentId"])
    assert _deployment(second, app)["status"] == "cancelled"
    assert "better-paas.app" not in docker("ps", "--quiet", "--filter", f"label=better-paas.app={app['id']}")


def test_both_write_one_log_that_is_whole(pair):
    first, second = pair

    def make(number):
        server = (first, second)[number % 2]
        return server.client.post("/api/projects/create", json={"name": f"p{number}"}).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(make, range(200))) == {200}
    assert len(first.get("/api/projects")) >= 200
    assert first.get("/api/projects") == second.get("/api/projects")
    report = second.post("/api/audit-logs/verify")
    assert report["ok"], report["findings"]
    assert report["entries"] >= 400
    assert "The log is whole" in first.command("audit", "verify")


def test_a_database_that_restarts_is_found_again(pair, postgres):
    first, second = pair
    app = first.live("steady")
    stop = threading.Event()
    answers = []

    def ask():
        while not stop.is_set():
            answers.append(first.visit(app).status_code)

    visitor = threading.Thread(target=ask)
    visitor.start()
    try:
        postgres.stop()
        down = first.client.post("/api/projects/create", json={"name": "while-it-is-down"})
        assert down.status_code >= 500
        postgres.start()
        for server in pair:
            wait_until(lambda server=server: server.client.get("/api/apps").status_code == 200, 20)
            wait_until(
                lambda server=server: (
                    server.client.post("/api/projects/create", json={"name": f"back-{server.api_port}"}).status_code
                    == 200
                ),
                20,
            )
    finally:
        stop.set()
        visitor.join()
    assert set(answers) == {200}
    # One leads again, and news get through.
    made = first.post("/api/agents/create", name="reader", profile="observer")
    with second.holding(made["token"]) as client:
        wait_until(lambda: client.get("/api/apps").status_code == 200, 10)
    assert second.redeploy(app)["status"] == "success"


@pytest.fixture
def on_sqlite(tmp_path):
    """A server of the test's own that begins with a file, whatever the others use."""
    server = PaasServer(tmp_path / "data", APP_PORTS=app_ports(22500, 500), DRAIN_SECONDS="2", DATABASE_URL="")
    server.start()
    yield server
    if server.process.poll() is not None:
        server.start()
    server.close()


def test_an_installation_moves_to_postgresql_and_back(on_sqlite, database):
    app = on_sqlite.live("mover", envVars={"KEY": "canary-of-the-move"}, secretKeys=["KEY"])
    made = on_sqlite.post("/api/agents/create", name="reader", profile="observer")
    assert "Stop it first" in on_sqlite.command("db", "copy", code=1, DATABASE_URL=database)
    on_sqlite.kill(signal.SIGTERM)
    assert "DATABASE_URL is not set" in on_sqlite.command("db", "copy", code=1)
    assert "All is copied" in on_sqlite.command("db", "copy", DATABASE_URL=database)
    assert "a state at the target" in on_sqlite.command("db", "copy", code=1, DATABASE_URL=database)

    on_sqlite.settings["DATABASE_URL"] = database
    on_sqlite.start()
    assert on_sqlite.app(app["id"])["envVars"] == {"KEY": "***"}
    assert on_sqlite.post("/api/keys/verify")["ok"]
    assert on_sqlite.post("/api/audit-logs/verify")["ok"]
    with on_sqlite.holding(made["token"]) as client:
        assert client.get("/api/apps").status_code == 200
    assert on_sqlite.visit(app).status_code == 200
    assert on_sqlite.redeploy(app)["status"] == "success"
    kept = on_sqlite.command("db", "backup").strip()
    on_sqlite.post("/api/projects/create", name="after-the-copy")
    on_sqlite.kill(signal.SIGTERM)
    assert "The state is that of" in on_sqlite.command("db", "restore", kept)
    on_sqlite.start()
    assert "after-the-copy" not in [project["name"] for project in on_sqlite.get("/api/projects")]
    on_sqlite.kill(signal.SIGTERM)

    (on_sqlite.data / "better-paas.db").rename(on_sqlite.data / "old.db")
    assert "All is copied" in on_sqlite.command("db", "copy", "--back")
    del on_sqlite.settings["DATABASE_URL"]
    on_sqlite.start()
    assert len(on_sqlite.get("/api/deployments/history", appId=app["id"])) == 2
    assert on_sqlite.post("/api/audit-logs/verify")["ok"]
    assert on_sqlite.visit(app).status_code == 200
