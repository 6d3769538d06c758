"""The embedded runtime: the main job without an engine, and what its sandbox keeps apart."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest

from better_paas.runtime.process import runtime
from tests.system import apps
from tests.system.servers import PaasServer, app_ports, wait_until

PEEK = """
import http.server, os, socket, sys


def look(path):
    try:
        return open(path).read(40) if os.path.isfile(path) else str(sorted(os.listdir(path))[:3])
    except OSError as error:
        return type(error).__name__


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        if self.path == "/eat":
            text = self.eat()
        elif self.path.startswith("/read"):
            text = look(self.path[5:])
        elif self.path.startswith("/write"):
            text = self.put(self.path[6:])
        else:
            text = f"{os.getuid()} {os.environ.get('KEY')} {len([n for n in os.listdir('/proc') if n.isdigit()])}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def eat(self):
        try:
            kept = bytearray(400_000_000)
            return "had it"
        except MemoryError:
            return "MemoryError"

    def put(self, path):
        try:
            open(path, "a").write("x")
            return open(path).read()
        except OSError as error:
            return type(error).__name__


print("begun as", os.getpid(), flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
DATA = "/app/data"


@pytest.fixture(scope="module")
def process_paas(tmp_path_factory):
    server = PaasServer(
        tmp_path_factory.mktemp("processes") / "data", APP_PORTS=app_ports(24000), RUNTIME="process", DRAIN_SECONDS="2",
        DOCKER_HOST="unix:///nonexistent.sock",
    )  # fmt: skip
    server.start()
    yield server
    if server.process.poll() is not None:
        server.start()
    server.close()


@pytest.fixture(scope="module")
def peek(process_paas, git):
    repository = git.repository("peek.git", {"app.py": PEEK, "Procfile": "web: python3 -u app.py\nclock: sleep 1000\n"})
    return process_paas.live("peek", repository.url, envVars={"KEY": "secret-of-the-process"}, memory="256m")


def supervisors(server) -> list[int]:
    """The supervisors that run."""
    found = [runtime.find_supervisor(path) for path in (server.data / "processes" / "releases").iterdir()]
    return [pid for pid in found if pid is not None]


@pytest.mark.parametrize("name", ["FLASK", "EXPRESS", "VITE"])
def test_first_version_second_version_and_back(process_paas, git, name):
    files = getattr(apps, name)
    repository = git.repository(
        f"process-{name}.git", {path: text.replace("VERSION", "one") for path, text in files.items()}
    )
    app = process_paas.live(name.lower(), repository.url)
    assert "one" in process_paas.visit(app).text
    repository.commit({path: text.replace("VERSION", "two") for path, text in files.items()}, "Second")
    process_paas.redeploy(app)
    assert "two" in process_paas.visit(app).text
    first = process_paas.get("/api/deployments/history", appId=app["id"])[-1]
    process_paas.succeeded(
        process_paas.post("/api/apps/rollback", id=app["id"], deploymentId=first["id"])["deploymentId"]
    )
    assert "one" in process_paas.visit(app).text
    wait_until(lambda: len(list((process_paas.data / "processes" / "releases").glob("*"))) <= 4, 20)
    process_paas.purge(app)


def test_a_project_of_uv(process_paas, git):
    files = {
        "pyproject.toml": '[project]\nname = "greets"\nversion = "1"\nrequires-python = ">=3.9"\n',
        "uv.lock": 'version = 1\nrequires-python = ">=3.9"\n\n[[package]]\nname = "greets"\nversion = "1"\nsource = { virtual = "." }\n',
        "Procfile": "web: python app.py\n",
        "app.py": "import http.server, os, sys\nopen('/tmp/index.html', 'w').write(sys.prefix)\nos.chdir('/tmp')\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()\n",
    }
    app = process_paas.live("greets", git.repository("process-uv.git", files).url)
    assert process_paas.visit(app).text == "/venv"
    assert "uv sync --locked" in process_paas.deployment_log(app["activeDeployId"])
    process_paas.purge(app)


def test_each_has_a_user_and_a_view_of_its_own(process_paas, peek):
    user, key, processes = process_paas.visit(peek).text.split()
    assert key == "secret-of-the-process"
    assert int(user) > 200_000
    assert int(processes) < 8  # of the whole machine it sees its own
    for path in (str(process_paas.data), "/root", "/var/lib", "/run"):
        assert process_paas.visit(peek, f"/read{path}").text in ("FileNotFoundError", "PermissionError")
    assert process_paas.visit(peek, "/read/etc/shadow").text == "PermissionError"
    assert process_paas.visit(peek, "/write/app/app.py").text in ("OSError", "PermissionError")
    assert process_paas.visit(peek, "/write/tmp/mine").text == "x"
    assert process_paas.visit(peek, "/eat").text == "MemoryError"
    # What it was given is in no list of processes.
    shown = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert not [text for text in shown if b"secret-of-the-process" in text]


def test_it_outlives_the_server_and_is_started_again_when_it_dies(process_paas, peek):
    before = supervisors(process_paas)
    process_paas.kill(signal.SIGKILL)
    assert process_paas.visit(peek).status_code == 200
    process_paas.start()
    assert supervisors(process_paas) == before
    assert process_paas.app(peek["id"])["status"] == "running"

    with pytest.raises(httpx2.HTTPError):
        answer = process_paas.visit(peek, "/die")
        answer.raise_for_status()
    wait_until(lambda: process_paas.visit(peek).status_code == 200, 15)
    lines = process_paas.get("/api/apps/runtime-logs", id=peek["id"], lines=50)["logs"]
    assert sum("begun as" in line for line in lines) >= 2
    metrics = process_paas.get("/api/apps/metrics", id=peek["id"])
    assert metrics["memory"] > 1_000_000

    # A killed supervisor takes its release along, and the server brings it back at once; so does its next start.
    (supervisor,) = supervisors(process_paas)
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: supervisors(process_paas) not in ([], [supervisor]), 15)
    wait_until(lambda: process_paas.visit(peek).status_code == 200, 15)
    (supervisor,) = supervisors(process_paas)
    os.kill(supervisor, signal.SIGKILL)
    process_paas.kill(signal.SIGKILL)
    process_paas.start()
    wait_until(lambda: process_paas.visit(peek).status_code == 200, 15)

    process_paas.post("/api/apps/stop", id=peek["id"])
    wait_until(lambda: not supervisors(process_paas), 5)
    process_paas.post("/api/apps/start", id=peek["id"])
    assert process_paas.visit(peek).status_code == 200


def test_volumes_stay(process_paas, git):
    repository = git.repository("process-volume.git", {"app.py": PEEK, "Procfile": "web: python3 -u app.py\n"})
    app = process_paas.live("keeper", repository.url, volumes=[f"things:{DATA}"])
    assert process_paas.visit(app, f"/write{DATA}/log").text == "x"
    process_paas.redeploy(app)
    assert process_paas.visit(app, f"/write{DATA}/log").text == "xx"
    volumes = process_paas.get("/api/volumes")
    assert [volume["name"] for volume in (volumes["volumes"] if isinstance(volumes, dict) else volumes)] == ["things"]
    process_paas.purge(app)


def test_what_needs_an_engine_says_so(process_paas, git):
    for name, files in {
        "own": apps.DOCKERFILE,
        "rusty": {"Cargo.toml": '[package]\nname = "x"\nversion = "0.1.0"\n', "src/main.rs": "fn main() {}"},
    }.items():
        repository = git.repository(f"process-{name}.git", files)
        ended = process_paas.ended(process_paas.deploy(name, repository.url)["deploymentId"])
        assert ended["status"] == "failed"
        assert "without a Docker engine" in ended["error"]
        assert "RUNTIME=docker" in ended["hint"]


def test_agents_deploy_only_where_a_setting_allows_it(process_paas, peek):
    token = process_paas.post("/api/agents/create", name="deployer", profile="deployer")["token"]
    with process_paas.holding(token) as client:
        answer = client.post("/api/apps/redeploy", json={"id": peek["id"]})
        assert answer.status_code == 403
        assert "PROCESS_AGENTS" in answer.json()["hint"]
        assert client.get("/api/apps").status_code == 200
    process_paas.kill(signal.SIGTERM)
    process_paas.settings["PROCESS_AGENTS"] = "true"
    process_paas.start()
    with process_paas.holding(token) as client:
        assert client.post("/api/apps/redeploy", json={"id": peek["id"]}).status_code == 200
    wait_until(lambda: process_paas.app(peek["id"])["status"] == "running", 60)


def test_people_are_told(process_paas):
    health = process_paas.get("/api/health")
    assert (health["runtime"], health["engine"]) == ("process", None)
    assert sys.platform == "linux"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives apps users of their own")
def test_as_root_without_bubblewrap_an_app_is_built_and_runs(git, tmp_path):
    """On a machine that has no sandbox, by a server that opens nothing to others of itself."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in ("/usr/sbin", "/usr/bin"):
        for program in Path(folder).iterdir():
            if program.name != "bwrap" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    repository = git.repository(
        "bare.git", {"app.py": PEEK, "requirements.txt": "", "Procfile": "web: python3 -u app.py\n"}
    )
    # Below the folder of the tests nobody but root gets.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        Path(place).chmod(0o711)
        server = PaasServer(
            Path(place) / "data", APP_PORTS=app_ports(24200), RUNTIME="process", DRAIN_SECONDS="2",
            DOCKER_HOST="unix:///nonexistent.sock", PATH=str(programs),
        )  # fmt: skip
        server.start()
        try:
            app = server.live("bare", repository.url)
            user = server.visit(app).text.split()[0]
            assert int(user) >= 210_000
            assert server.visit(app, f"/read{place}/data").text == "PermissionError"
            server.kill(signal.SIGKILL)
            server.start()
            assert server.visit(app, f"/read{place}/data/processes/images").text == "PermissionError"
            assert server.visit(app).text.split()[0] == user
            found = {entry["name"]: entry for entry in server.get("/api/system/doctor")["findings"]}
            assert found["Data directory"]["level"] == "good"
        finally:
            server.close()
