"""`./install.sh`: Better-PaaS as a service of this machine, updated in place, with a way back."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import machine
from machine import SetupFailed, call, say, step

HELP = """Usage: ./install.sh [--help]

Installs Better-PaaS as a systemd service of this machine, or updates it in place. As root, it
  1. sees that the ports are free, and installs what is missing (git, debootstrap, a Docker engine);
  2. puts this version into /opt/better-paas/releases, beside the one that runs;
  3. makes it the current one and restarts the service; apps and the ingress go on serving;
  4. waits until server, ingress and engine answer. If they do not, the version before, its state and its unit come
     back by themselves.
The state is copied before an update changes it ('better-paas db backups').

The command is /usr/local/bin/better-paas; data is in /var/lib/better-paas; settings are in settings.env there.
Log:    journalctl -u better-paas
Remove: systemctl disable --now better-paas; /opt/better-paas/current/bin/better-paas stop-ingress; rm -r /opt/better-paas
"""

PREFIX = Path("/opt/better-paas")
DATA = Path("/var/lib/better-paas")
UNIT = Path("/etc/systemd/system/better-paas.service")
COMMAND = Path("/usr/local/bin/better-paas")
SERVICE = "better-paas"
START_SECONDS = 60
# A version that ended so often is not waited for any longer.
MOST_RESTARTS = 3
KEPT = 3


def main() -> None:
    if len(sys.argv) > 1:
        print(HELP)
        raise SystemExit(0 if sys.argv[1] in ("--help", "-h", "help") else 2)
    started = time.monotonic()
    try:
        if os.geteuid() != 0:
            raise SetupFailed("Run this as root: it installs a service.")
        if shutil.which("systemctl") is None:
            raise SetupFailed("This machine has no systemd. './run' starts Better-PaaS without it.")
        before = current()
        if before is None:
            check_ports()
        was = health()
        machine.prepare_engine()
        machine.install_programs()
        libraries = environment()
        machine.build_dashboard(libraries / "bin" / "python")
        release = put_release(libraries)
        unit = UNIT.read_text() if UNIT.exists() else ""
        write_unit(Path(__file__).with_name(UNIT.name).read_text())
        switch(release)
        step("Starting the service")
        restarted = time.monotonic()
        call("systemctl", "restart", SERVICE)
        if not answers(restarted, was):
            go_back(release, before, unit, was)
        prune(release)
        finish(release, time.monotonic() - started)
    except SetupFailed as error:
        print(f"\n{error}", file=sys.stderr)
        raise SystemExit(1) from None


def check_ports() -> None:
    """Errors: SetupFailed, before anything is changed, where another program has a port that is needed."""
    settings = machine.stored_settings(DATA)
    listen, _, port = settings.get("LISTEN_ADDR", ":8080").rpartition(":")
    wanted = [("LISTEN_ADDR", f"{listen}:{port}", listen, int(port))]
    # An ingress that './run' started is taken over as it is.
    if not (DATA / "caddy" / "caddy.pid").exists():
        for name, usual in (("HTTP_PORT", "80"), ("HTTPS_PORT", "443")):
            value = settings.get(name, usual)
            wanted.append((name, value, settings.get("INGRESS_ADDRESS", ""), int(value)))
    taken = [
        f"  {number} ({name}={value})"
        for name, value, address, number in wanted
        if not machine.port_is_free(number, address)
    ]
    if taken:
        raise SetupFailed(
            "Another program uses these ports:\n"
            + "\n".join(taken)
            + f"\n'ss -ltnp' shows which. End it ('kill $(cat {DATA}/server.pid)' if './run' started it), or set other"
            f"\nones in {DATA}/settings.env, then run this again. Nothing was installed."
        )


def environment() -> Path:
    """The folder with exactly the libraries that the lock file names; versions with the same ones share it."""
    lock = machine.ROOT / "requirements.lock"
    name = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = PREFIX / "environments" / name
    if not (folder / "complete").exists():
        step("Making the service's environment")
        call(sys.executable, "-m", "venv", "--clear", folder)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        call(*pip, "--require-hashes", "--requirement", lock)
        (folder / "complete").touch()
    return folder


def put_release(libraries: Path) -> Path:
    """This version in a folder of its own: complete, or not there at all."""
    step("Putting this version in place")
    version = tomllib.loads((machine.ROOT / "pyproject.toml").read_text())["project"]["version"]
    target = PREFIX / "releases" / f"{version}-{time.strftime('%Y%m%d%H%M%S')}"
    incoming = target.with_name(f"{target.name}.incoming")
    pip = [libraries / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call(*pip, "--no-deps", "--no-build-isolation", "--target", incoming / "site", machine.ROOT)
    (incoming / "bin").mkdir()
    program = incoming / "bin" / "better-paas"
    program.write_text(
        f"#!{libraries}/bin/python\n"
        "import sys\n"
        f"sys.path.insert(0, {str(target / 'site')!r})\n"
        "from better_paas.__main__ import main\n"
        "main()\n"
    )
    program.chmod(0o755)
    (incoming / "environment").write_text(str(libraries))
    incoming.rename(target)
    return target


def current() -> Path | None:
    link = PREFIX / "current"
    return link.resolve() if link.is_symlink() and link.exists() else None


def switch(release: Path) -> None:
    """Make a version the current one: one rename."""
    link = PREFIX / "current.incoming"
    link.unlink(missing_ok=True)
    link.symlink_to(release)
    link.rename(PREFIX / "current")
    if not COMMAND.is_symlink():
        COMMAND.parent.mkdir(parents=True, exist_ok=True)
        COMMAND.unlink(missing_ok=True)
        COMMAND.symlink_to(PREFIX / "current" / "bin" / "better-paas")


def write_unit(text: str) -> None:
    if not UNIT.exists() or UNIT.read_text() != text:
        step("Making the service")
        UNIT.write_text(text)
        call("systemctl", "daemon-reload")
        call("systemctl", "enable", SERVICE)


def health() -> dict[str, Any] | None:
    """What the server says of itself, or None if it does not answer."""
    try:
        with urllib.request.urlopen(f"{address()}/api/health", timeout=5) as response:
            return dict(json.load(response))
    except (OSError, ValueError, urllib.error.URLError):
        return None


def answers(since: float, was: dict[str, Any] | None) -> bool:
    """Whether the server that was started then answers, with an ingress and an engine if it had them before."""
    deadline, ended = time.monotonic() + START_SECONDS, restarts()
    while time.monotonic() < deadline:
        found = health()
        if found is None:
            if restarts() - ended >= MOST_RESTARTS:
                return False
        elif found["uptime"] <= time.monotonic() - since + 1 and not lost(was, found):
            return True
        time.sleep(0.2)
    return False


def lost(was: dict[str, Any] | None, now: dict[str, Any]) -> list[str]:
    """What was well before and is not any more."""
    gone = []
    if was and was["ingress"] == "ok" and now["ingress"] != "ok":
        gone.append("ingress")
    if was and was["engine"] and not now["engine"]:
        gone.append("engine")
    return gone


def restarts() -> int:
    """How often systemd has started the service by itself; it may count on from the version before."""
    return int(call("systemctl", "show", "--property=NRestarts", "--value", SERVICE))


def address() -> str:
    return machine.api_url(machine.stored_settings(DATA))


def go_back(failed: Path, before: Path | None, unit: str, was: dict[str, Any] | None) -> None:
    """The version before with its unit, and the state as it was if the failed one had changed it.

    Errors: SetupFailed, always.
    """
    if before is None:
        raise SetupFailed("The service does not answer. See 'journalctl -u better-paas'.")
    step("It does not answer: going back to the version before")
    call("systemctl", "stop", SERVICE)
    switch(before)
    write_unit(unit)
    copies = sorted((DATA / "state-backups").glob("*-before-*.db"))
    changed = [copy for copy in copies if copy.stat().st_mtime > failed.stat().st_mtime]
    if changed:
        call(COMMAND, "db", "restore", changed[0])
    restarted = time.monotonic()
    call("systemctl", "start", SERVICE)
    well = "It answers again" if answers(restarted, was) else "It does not answer either"
    state = " The state is the one from before the update." if changed else ""
    raise SetupFailed(f"The update failed; the version before is back. {well}.{state} See 'journalctl -u better-paas'.")


def prune(release: Path) -> None:
    """Keep the newest versions, and the libraries that they use."""
    releases = sorted((PREFIX / "releases").iterdir(), reverse=True)
    kept = [found for found in releases if not found.name.endswith(".incoming")][:KEPT]
    for old in releases:
        if old not in kept and old != release:
            shutil.rmtree(old, ignore_errors=True)
    used = {(found / "environment").read_text() for found in kept}
    for folder in (PREFIX / "environments").iterdir():
        if str(folder) not in used:
            shutil.rmtree(folder, ignore_errors=True)


def finish(release: Path, seconds: float) -> None:
    state = subprocess.run(["systemctl", "is-active", SERVICE], capture_output=True, text=True, check=False)
    found = health()
    if found and found["ingress"] != "ok":
        say(f"\nTo mend: {found['ingress']}. It is tried again by itself; '{COMMAND} doctor' says more.")
    if found and found["runtime"] == "docker" and not found["engine"]:
        say(f"\nTo mend: the container engine does not answer. '{COMMAND} doctor' says more.")
    say(f"""
Better-PaaS {release.name} is installed ({seconds:.0f} s) and {state.stdout.strip() or "runs"}.

  Dashboard    {address().replace("127.0.0.1", "localhost")}
  Admin token  '{COMMAND} token' shows it
  Check-up     '{COMMAND} doctor'
  Log          journalctl -u {SERVICE}""")


main()
