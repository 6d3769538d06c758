"""What dies comes back: the server in the middle of each step, and the ingress."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
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


@pytest.mark.parametrize("step", ["fetch", "build", "start", "probe", "live", "success"])
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
    # One connection, kept open over the restart however long that takes.
    with httpx2.Client(limits=httpx2.Limits(keepalive_expiry=None)) as client:

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


def containers_of(app: dict) -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}").split()


def test_killed_while_it_rolls_back(own_paas, git):
    repository = git.repository("killed-back.git", text_app("one"))
    app = own_paas.live("back", repository.url)
    first = app["activeDeployId"]
    repository.commit(text_app("two"), "Second")
    own_paas.redeploy(app)
    back = own_paas.post("/api/apps/rollback", id=app["id"], deploymentId=first)
    wait_until(lambda: own_paas.get("/api/deployments/get", id=back["deploymentId"])["steps"], 20)
    own_paas.kill()
    assert own_paas.visit("back.localhost").text in ("one", "two")
    own_paas.start()
    own_paas.succeeded(back["deploymentId"])
    assert own_paas.visit("back.localhost").text == "one"
    wait_until(lambda: len(containers_of(app)) == 1, 30)


def test_killed_while_one_writer_makes_way_for_the_next(own_paas, git):
    """The worst moment: the old release is stopped, the new one not up. Requests wait, then are answered."""
    repository = git.repository("killed-writer.git", text_app("one", pause=4))
    app = own_paas.live("writer", repository.url, volumes=["data:/data"])
    repository.commit(text_app("two", pause=4), "Second")
    again = own_paas.post("/api/apps/redeploy", id=app["id"])
    wait_until(
        lambda: (
            "probe"
            in [step["name"] for step in own_paas.get("/api/deployments/get", id=again["deploymentId"])["steps"]]
        ),
        60,
    )
    answers = []
    visitor = threading.Thread(target=lambda: answers.append(own_paas.visit("writer.localhost")))
    visitor.start()
    own_paas.kill()
    own_paas.start()
    own_paas.succeeded(again["deploymentId"])
    visitor.join(60)
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "two")]
    wait_until(lambda: len(containers_of(app)) == 1, 30)


@pytest.mark.parametrize("act", ["stop", "delete", "restore"])
def test_killed_in_the_middle_of_an_act(own_paas, git, act):
    """The state says what is meant to be; the next start makes it so."""
    app = own_paas.live("acted", git.repository(f"killed-{act}.git", text_app("acted", deaf=True)).url)
    if act == "restore":
        own_paas.post("/api/apps/delete", id=app["id"])
    asked = threading.Thread(target=ask_and_forget, args=(own_paas, f"/api/apps/{act}", app["id"]))
    asked.start()
    time.sleep(0.4)
    own_paas.kill()
    asked.join(30)
    own_paas.start()
    if act == "stop":
        wait_until(lambda: own_paas.app(app["id"])["status"] == "stopped", 30)
        wait_until(lambda: own_paas.visit("acted.localhost").status_code == 503, 30)
    elif act == "delete":
        wait_until(lambda: containers_of(app) == [], 30)
        assert own_paas.visit("acted.localhost").status_code == 404
        assert [entry["id"] for entry in own_paas.get("/api/apps/trash")] == [app["id"]]
    else:
        wait_until(lambda: own_paas.visit("acted.localhost").status_code == 200, 30)
        assert own_paas.app(app["id"])["name"] == "acted"


def ask_and_forget(paas, path: str, app_id: str) -> None:
    with contextlib.suppress(httpx2.HTTPError):
        paas.client.post(path, json={"id": app_id})


def test_two_of_everything_at_once(own_paas, git):
    """Callers that do not know of each other: one of each pair wins or both do, and the state stays whole."""
    app = own_paas.live("busy", git.repository("busy.git", text_app("busy")).url)
    pairs = [("/api/apps/redeploy", "/api/apps/redeploy"), ("/api/apps/stop", "/api/apps/start"), ("/api/apps/redeploy", "/api/apps/stop"),
             ("/api/apps/delete", "/api/apps/redeploy"), ("/api/apps/restore", "/api/apps/restore")]  # fmt: skip
    for pair in pairs:
        statuses = []
        threads = [
            threading.Thread(
                target=lambda path=path, into=statuses: into.append(
                    own_paas.client.post(path, json={"id": app["id"]}).status_code
                )
            )
            for path in pair
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert set(statuses) <= {200, 404, 409}, (pair, statuses)
    wait_until(lambda: own_paas.app(app["id"])["status"] in ("running", "stopped"), 60)
    own_paas.client.post("/api/apps/start", json={"id": app["id"]})
    wait_until(lambda: own_paas.visit("busy.localhost").text == "busy", 30)
    wait_until(lambda: len(containers_of(app)) == 1, 40)


@pytest.mark.alone
def test_a_machine_that_restarts_serves_each_app_under_its_own_name(own_paas, git):
    """Engine, ingress and server die at once, and the containers get their addresses in another order."""
    one = own_paas.live("one", git.repository("reboot-one.git", text_app("one")).url)
    two = own_paas.live("two", git.repository("reboot-two.git", text_app("two")).url)
    engine = int(Path("/var/run/docker.pid").read_text())
    own_paas.kill()
    os.kill(own_paas.caddy_pid(), signal.SIGKILL)
    try:
        os.kill(engine, signal.SIGTERM)
        wait_until(lambda: has_ended(engine), 60)
    finally:
        start = "import sys; sys.path.insert(0, 'packaging'); import machine; machine.ensure_engine()"
        subprocess.run([sys.executable, "-c", start], cwd=Path(__file__).parents[2], check=True)
    # As after a restart where the second one was quicker.
    for name in (one, two):
        docker("stop", "--time", "1", f"{name['name']}-{name['activeDeployId']}")
    for name in (two, one):
        docker("start", f"{name['name']}-{name['activeDeployId']}")
    own_paas.start()
    seen = {"one": set(), "two": set()}

    def both_answer() -> bool:
        for name in seen:
            answer = own_paas.visit(f"{name}.localhost")
            seen[name].add(answer.text if answer.status_code == 200 else "")
        return seen["one"] >= {"one"} and seen["two"] >= {"two"}

    wait_until(both_answer, 60)
    assert seen["one"] <= {"", "one"}
    assert seen["two"] <= {"", "two"}


def has_ended(pid: int) -> bool:
    """Gone, or a zombie: whoever started it may not look after its children."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def text_app(text: str, pause: float = 0, deaf: bool = False) -> dict[str, str]:
    """Answers with `text`, after a pause to come up; a deaf one does not hear SIGTERM."""
    ignore = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else ""
    return {
        "app.py": f"{ignore}import http.server, os, time\ntime.sleep({pause})\nclass H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n"
        f"        self.wfile.write(b'{text}')\n"
        "http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n",
    }
