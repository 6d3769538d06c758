"""Releases that share a volume, that have several processes, that fail after they went live; and the trash."""

import collections
import json
import os
import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.system.servers import docker, inspect, lose_volume, wait_until

pytestmark = pytest.mark.engine

# Refuses to start beside another writer, and writes each order down before it answers.
WRITER = {
    "Procfile": "web: python app.py\n",
    "app.py": """
import fcntl, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = open("/data/lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("another release writes to /data")
orders = open("/data/orders", "a", buffering=1)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    def log_message(self, *args): ...
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        orders.write(text + "\\n")
        self.answer(b"taken")
    def do_GET(self):
        self.answer(open("/data/orders", "rb").read())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler)
server.daemon_threads = False
import signal, threading
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
""",
}
PROCESSES = {
    "Procfile": "web: python web.py\nworker: python worker.py\nrelease: python migrate.py\n",
    "web.py": "import os, http.server\nprint('web is up', flush=True)\nhttp.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
    "worker.py": "import time\nwhile True:\n    print('worker works', flush=True)\n    time.sleep(1)\n",
    "migrate.py": "print('tables are made', flush=True)\n",
}
WORKER = {
    "Procfile": "worker: python worker.py\n",
    "worker.py": "import time\nwhile True:\n    print('behind the scenes', flush=True)\n    time.sleep(1)\n",
}
# Good for six seconds, then it ends whenever it is started.
CRASHES = {
    "Procfile": "web: python app.py\n",
    "app.py": """
import http.server, os, threading, time
if "VERSION" == "2":
    threading.Timer(6, lambda: (print("the database is on fire", flush=True), os._exit(7))).start()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"version VERSION")
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
""",
}


def test_one_writer_at_a_time_and_no_order_is_lost(paas, git):
    """Six customers over kept connections, while the app changes over four times."""
    app = paas.live("orders", git.repository("writer.git", WRITER).url, volumes=["data:/data"])
    stop, answers, taken, slowest = threading.Event(), collections.Counter(), [], [0.0]

    def customer(number: int) -> None:
        with httpx2.Client(base_url=f"http://127.0.0.1:{paas.http_port}", timeout=60) as client:
            count = 0
            while not stop.is_set():
                count += 1
                order, started = f"{number}-{count}", time.monotonic()
                try:
                    answer = client.post("/", content=order, headers={"Host": app["defaultHost"]})
                    answers[answer.status_code] += 1
                    if answer.status_code == 200:
                        taken.append(order)
                except httpx2.HTTPError as error:
                    answers[type(error).__name__] += 1
                slowest[0] = max(slowest[0], time.monotonic() - started)
                time.sleep(0.005)

    customers = [threading.Thread(target=customer, args=(number,)) for number in range(6)]
    for thread in customers:
        thread.start()
    try:
        paas.redeploy(app)
        for _ in range(3):
            back = paas.post("/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"])
            paas.succeeded(back["deploymentId"])
            time.sleep(1)
    finally:
        stop.set()
        for thread in customers:
            thread.join()
    written = paas.visit(app).text.split()
    assert set(answers) == {200}, (answers, slowest)
    assert answers[200] > 500
    assert collections.Counter(written) == collections.Counter(taken)
    paas.purge(app)


def test_a_writer_that_fails_gives_its_place_back(paas, git):
    repository = git.repository("writer-fails.git", WRITER)
    app = paas.live("keeps", repository.url, volumes=["data:/data"])
    httpx2.post(f"http://127.0.0.1:{paas.http_port}/", content="first", headers={"Host": app["defaultHost"]})
    repository.commit({"app.py": "raise SystemExit('broken')\n"}, "Break it")
    failed = paas.ended(paas.post("/api/apps/redeploy", id=app["id"])["deploymentId"])
    assert (failed["status"], failed["error"].split(":")[0]) == ("failed", "the app did not stay up")
    assert paas.visit(app).text.split() == ["first"]
    assert paas.app(app["id"])["activeDeployId"] == app["activeDeployId"]
    paas.purge(app)


def test_a_volume_that_is_brought_back_by_hand_is_the_app_s_again(paas, git):
    app = paas.live("copied", git.repository("copied.git", WRITER).url, volumes=["data:/data"])
    volume = f"better-paas-{app['projectId']}-data"
    folder = Path(f"/var/lib/docker/volumes/{volume}/_data")
    httpx2.post(f"http://127.0.0.1:{paas.http_port}/", content="first", headers={"Host": app["defaultHost"]})
    paas.post("/api/apps/stop", id=app["id"])
    copy = {path.name: path.read_bytes() for path in folder.iterdir()}
    lose_volume(app, "data")

    def listed() -> list[tuple[bool, bool]]:
        found = [entry for entry in paas.get("/api/volumes") if entry["projectId"] == app["projectId"]]
        return [(entry["missing"], entry["size"] is not None) for entry in found]

    assert listed() == [(True, False)]
    # As anybody would bring it back: nothing on it says whose it is.
    docker("volume", "create", volume)
    for name, content in copy.items():
        (folder / name).write_bytes(content)
    for path in (folder, *folder.iterdir()):
        os.chown(path, 10001, 10001)
    assert listed() == [(False, True)]
    paas.post("/api/apps/start", id=app["id"])
    assert paas.visit(app).text.split() == ["first"]
    assert paas.purge(app)["volumes"] == ["data"]
    assert docker("volume", "ls", "--quiet", "--filter", f"name={volume}") == ""


def test_a_procfile_s_processes_run_side_by_side(paas, git):
    app = paas.live("many", git.repository("processes.git", PROCESSES).url)
    assert paas.visit(app).status_code == 200
    assert "release │ tables are made" in paas.deployment_log(app["activeDeployId"])
    names = docker("ps", "--filter", f"label=better-paas.app={app['id']}", "--format", "{{.Names}}").split()
    assert sorted(names) == [f"many-{app['activeDeployId']}", f"many-{app['activeDeployId']}-worker"]

    def both_are_heard() -> bool:
        lines = "\n".join(paas.get("/api/apps/runtime-logs", id=app["id"], lines=50)["logs"])
        return "web is up" in lines and "worker works" in lines

    wait_until(both_are_heard, 10)
    assert paas.get("/api/apps/metrics", id=app["id"])["processes"] >= 4
    # One that dies is started again.
    worker = f"many-{app['activeDeployId']}-worker"
    init = inspect(worker)["State"]["Pid"]
    os.kill(int(Path(f"/proc/{init}/task/{init}/children").read_text().split()[0]), signal.SIGKILL)
    wait_until(lambda: inspect(worker)["RestartCount"] == 1, 20)
    wait_until(lambda: paas.app(app["id"])["status"] == "running", 20)
    paas.post("/api/apps/stop", id=app["id"])
    assert docker("ps", "--quiet", "--filter", f"label=better-paas.app={app['id']}") == ""
    paas.post("/api/apps/start", id=app["id"])
    assert len(docker("ps", "--quiet", "--filter", f"label=better-paas.app={app['id']}").split()) == 2
    paas.purge(app)


def test_a_worker_without_a_port(paas, git):
    app = paas.live("worker", git.repository("worker.git", WORKER).url)
    assert (app["status"], app["url"], app["port"]) == ("running", "", None)
    page = paas.visit(app)
    assert (page.status_code, "serves no pages" in page.text) == (404, True)
    paas.redeploy(app)
    assert len(docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}").split()) <= 2
    paas.purge(app)


def test_a_release_that_crashes_after_it_went_live_is_taken_back(paas, git):
    one = {name: text.replace("VERSION", "1") for name, text in CRASHES.items()}
    two = {name: text.replace("VERSION", "2") for name, text in CRASHES.items()}
    repository = git.repository("crashes.git", one)
    app = paas.live("crashes", repository.url)
    repository.commit(two, "Set the database on fire")
    bad = paas.redeploy(app)
    assert paas.visit(app).text == "version 2"

    def went_back() -> bool:
        newest = paas.get("/api/deployments/history", appId=app["id"])[0]
        return (newest["trigger"], newest["status"]) == ("watch", "success")

    wait_until(went_back, 90)
    assert paas.visit(app).text == "version 1"
    failed = paas.get("/api/deployments/get", id=bad["id"])
    assert (failed["status"], "it ended 3 times" in failed["error"]) == ("failed", True)
    assert "the database is on fire" in paas.deployment_log(bad["id"])
    paas.purge(app)


def test_the_trash_gives_back_what_was_deleted(paas, git):
    app = paas.live("regret", git.repository("regret.git", WRITER).url, volumes=["data:/data"])
    httpx2.post(f"http://127.0.0.1:{paas.http_port}/", content="kept", headers={"Host": app["defaultHost"]})
    paas.post("/api/apps/delete", id=app["id"])
    assert paas.visit(app).status_code == 404
    assert docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}") == ""
    (kept,) = [entry for entry in paas.get("/api/apps/trash") if entry["id"] == app["id"]]
    assert (kept["images"], [volume["name"] for volume in kept["volumes"]]) == (1, ["data"])
    back = paas.post("/api/apps/restore", id=app["id"])
    assert (back["status"], back["name"]) == ("running", "regret")
    assert paas.visit(app).text.split() == ["kept"]
    listed = [volume for volume in paas.get("/api/volumes") if volume["projectId"] == app["projectId"]]
    assert [(volume["name"], volume["apps"], volume["size"] > 0) for volume in listed] == [("data", ["regret"], True)]
    gone = paas.purge(app)
    assert gone == {"status": "purged", "images": 1, "volumes": ["data"]}
    assert json.dumps(paas.get("/api/volumes")).count(app["projectId"]) == 0
