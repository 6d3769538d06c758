"""What dies comes back: the server in the middle of each step, and the ingress."""

import contextlib
import os
import re
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


@pytest.mark.parametrize("step", ["fetch", "plan", "build", "start", "probe", "live", "success"])
def test_a_killed_server_goes_on_where_it_was_and_the_apps_never_notice(own_paas, git, step):
    steady = own_paas.live("steady")
    repository = git.repository(f"killed-{step}.git", SLOW)
    app = own_paas.deploy("killed", repository.url)
    kill_at(own_paas, app["deploymentId"], step)
    assert own_paas.visit(steady).status_code == 200
    own_paas.start()
    assert own_paas.succeeded(app["deploymentId"])["status"] == "success"
    if step not in ("live", "success"):  # it may have been live already
        assert "going on where it was" in own_paas.deployment_log(app["deploymentId"])
    assert own_paas.visit("killed.localhost").status_code == 200
    assert own_paas.visit(steady).status_code == 200
    containers = docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}").split()
    assert len(containers) == 1
    own_paas.post("/api/apps/stop", id=app["id"])
    own_paas.post("/api/apps/delete", id=app["id"])


def kill_at(paas, deployment: str, step: str) -> None:
    """End the server as soon as the deployment has begun this step, or has this status."""

    def reached() -> bool:
        found = paas.get("/api/deployments/get", id=deployment)
        return found["status"] == step or step in [entry["name"] for entry in found["steps"]]

    wait_until(reached, 60)
    paas.kill()


def test_a_release_command_runs_once_however_often_the_server_is_killed(own_paas, git):
    repository = git.repository("killed-release.git", text_app("one"))
    command = "sh -c 'echo began >> /data/ran; sleep 8; echo ended >> /data/ran; echo all-migrated'"
    app = own_paas.deploy("migrates", repository.url, releaseCommand=command, volumes=["data:/data"])
    for _ in range(2):
        kill_at(own_paas, app["deploymentId"], "release")
        own_paas.start()
    own_paas.succeeded(app["deploymentId"])
    container = f"migrates-{app['deploymentId']}"
    assert docker("exec", container, "cat", "/data/ran").split() == ["began", "ended"]
    assert "all-migrated" in own_paas.deployment_log(app["deploymentId"])
    assert len(containers_of(app)) == 1


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
    assert re.search(r"Request [0-9a-f-]{36}", answer.text)
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


def test_killed_in_each_step_of_going_back(own_paas, git):
    repository = git.repository("killed-back.git", text_app("one", pause=1))
    app = own_paas.live("back", repository.url)
    versions = {"one": app["activeDeployId"]}
    repository.commit(text_app("two", pause=1), "Second")
    versions["two"] = own_paas.redeploy(app)["id"]
    for wanted, step in (("one", "building"), ("two", "start"), ("one", "probe"), ("two", "live"), ("one", "success")):
        back = own_paas.post("/api/apps/rollback", id=app["id"], deploymentId=versions[wanted])
        kill_at(own_paas, back["deploymentId"], step)
        assert own_paas.visit("back.localhost").text in ("one", "two")
        own_paas.start()
        own_paas.succeeded(back["deploymentId"])
        assert own_paas.visit("back.localhost").text == wanted, step
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
    """The state says what is meant to be; the next start makes it so. It is one or the other, never half of it."""
    app = own_paas.live("acted", git.repository(f"killed-{act}.git", text_app("acted", slow_to_end=2)).url)
    seen = set()
    # At the latest moment the act is on disk for certain; at the first ones it may not have been.
    for pause in (0, 0.02, 0.1, 1.0):
        if act == "restore":
            own_paas.post("/api/apps/delete", id=app["id"])
        asked = threading.Thread(target=ask_and_forget, args=(own_paas, f"/api/apps/{act}", app["id"]))
        asked.start()
        time.sleep(pause)
        own_paas.kill()
        asked.join(30)
        own_paas.start()
        in_trash = [entry["id"] for entry in own_paas.get("/api/apps/trash")] == [app["id"]]
        if in_trash:
            assert act in ("delete", "restore")
            wait_until(lambda: containers_of(app) == [], 30)
            assert own_paas.visit("acted.localhost").status_code == 404
            seen.add("trash")
            own_paas.post("/api/apps/restore", id=app["id"])
        elif own_paas.app(app["id"])["status"] == "stopped":
            assert act == "stop"
            wait_until(lambda: own_paas.visit("acted.localhost").status_code == 503, 30)
            wait_until(lambda: not inspect(f"acted-{app['activeDeployId']}")["State"]["Running"], 30)
            seen.add("stopped")
            own_paas.post("/api/apps/start", id=app["id"])
        else:
            seen.add("running")
        wait_until(lambda: own_paas.visit("acted.localhost").status_code == 200, 30)
        assert len(containers_of(app)) == 1
    assert {"stop": "stopped", "delete": "trash", "restore": "running"}[act] in seen


def ask_and_forget(paas, path: str, app_id: str) -> None:
    with contextlib.suppress(httpx2.HTTPError):
        paas.client.post(path, json={"id": app_id})


def test_two_of_everything_at_once(own_paas, git):
    """Callers that do not know of each other: one of each pair wins or both do, and the state stays whole."""
    app = own_paas.live("busy", git.repository("busy.git", text_app("busy")).url)
    own_paas.redeploy(app)
    pairs = [("redeploy", "redeploy"), ("rollback", "rollback"), ("rollback", "redeploy"), ("stop", "start"),
             ("rollback", "stop"), ("redeploy", "stop"), ("delete", "redeploy"), ("restore", "restore"),
             ("delete", "rollback"), ("restore", "delete")]  # fmt: skip
    for pair in pairs:
        wait_until(lambda: not under_way(own_paas), 60)
        statuses = at_once(own_paas, app, *pair)
        assert set(statuses) <= {200, 400, 404, 409}, (pair, statuses)
        assert 200 in statuses, (pair, statuses)
    own_paas.client.post("/api/apps/restore", json={"id": app["id"]})
    wait_until(lambda: own_paas.app(app["id"])["status"] in ("running", "stopped"), 60)
    own_paas.client.post("/api/apps/start", json={"id": app["id"]})
    wait_until(lambda: own_paas.visit("busy.localhost").text == "busy", 30)
    wait_until(lambda: len(containers_of(app)) == 1, 40)
    # Purged and asked back at once: it is gone for good, or it is back and whole.
    own_paas.post("/api/apps/delete", id=app["id"])
    statuses = at_once(own_paas, app, "purge", "restore")
    assert sorted(statuses) in ([200, 404], [200, 409]), statuses
    if own_paas.get("/api/apps"):
        wait_until(lambda: own_paas.visit("busy.localhost").text == "busy", 30)
        own_paas.post("/api/apps/delete", id=app["id"])
    else:
        assert own_paas.get("/api/apps/trash") == []
        assert containers_of(app) == []
        return
    assert sorted(at_once(own_paas, app, "purge", "purge")) == [200, 404]
    assert docker("images", "--quiet", f"better-paas/app-{app['id']}") == ""


def under_way(paas) -> list[str]:
    """Deployments that wait or run."""
    return [entry["id"] for entry in paas.get("/api/deployments/history") if entry["status"] in ("queued", "building")]


def at_once(paas, app: dict, *acts: str) -> list[int]:
    """The statuses of these acts on an app, asked by callers that do not wait for each other."""
    statuses: list[int] = []
    body = {"id": app["id"], "name": app["name"], "deploymentId": app["activeDeployId"]}
    wanted = {"purge": ("id", "name"), "rollback": ("id", "deploymentId")}

    def ask(act: str) -> None:
        fields = {name: body[name] for name in wanted.get(act, ("id",))}
        statuses.append(paas.client.post(f"/api/apps/{act}", json=fields).status_code)

    threads = [threading.Thread(target=ask, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return statuses


@pytest.mark.alone
def test_an_engine_that_restarts_under_the_server(own_paas, git):
    """The server goes on: apps are up again, what was being built is built or said to have failed, the next one is."""
    app = own_paas.live("steady", git.repository("engine.git", text_app("steady")).url)
    slow = git.repository("engine-slow.git", {**text_app("slow"), "Dockerfile": SLOW["Dockerfile"]})
    under_way = own_paas.deploy("under-way", slow.url)
    wait_until(lambda: "build" in str(own_paas.get("/api/deployments/get", id=under_way["deploymentId"])["steps"]), 60)
    with engine_down():
        assert own_paas.get("/api/health")["parts"]["engine"]["state"] == "it does not answer"
        assert own_paas.visit(app).status_code == 502
    wait_until(lambda: own_paas.visit(app).status_code == 200, 60)
    wait_until(lambda: own_paas.app(app["id"])["status"] == "running", 30)
    ended = own_paas.ended(under_way["deploymentId"])
    assert ended["status"] == "failed", ended
    assert "engine" in ended["hint"], (ended["error"], ended["hint"])
    own_paas.redeploy(under_way)
    assert own_paas.visit("under-way.localhost").text == "slow"
    assert [len(containers_of(found)) for found in (app, under_way)] == [1, 1]


@contextlib.contextmanager
def engine_down():
    """The engine ends, as for an update of it, and is started again."""
    engine = int(Path("/var/run/docker.pid").read_text())
    try:
        os.kill(engine, signal.SIGTERM)
        wait_until(lambda: has_ended(engine), 60)
        yield
    finally:
        start = "import sys; sys.path.insert(0, 'packaging'); import machine; machine.ensure_engine()"
        subprocess.run([sys.executable, "-c", start], cwd=Path(__file__).parents[2], check=True)


@pytest.mark.alone
def test_a_machine_that_restarts_serves_each_app_under_its_own_name(own_paas, git):
    """Engine, ingress and server die at once, and the containers get their addresses in another order."""
    one = own_paas.live("one", git.repository("reboot-one.git", text_app("one")).url)
    two = own_paas.live("two", git.repository("reboot-two.git", text_app("two")).url)
    own_paas.kill()
    os.kill(own_paas.caddy_pid(), signal.SIGKILL)
    with engine_down():
        pass
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


def text_app(text: str, pause: float = 0, slow_to_end: float = 0) -> dict[str, str]:
    """Answers with `text`, after a pause to come up; it takes its time to end, too."""
    end = f"import signal, threading\nsignal.signal(signal.SIGTERM, lambda *_: threading.Timer({slow_to_end}, os._exit, [0]).start())\n"
    return {
        "app.py": f"import http.server, os, time\n{end}time.sleep({pause})\nclass H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n"
        f"        self.wfile.write(b'{text}')\n"
        "http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n",
    }
