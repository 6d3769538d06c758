"""`./run`: from a clean clone to a running platform with a live sample app."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import machine
from machine import SetupFailed, call, say, step

HELP = """Usage: ./run [--dev | --help]

Sets up Better-PaaS on this machine, starts it and deploys the sample app. It
  1. installs what is missing: git, debootstrap, a Docker engine (as root, on Debian or Ubuntu);
  2. makes the Python environment in .venv and builds the dashboard;
  3. makes base images from Debian packages where no container registry can be reached;
  4. starts the server (and the ingress, which serves on when the server stops);
  5. deploys the sample app 'hello' and waits until it answers.
Run it again to update and restart in place: apps go on serving meanwhile.

Data lives in /var/lib/better-paas as root, else in ~/.local/share/better-paas; BETTER_PAAS_DATA_DIR changes that.
Settings are read from the environment and from settings.env in that folder (docs/reference/settings.md).
Ports: 8080 for the dashboard, 80 and 443 for apps; others are chosen if these are taken.

--dev: for people who work on it. The server stays on this terminal and begins again at each change in src/; the
dashboard is served by Vite, which shows a change at once; nothing is deployed. Ctrl-C ends both.

Stop the server:   kill $(cat <data>/server.pid)
Stop the ingress:  .venv/bin/better-paas stop-ingress
"""

PROCESSES = (
    "That is good for a first look: they are kept apart less than containers, and Python, Node and static sites are "
    "all that is built. Agent tokens may not deploy to it (PROCESS_AGENTS)."
)
COMMAND = machine.VENV / "bin" / "better-paas"
START_SECONDS = 60
DEPLOY_SECONDS = 900


def main() -> None:
    arguments = sys.argv[1:]
    if arguments not in ([], ["--dev"]):
        print(HELP)
        raise SystemExit(0 if arguments[0] in ("--help", "-h", "help") else 2)
    develops = bool(arguments)
    started = time.monotonic()
    try:
        data = data_dir()
        runtime = prepare_runtime(data)
        machine.prepare_server("requirements-dev.lock" if develops else "requirements.lock")
        stop_server(data)
        settings = write_settings(data, runtime)
        if runtime == "docker":
            step("Looking after base images")
            call(COMMAND, "images", "bootstrap", "--if-needed", environment=machine.node_environment(), show=True)
        if develops:
            python = str(machine.VENV / "bin" / "python")
            os.execv(python, [python, str(machine.ROOT / "packaging" / "dev.py"), str(data)])
        start_server(data, settings)
        server = Server(settings, (data / "admin_token.txt").read_text().strip())
        url = server.deploy_sample()
        finish(server, data, url, time.monotonic() - started)
    except SetupFailed as error:
        print(f"\n{error}", file=sys.stderr)
        raise SystemExit(1) from None


def data_dir() -> Path:
    default = (
        "/var/lib/better-paas"
        if os.geteuid() == 0
        else Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "better-paas"
    )
    path = Path(os.environ.get("BETTER_PAAS_DATA_DIR") or default).absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def prepare_runtime(data: Path) -> str:
    """Bring here what runs apps, and say which it is. An installation that has containers never changes by itself.

    Errors: SetupFailed.
    """
    chosen = current_settings(data).get("RUNTIME")
    if chosen != "process":
        try:
            machine.prepare_engine()
            return "docker"
        except SetupFailed as error:
            if chosen == "docker" or any(data.glob("better-paas.db*")):
                raise
            say(f"{error}\n\nNo engine can be had here, so apps will be processes of this machine. {PROCESSES}\n")
    machine.prepare_processes()
    return "process"


def current_settings(data: Path) -> dict[str, str]:
    return {**machine.stored_settings(data), **{name: value for name, value in os.environ.items() if value}}


def write_settings(data: Path, runtime: str) -> dict[str, str]:
    """What the server will use: the environment, then settings.env, which is completed where a port is taken."""
    file = data / "settings.env"
    current = current_settings(data)
    added = {} if "RUNTIME" in current or runtime == "docker" else {"RUNTIME": runtime}
    ingress_runs = (data / "caddy" / "caddy.pid").exists()
    if "LISTEN_ADDR" not in current and not machine.port_is_free(8080):
        added["LISTEN_ADDR"] = f":{free_port(8090)}"
    for name, usual, other in (("HTTP_PORT", 80, 8081), ("HTTPS_PORT", 443, 8444)):
        if name not in current and not ingress_runs and not machine.port_is_free(usual):
            added[name] = str(free_port(other))
    bundle = machine.host_ca_bundle()
    if "BUILD_CA_FILE" not in current and bundle is not None:
        added["BUILD_CA_FILE"] = str(bundle)
    if added:
        with file.open("a") as handle:
            handle.writelines(f"{name}={value}\n" for name, value in added.items())
        file.chmod(0o600)
        say(f"  settings kept in {file}: {', '.join(f'{name}={value}' for name, value in added.items())}")
    return {**current, **added}


def free_port(first: int) -> int:
    return next(port for port in range(first, first + 200) if machine.port_is_free(port))


def server_process(data: Path) -> int | None:
    """The pid of the server that an earlier run started, if it is still that."""
    try:
        pid = int((data / "server.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"better-paas" in command else None


def stop_server(data: Path) -> None:
    pid = server_process(data)
    if pid is None:
        return
    step("Stopping the old server; apps go on serving")
    os.kill(pid, signal.SIGTERM)
    for _ in range(300):
        if server_process(data) is None:
            return
        time.sleep(0.1)
    raise SetupFailed(f"The old server (process {pid}) does not stop.")


def start_server(data: Path, settings: dict[str, str]) -> None:
    step("Starting the server")
    log = data / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [COMMAND, "serve"], env={**os.environ, **machine.node_environment()}, cwd="/", stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    (data / "server.pid").write_text(str(process.pid))
    for _ in range(START_SECONDS * 10):
        if process.poll() is not None:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise SetupFailed(f"The server ended at once. The end of {log}:\n{tail}")
        try:
            urllib.request.urlopen(f"{machine.api_url(settings)}/api/health", timeout=5).read()
            return
        except OSError:
            time.sleep(0.1)
    raise SetupFailed(f"The server does not answer. See {log}.")


class Server:
    """The running server's API."""

    def __init__(self, settings: dict[str, str], token: str) -> None:
        self.settings, self._token, self.url = settings, token, machine.api_url(settings)

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            fault = json.load(error)
            raise SetupFailed(f"{path}: {fault['error']}. {fault.get('hint') or ''}") from error

    def deploy_sample(self) -> str:
        """Deploy `hello`, or its next version; the app's URL."""
        app = next((app for app in self.call("/api/apps") if app["name"] == "hello"), None)
        step("Deploying the sample app" + (" again" if app else ""))
        if app is None:
            body = {"name": "hello", "gitRepo": "sample:hello-python", "healthPath": "/health"}
            app = self.call("/api/deploy", body)
        else:
            app = self.call("/api/apps/redeploy", {"id": app["id"]})
        self._follow(app["deploymentId"])
        return str(app["url"])

    def _follow(self, deployment: str) -> None:
        offset, deadline = 0, time.monotonic() + DEPLOY_SECONDS
        while time.monotonic() < deadline:
            page = self.call(f"/api/deployments/logs?id={deployment}&offset={offset}")
            for line in page["logs"]:
                say(f"  {line['message']}")
            offset = page["next"]
            if page["finished"]:
                result = self.call(f"/api/deployments/get?id={deployment}")
                if result["status"] != "success":
                    raise SetupFailed(f"The sample was not deployed: {result['error']}. {result['hint']}")
                return
            time.sleep(0.3)
        raise SetupFailed("The sample's deployment takes too long. See the dashboard.")

    def app_answers(self, url: str) -> int:
        """The status of the app's first page, asked from the ingress on this machine."""
        host = url.partition("://")[2]
        port = self.settings.get("HTTP_PORT", "80")
        address = self.settings.get("INGRESS_ADDRESS") or "127.0.0.1"
        connection = http.client.HTTPConnection(address, int(port), timeout=10)
        try:
            connection.request("GET", "/", headers={"Host": host})
            return connection.getresponse().status
        except OSError as error:
            raise SetupFailed(f"The ingress does not answer on {address}:{port}: {error}") from error
        finally:
            connection.close()


def finish(server: Server, data: Path, url: str, seconds: float) -> None:
    status = server.app_answers(url)
    if status not in (200, 308):  # 308: to HTTPS, where APPS_DOMAIN is set
        raise SetupFailed(f"The sample app answers {status} at {url}.")
    info = server.call("/api/server/info")
    port = server.url.rpartition(":")[2]
    say(f"""
Better-PaaS runs (set up in {seconds:.0f} s).

  Dashboard    http://{info["publicIp"] or "localhost"}:{port}
  Admin token  in {data}/admin_token.txt; '{COMMAND} token' shows it
  Sample app   {url} answers {status}
  Your laptop  curl -fsSL http://{info["publicIp"] or "localhost"}:{port}/install/paas | python3 -
  Server log   {data}/server.log""")
    if server.call("/api/health")["runtime"] == "process":
        say(f"\n  Apps run as processes of this machine, without a container engine. {PROCESSES}")


main()
