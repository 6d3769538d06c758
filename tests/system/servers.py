"""Real servers for the system tests: the product itself, and a Git server over HTTP."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2

ADMIN_TOKEN = "the-admin-token-of-the-system-tests"
_BACKEND = "/usr/lib/git-core/git-http-backend"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Workers that run side by side must not fight over ports: each has ranges of its own.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def app_ports(first: int, count: int = 100) -> str:
    """A range for APP_PORTS, which all tests of a module may share. All lie below the ports of outgoing connections."""
    first += 3000 * WORKER
    return f"{first}-{first + count - 1}"


# Gives the address of a new database, where the tests' servers are to keep their state in PostgreSQL.
NEW_DATABASE: Callable[[], str] | None = None


class PaasServer:
    """`better-paas serve` as a process of its own, with its Caddy."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data = folder
        self.api_port, self.http_port = free_port(), free_port()
        self.settings = {
            "BETTER_PAAS_DATA_DIR": str(folder), "ADMIN_TOKEN": ADMIN_TOKEN, "LISTEN_ADDR": f"127.0.0.1:{self.api_port}",
            "INGRESS_ADDRESS": "127.0.0.1", "HTTP_PORT": str(self.http_port), "HTTPS_PORT": str(free_port()),
            "GIT_ALLOWED_PRIVATE_HOSTS": "127.0.0.1", "HEALTH_TIMEOUT": "30", "DRAIN_SECONDS": "30",
            **_build_ca(), **settings,
        }  # fmt: skip
        if NEW_DATABASE is not None:
            self.settings.setdefault("DATABASE_URL", NEW_DATABASE())
        self.program = [sys.executable, "-m", "better_paas", "serve"]
        self.process: subprocess.Popen | None = None
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.api_port}",
            timeout=120,
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
        )

    @property
    def data_dir(self) -> Path:
        return self.data

    @property
    def database_url(self) -> str:
        return self.settings.get("DATABASE_URL", "")

    def move_to(self, api_port: int, http_port: int) -> None:
        """These are the ports that its settings say."""
        self.api_port, self.http_port = api_port, http_port
        self.client.base_url = f"http://127.0.0.1:{api_port}"

    def start(self, code: tuple[int, ...] = (200,)) -> None:
        """code: what its health may answer with."""
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.program,
                env={**os.environ, **self.settings},
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._answers(code), 30)

    def _answers(self, code: tuple[int, ...]) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log()
        with contextlib.suppress(httpx2.HTTPError):
            return self.client.get("/api/health").status_code in code
        return False

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")

    def command(self, *arguments: str, code: int = 0, **settings: str) -> str:
        """What the server's own command prints on this machine."""
        done = subprocess.run(
            [sys.executable, "-m", "better_paas", *arguments],
            env={**os.environ, **self.settings, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def kill(self, sign: int = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(sign)
        self.process.wait(60)

    def caddy_pid(self) -> int:
        return int((self.data / "caddy" / "caddy.pid").read_text())

    def close(self) -> None:
        """Delete all apps, stop the server and its Caddy."""
        if self.process is not None and self.process.poll() is None:
            for app in self.get("/api/apps"):
                self.client.post("/api/apps/delete", json={"id": app["id"]})
            for app in self.get("/api/apps/trash"):
                self.client.post("/api/apps/purge", json={"id": app["id"], "name": app["name"], "volumes": True})
            self.kill(signal.SIGTERM)
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.caddy_pid(), signal.SIGTERM)
        self.client.close()

    def holding(self, token: str) -> httpx2.Client:
        """A client with this token; to be closed."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.api_port}", timeout=60, headers=headers)

    # The API

    def get(self, path: str, **query):
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, status: int = 200, **body):
        response = self.client.post(path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    def deploy(self, name: str, repository: str = "sample:hello-python", **fields) -> dict:
        return self.post("/api/deploy", name=name, gitRepo=repository, **fields)

    def ended(self, deployment: str, seconds: float = 240) -> dict:
        wait_until(lambda: self.status(deployment) not in ("queued", "building"), seconds)
        return self.get("/api/deployments/get", id=deployment)

    def status(self, deployment: str) -> str:
        return self.get("/api/deployments/get", id=deployment)["status"]

    def live(self, name: str, repository: str = "sample:hello-python", **fields) -> dict:
        app = self.deploy(name, repository, **fields)
        self.succeeded(app["deploymentId"])
        return self.app(app["id"])

    def succeeded(self, deployment: str) -> dict:
        ended = self.ended(deployment)
        assert ended["status"] == "success", f"{ended['error']}\n{ended['hint']}\n{self.deployment_log(deployment)}"
        return ended

    def redeploy(self, app: dict, **options) -> dict:
        return self.succeeded(self.post("/api/apps/redeploy", id=app["id"], **options)["deploymentId"])

    def purge(self, app: dict) -> dict:
        """Delete an app for good, with its volumes; what went."""
        self.post("/api/apps/delete", id=app["id"])
        return self.post("/api/apps/purge", id=app["id"], name=app["name"], volumes=True)

    def app(self, app_id: str) -> dict:
        return self.get("/api/apps/get", id=app_id)

    def deployment_log(self, deployment: str) -> str:
        lines, offset = [], 0
        while True:
            page = self.get("/api/deployments/logs", id=deployment, offset=offset)
            lines += [line["message"] for line in page["logs"]]
            if not page["logs"]:
                return "\n".join(lines)
            offset = page["next"]

    def visit(self, app: dict | str, path: str = "/") -> httpx2.Response:
        """Ask the ingress as a visitor of the app's default host would."""
        host = app if isinstance(app, str) else app["defaultHost"]
        return httpx2.get(f"http://127.0.0.1:{self.http_port}{path}", headers={"Host": host}, timeout=30)


def _build_ca() -> dict[str, str]:
    """As ./run sets it where the host has a certificate authority of its own."""
    own = any(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    named = os.environ.get("SSL_CERT_FILE") or ("/etc/ssl/certs/ca-certificates.crt" if own else "")
    return {"BUILD_CA_FILE": named} if named else {}


def wait_until(check, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.1)


class GitServer:
    """Repositories below one folder, over Git's smart HTTP. `auth` asks for this password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.auth = ""
        self.seen_authorization: list[str] = []
        # Files of Git LFS by their digest, and where it is said that they are.
        self.large: dict[str, bytes] = {}
        self.large_place = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def repository(self, name: str, files: dict[str, str] | None = None, message: str = "First") -> "Repository":
        made = Repository(self.folder / name, f"{self.url}/{name}")
        made.create()
        if files is not None:
            made.commit(files, message)
        return made

    def places_of(self, question: bytes) -> bytes:
        """What an LFS server says of the objects that it is asked for."""
        place = self.large_place or f"{self.url}/large/"
        known = [entry for entry in json.loads(question)["objects"] if entry["oid"] in self.large]
        found = [
            {**entry, "actions": {"download": {"href": place + entry["oid"], "header": {"X-Of": "lfs"}}}}
            for entry in known
        ]
        return json.dumps({"objects": found}).encode()

    def _handler(self):  # noqa: C901
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments): ...

            def do_GET(self):
                self._serve()

            def do_POST(self):
                self._serve()

            def _serve(self):
                if self.path.startswith("/moved/"):
                    self.send_response(301)
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                    self.end_headers()
                    return
                if self.path.startswith("/hangs/"):
                    time.sleep(20)
                    return
                if self.headers.get("X-Of") == "lfs":  # as the place of a large file said
                    self._send(outer.large[self.path.removeprefix("/large/")])
                    return
                authorization = self.headers.get("Authorization", "")
                if outer.auth:
                    wanted = "Basic " + base64.b64encode(outer.auth.encode()).decode()
                    outer.seen_authorization.append(authorization)
                    if authorization != wanted:
                        self.send_response(401)
                        self.send_header("WWW-Authenticate", 'Basic realm="git"')
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                self._serve_git()

            def _serve_git(self):
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if path.endswith("/info/lfs/objects/batch"):
                    self._send(outer.places_of(body))
                    return
                environment = {
                    "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(outer.folder), "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_ADDR": "127.0.0.1",
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
                }  # fmt: skip
                answer = subprocess.run(
                    [_BACKEND], input=body, env=environment, capture_output=True, check=False
                ).stdout
                head, _, content = answer.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
                self.send_response(int(headers.pop("Status", "200").split()[0]))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _send(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler


class Repository:
    """A bare repository and a work tree to fill it from."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self.url = path, url
        self.work = path.with_name(path.name + ".work")

    def create(self) -> None:
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self.path), cwd=self.path.parent)
        self._git("init", "--quiet", "--initial-branch=main", str(self.work), cwd=self.path.parent)

    def commit(self, files: dict[str, str | None], message: str) -> str:
        """Write `files` (None deletes one), commit, push to the branch that is checked out; the commit's id."""
        for name, content in files.items():
            target = self.work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                target.unlink()
            elif content.startswith("-> "):
                target.symlink_to(content.removeprefix("-> "))
            else:
                target.write_text(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)
        self._git("push", "--quiet", str(self.path), "HEAD")
        return self._git("rev-parse", "HEAD").strip()

    def branch(self, name: str) -> None:
        self._git("checkout", "--quiet", "-b", name)

    def tag(self, name: str) -> None:
        self._git("tag", name)
        self._git("push", "--quiet", str(self.path), name)

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=cwd or self.work, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def docker(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lose_volume(app: dict, name: str) -> None:
    """As with a lost disk: the containers of a stopped app and its volume are gone."""
    docker("rm", *docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}").split())
    docker("volume", "rm", f"better-paas-{app['projectId']}-{name}")


def inspect(name: str) -> dict:
    return json.loads(docker("inspect", name))[0]
