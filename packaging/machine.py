"""Brings a machine to where Better-PaaS can run: packages, a Docker engine, the environment, the dashboard.

Only Python's standard library is used here: this runs before anything is installed. Each step finds out whether
there is something to do, so that a second run takes seconds.
"""

import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
DASHBOARD = ROOT / "dashboard"
BUILT = ROOT / "src" / "better_paas" / "dashboard"
# With which debootstrap checks what it gets; on Ubuntu it would otherwise check nothing.
DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
ENGINE_SOCKET = "/var/run/docker.sock"
# What Vite and the conformance suite of MCP demand.
NEEDED_NODE = (22, 12)


class SetupFailed(Exception):
    """The machine can't be brought there; the message says what to do."""


def say(text: str) -> None:
    print(text, flush=True)


def step(text: str) -> None:
    colour = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")
    say(f"{colour[0]}▸ {text}{colour[1]}")


def call(*argv: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None, show: bool = False) -> str:
    """Run a program to its end; what it printed. Errors: SetupFailed with its last lines."""
    program = [str(part) for part in argv]
    full = {**os.environ, **(environment or {})}
    if show:
        done = subprocess.run(program, cwd=cwd, env=full, check=False)
        output = ""
    else:
        done = subprocess.run(
            program, cwd=cwd, env=full, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = done.stdout
    if done.returncode != 0:
        tail = "\n".join(output.splitlines()[-25:])
        raise SetupFailed(f"{' '.join(program[:4])} ended with code {done.returncode}\n{tail}")
    return output


def install_packages(wanted: dict[str, str]) -> None:
    """Debian packages by the program (or file) that shows that they are there."""
    missing = [package for program, package in wanted.items() if not (shutil.which(program) or Path(program).is_file())]
    if not missing:
        return
    if os.geteuid() != 0:
        raise SetupFailed(f"These packages are needed: {' '.join(missing)}. Install them, or run this as root.")
    step(f"Installing {', '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    call("apt-get", "update", "-qq", environment=quiet)
    call("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, environment=quiet)


class _SocketConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(5)
        self.sock.connect(ENGINE_SOCKET)


def engine_answers() -> str:
    """ "" if the engine answers, else why not."""
    connection = _SocketConnection("localhost")
    try:
        connection.request("GET", "/_ping")
        return "" if connection.getresponse().status == 200 else "it answers with an error"
    except PermissionError:
        return f"{ENGINE_SOCKET} may not be opened by this user"
    except OSError as error:
        return f"{ENGINE_SOCKET}: {error.strerror or error}"
    finally:
        connection.close()


def ensure_engine() -> None:
    """A Docker engine that answers; Debian's is installed and started if there is none."""
    reason = engine_answers()
    if not reason:
        return
    if os.geteuid() != 0:
        raise SetupFailed(
            f"No Docker engine can be reached ({reason}), and this is not root. Do one of these:\n"
            "  - run this as root: it installs and starts Docker by itself;\n"
            "  - have an administrator install Docker and add you to its group: usermod -aG docker $USER"
        )
    if shutil.which("dockerd") is None:
        make_engine_limit_builds()
    install_packages({"dockerd": "docker.io", "iptables": "iptables"})
    step("Starting the Docker engine")
    process = None
    if Path("/run/systemd/system").is_dir():
        call("systemctl", "enable", "--now", "docker")
    elif engine_answers():
        forget_dead_engine()
        log = Path("/var/log/dockerd.log")
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
            )
    for _ in range(120):
        if not engine_answers():
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.5)
    raise SetupFailed(
        "The Docker engine was started but does not answer. See /var/log/dockerd.log or 'journalctl -u docker'."
    )


def make_engine_limit_builds(settings: Path = Path("/etc/docker/daemon.json")) -> None:
    """For an engine that is about to be installed: one that leaves its control groups to systemd has none for builds
    that a limit could be set on. One that is there already is its owner's to change."""
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps({"exec-opts": ["native.cgroupdriver=cgroupfs"]}, indent=2) + "\n")


def forget_dead_engine() -> None:
    """Remove pid files of an engine that was killed: its number may belong to another program by now."""
    for file, program in (
        ("/var/run/docker.pid", "dockerd"),
        ("/var/run/docker/containerd/containerd.pid", "containerd"),
    ):
        path = Path(file)
        try:
            process = Path(f"/proc/{int(path.read_text())}")
            # One that has ended, and that nobody has looked after yet, has no command line any more.
            running = (process / "comm").read_text().strip() if (process / "cmdline").read_bytes() else ""
        except (OSError, ValueError):
            running = ""
        if running != program:
            path.unlink(missing_ok=True)


def install_programs() -> None:
    """What the server runs besides its own."""
    install_packages({"git": "git", "prlimit": "util-linux"})


def prepare_server(lock: str = "requirements.lock") -> None:
    """All that the server needs to run from this folder, but for what runs apps, its settings and base images."""
    install_programs()
    ensure_environment(lock)
    build_dashboard()


def prepare_engine() -> None:
    """Apps as containers: an engine, and what base images are made with. Errors: SetupFailed."""
    ensure_engine()
    if os.geteuid() == 0:
        install_packages({"debootstrap": "debootstrap", DEBIAN_KEYS: "debian-archive-keyring"})


def prepare_processes() -> None:
    """Apps as processes of this machine, where no engine can be had."""
    if os.geteuid() == 0:
        install_packages({"bwrap": "bubblewrap", "/usr/lib/python3.11/ensurepip/__init__.py": "python3-venv"})


def stored_settings(data: Path) -> dict[str, str]:
    """What settings.env in the data folder says."""
    file = data / "settings.env"
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


def api_url(settings: dict[str, str]) -> str:
    """Where this machine gets to the server."""
    host, _, port = settings.get("LISTEN_ADDR", ":8080").rpartition(":")
    return f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}"


def port_is_free(port: int, address: str = "") -> bool:
    """Whether nobody listens on the port, at this address or at any."""
    host = address.strip("[]") or "0.0.0.0"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def ensure_environment(lock: str) -> None:
    """The Python environment in .venv, exactly as the lock file says."""
    wanted = hashlib.sha256((ROOT / lock).read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    # One stamp for each lock file: the runtime's and the developers' agree on every version that both have.
    stamp = VENV / f"{lock}.sha256"
    if stamp.is_file() and stamp.read_text() == wanted and (VENV / "bin" / "better-paas").exists():
        return
    step("Making the Python environment")
    if not (VENV / "bin" / "pip").exists():
        call(sys.executable, "-m", "venv", "--clear", VENV)
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call(*pip, "--require-hashes", "--requirement", ROOT / lock)
    call(*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    stamp.write_text(wanted)


def node_folder() -> Path:
    """The folder with a node and npm that are new enough: the system's, else those of a Python package."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm:
        version = tuple(int(part) for part in call(found, "--version").strip().lstrip("v").split(".")[:2])
        if version >= NEEDED_NODE:
            return Path(found).parent
    folder = TOOLS / "node"
    if not (folder / "bin" / "npm").exists():
        step("Getting Node")
        call(sys.executable, "-m", "venv", "--clear", folder)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        call(*pip, "--require-hashes", "--requirement", ROOT / "requirements-node.lock")
    return folder / "bin"


def build_dashboard(python: Path = VENV / "bin" / "python") -> None:
    """The dashboard's files in the package, if its sources or the API have changed. python: one with the libraries."""
    api = call(python, "-m", "better_paas", "openapi", environment={"PYTHONPATH": str(ROOT / "src")})
    sources = [
        path for folder in ("src", "public") for path in sorted((DASHBOARD / folder).rglob("*")) if path.is_file()
    ]
    sources = [path for path in sources if path.name != "schema.d.ts" and ".test." not in path.name]
    sources += [DASHBOARD / name for name in ("package-lock.json", "package.json", "index.html", "vite.config.ts")]
    wanted = hashlib.sha256(api.encode() + b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = BUILT / "sources.sha256"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    prepare_dashboard(api)
    step("Building the dashboard")
    call(DASHBOARD / "node_modules" / ".bin" / "vite", "build", cwd=DASHBOARD, environment=node_environment())
    stamp.write_text(wanted)


def prepare_dashboard(api: str) -> None:
    """The dashboard's packages, and its types made from the API."""
    install_node_packages(DASHBOARD, "Getting the dashboard's packages")
    (DASHBOARD / "openapi.json").write_text(api)
    tool = DASHBOARD / "node_modules" / ".bin" / "openapi-typescript"
    call(tool, "openapi.json", "-o", "src/api/schema.d.ts", cwd=DASHBOARD, environment=node_environment())


def install_node_packages(folder: Path, title: str) -> None:
    """What the folder's package-lock.json names, exactly."""
    stamp = folder / "node_modules" / "lock.sha256"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    environment = node_environment()
    step(title)
    npm = shutil.which("npm", path=environment["PATH"])
    call(str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder, environment=environment)
    stamp.write_text(wanted)


def node_environment() -> dict[str, str]:
    """The Node that we use, trusting the host's own certificate authorities, which Node does not know by itself."""
    environment = {"PATH": f"{node_folder()}:{os.environ['PATH']}"}
    if (bundle := host_ca_bundle()) is not None and "NODE_EXTRA_CA_CERTS" not in os.environ:
        environment["NODE_EXTRA_CA_CERTS"] = str(bundle)
    return environment


def host_ca_bundle() -> Path | None:
    """The host's CA bundle where it has certificate authorities of its own, else None."""
    named = os.environ.get("SSL_CERT_FILE")
    if named and Path(named).is_file():
        return Path(named)
    own = list(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    return bundle if own and bundle.is_file() else None
