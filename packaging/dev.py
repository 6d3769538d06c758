"""`./run --dev`, once all is there: the server, begun again at each change of its sources, and the dashboard by Vite."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import machine
from machine import say
from watchfiles import PythonFilter, watch

SOURCES = machine.ROOT / "src" / "better_paas"
# Longer than an orderly stop takes: what it was doing is given back.
STOP_SECONDS = 30


def main() -> None:
    """On the command line: the folder of the server's data."""
    data = Path(sys.argv[1])
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    chosen = {name: value for name, value in os.environ.items() if value}
    api = machine.api_url({**machine.stored_settings(data), **chosen})
    environment = {**os.environ, **machine.node_environment()}
    vite = start(
        [machine.DASHBOARD / "node_modules" / ".bin" / "vite", "--host", "127.0.0.1", "--clearScreen", "false"],
        machine.DASHBOARD, {**environment, "BETTER_PAAS_API": api},
    )  # fmt: skip
    command: list[str | Path] = [machine.VENV / "bin" / "better-paas", "serve"]
    server = start(command, Path("/"), environment)
    say(
        f"\nThe server is at {api}; edit src/ and it begins again. The dashboard is where Vite says. Ctrl-C ends both.\n"
    )
    try:
        for _ in watch(SOURCES, watch_filter=PythonFilter(), stop_event=over, rust_timeout=500):
            stop(server)
            server = start(command, Path("/"), environment)
    finally:
        stop(server)
        # npm's Node may be a program that starts another.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(vite.pid, signal.SIGTERM)


def start(command: list[str | Path], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is meant for this program, which stops the others in order.
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


main()
