"""What dies comes back: the server in the middle of each step, and the ingress."""

import os
import signal
import time
from pathlib import Path

import httpx2
import pytest

from tests.system.servers import docker, inspect, wait_until

pytestmark = pytest.mark.engine
SLOW = {
    "Dockerfile": 'FROM better-paas/python:3.11\nRUN sleep 3\nCOPY app.py /app.py\nEXPOSE 8000\nCMD ["python3", "-u", "/app.py"]\n',
    "app.py": "import http.server, time\ntime.sleep(3)\nhttp.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
}


@pytest.mark.parametrize("step", ["fetch", "build", "probe", "success"])
def test_a_killed_server_goes_on_where_it_was_and_the_apps_never_notice(own_paas, git, step):
    steady = own_paas.live("steady")
    repository = git.repository(f"killed-{step}.git", SLOW)
    app = own_paas.deploy("killed", repository.url)

    def reached() -> bool:
        found = own_paas.get("/api/deployments/get", id=app["deploymentId"])
        return found["status"] == step or step in [entry["name"] for entry in found["steps"]]

    wait_until(reached, 60)
    own_paas.kill()
    assert own_paas.visit(steady).status_code == 200
    own_paas.start()
    assert own_paas.succeeded(app["deploymentId"])["status"] == "success"
    assert own_paas.visit("killed.localhost").status_code == 200
    assert own_paas.visit(steady).status_code == 200
    containers = docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}").split()
    assert len(containers) == 1
    own_paas.post("/api/apps/stop", id=app["id"])
    own_paas.post("/api/apps/delete", id=app["id"])


def test_a_killed_ingress_comes_back_with_its_routes(own_paas):
    app = own_paas.live("steady")
    os.kill(own_paas.caddy_pid(), signal.SIGKILL)
    deadline = time.monotonic() + 15
    while True:
        try:
            if own_paas.visit(app).status_code == 200:
                break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_new_server_adopts_the_ingress_and_its_connections(own_paas):
    app = own_paas.live("steady")
    pid = own_paas.caddy_pid()
    with httpx2.Client() as client:  # one connection, kept open over the restart

        def ask():
            return client.get(f"http://127.0.0.1:{own_paas.http_port}/", headers={"Host": app["defaultHost"]})

        stream = ask().extensions["network_stream"].get_extra_info("client_addr")
        own_paas.kill(signal.SIGTERM)
        assert ask().status_code == 200
        own_paas.start()
        answer = ask()
        assert answer.status_code == 200
        assert answer.extensions["network_stream"].get_extra_info("client_addr") == stream
    assert own_paas.caddy_pid() == pid
    assert own_paas.visit(own_paas.live("second")).status_code == 200


def test_an_app_that_does_not_answer_gets_a_page_of_ours(own_paas):
    app = own_paas.live("silent")
    docker("stop", f"silent-{app['activeDeployId']}")
    answer = own_paas.visit(app)
    assert answer.status_code == 502
    assert "This app does not answer right now" in answer.text
    wait_until(lambda: own_paas.app(app["id"])["status"] == "failed", 10)


def test_what_was_removed_by_hand_is_made_again_and_what_is_not_ours_stays(own_paas):
    app = own_paas.live("steady")
    docker("run", "--detach", "--name", "a-foreign-container", "better-paas/python:3.11", "sleep", "300")
    try:
        own_paas.kill()
        docker("rm", "--force", f"steady-{app['activeDeployId']}")
        own_paas.start()
        wait_until(lambda: own_paas.visit(app).status_code == 200, 30)
        assert docker("inspect", "--format", "{{.State.Running}}", "a-foreign-container").strip() == "true"
    finally:
        docker("rm", "--force", "a-foreign-container")


def test_an_app_that_dies_is_shown_as_such_and_restarted(own_paas):
    app = own_paas.live("dies")
    init = inspect(f"dies-{app['activeDeployId']}")["State"]["Pid"]
    child = int(Path(f"/proc/{init}/task/{init}/children").read_text().split()[0])
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: inspect(f"dies-{app['activeDeployId']}")["RestartCount"] == 1, 20)
    wait_until(lambda: own_paas.visit(app).status_code == 200, 20)
    wait_until(lambda: own_paas.app(app["id"])["status"] == "running", 20)
