"""Keeps one release up: a program of its own that outlives the server. It imports next to nothing, to stay small.

    python -m better_paas.runtime.process.supervisor FOLDER

The folder holds `spec.json` (what to run) and gets `state.json` (how it is), a log for each process, and `lock`, which
is held for as long as this lives. SIGHUP: the release is settled, so processes that end are started again. SIGTERM: end
them all, then yourself. What happens is told to the server by a datagram, which nobody need be there to get.
"""

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from better_paas.kit.lines import LineBuffer

# The socket in the folder of all releases that news are told to.
NEWS = "news.sock"
_LOG_BYTES = 10_000_000
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# After this long a process has begun well, and its next end is the first again.
_STEADY_SECONDS = 60.0


class Process:
    def __init__(self, name: str, argv: list[str], environment: dict[str, str], folder: Path, cwd: str) -> None:
        self.name, self._argv, self._environment, self._cwd = name, argv, environment, cwd
        self._log_path = folder / f"{name}.log"
        self._log = self._log_path.open("ab")
        self.child: subprocess.Popen[bytes] | None = None
        self.reason, self.restarts, self.pause = "", 0, _FIRST_PAUSE
        self.started_at = 0.0
        # When it is to be started again; None while it runs or is not to.
        self.due: float | None = None
        self._lines = LineBuffer()

    def start(self) -> IO[bytes] | None:
        """What it prints comes there; None if it can't be started."""
        self.due, self.started_at = None, time.monotonic()
        try:
            self.child = subprocess.Popen(
                self._argv,
                env=self._environment,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
            )
            self.reason = ""
            return self.child.stdout
        except OSError as error:
            self.child, self.reason = None, f"it can't be started: {error.strerror}"
            self.write(self.reason.encode())
            return None

    def read(self, output: IO[bytes]) -> bool:
        """Take what it printed; False at the end, which comes before or after that of the process."""
        chunk = os.read(output.fileno(), 65536)
        for line in self._lines.feed(chunk) if chunk else self._lines.flush():
            self.write(line)
        return bool(chunk)

    def write(self, line: bytes) -> None:
        moment = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}Z"
        with contextlib.suppress(OSError):  # a full disk must not end the app
            self._log.write(stamp.encode() + b" " + line + b"\n")
            self._log.flush()
            if self._log.tell() > _LOG_BYTES:
                self._log.close()
                self._log_path.replace(self._log_path.with_suffix(".log.1"))
                self._log = self._log_path.open("ab")

    def ask_to_end(self) -> None:
        """The sandbox around it would end at once, and take it along: that one is not told."""
        if self.child is not None:
            for pid in (self.child.pid, *descendants(self.child.pid)):
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{pid}/comm").read_text().strip() != "bwrap":
                        os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)


def descendants(pid: int) -> Iterator[int]:
    """All that a process started, and they in turn."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from descendants(int(child))


class Supervisor:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        spec: dict[str, Any] = json.loads((folder / "spec.json").read_text())
        self._news, self._deployment = spec["news"], folder.name
        self._settled: bool = spec["settled"]
        self._stop_seconds: float = spec["stopSeconds"]
        self._processes = [
            Process(name, made["argv"], made["environment"], folder, spec["cwd"])
            for name, made in spec["processes"].items()
        ]
        self._selector = selectors.DefaultSelector()
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._ending_until: float | None = None

    def begin(self) -> None:
        for process in self._processes:
            self._start(process)
        self._save()

    def run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._timeout()):
                if key.fd == self._wake:
                    for number in os.read(self._wake, 4096):
                        self._signalled(number)
                    continue
                process, output = key.data
                if not process.read(output):
                    self._selector.unregister(output)
                    output.close()
            self._look_after()
            if self._ending_until is not None and not self._alive():
                return

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._settled = True
            # One that ended a moment before.
            for process in self._processes:
                if process.child is None and process.due is None and self._ending_until is None:
                    self._plan(process)
        elif number == signal.SIGTERM and self._ending_until is None:
            self._ending_until = time.monotonic() + self._stop_seconds
            for process in self._processes:
                process.ask_to_end()

    def _look_after(self) -> None:
        moment, changed = time.monotonic(), False
        for process in self._processes:
            if process.child is not None and (code := process.child.poll()) is not None:
                self._ended(process, code)
                changed = True
            if process.due is not None and process.due <= moment and self._ending_until is None:
                process.restarts += 1
                self._start(process)
                changed = True
        if self._ending_until is not None and moment >= self._ending_until:
            for process in self._processes:
                process.kill()
        if changed:
            self._save()

    def _start(self, process: Process) -> None:
        output = process.start()
        if output is not None:
            self._selector.register(output, selectors.EVENT_READ, (process, output))
            self._tell()
        elif self._settled:
            self._plan(process)

    def _ended(self, process: Process, code: int) -> None:
        # What it started ends with it.
        process.kill()
        process.child = None
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        is_main = len(self._processes) == 1 or process.name == "main"
        process.reason = f"{'it' if is_main else 'one of its processes'} {ended}"
        if self._ending_until is None:
            self._tell(process.reason, "" if is_main else process.name)
            if self._settled:
                self._plan(process)

    def _plan(self, process: Process) -> None:
        if time.monotonic() - process.started_at > _STEADY_SECONDS:
            process.pause = _FIRST_PAUSE
        process.due = time.monotonic() + process.pause
        process.pause = min(process.pause * 2, _LONGEST_PAUSE)

    def _timeout(self) -> float | None:
        moments = [process.due for process in self._processes if process.due is not None]
        if self._ending_until is not None:
            moments = [self._ending_until]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _alive(self) -> bool:
        return any(process.child is not None for process in self._processes)

    def _save(self) -> None:
        state = {
            "processes": {
                process.name: {
                    "running": process.child is not None,
                    "reason": process.reason,
                    "restarts": process.restarts,
                }
                for process in self._processes
            },
        }
        path = self._folder / "state.json"
        with contextlib.suppress(OSError):
            path.with_suffix(".new").write_text(json.dumps(state))
            path.with_suffix(".new").replace(path)

    def _tell(self, fault: str = "", process: str = "") -> None:
        """process: which one, if it has a name of its own; the repository may have given it."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            # By way of the folder: a socket's path must be short.
            folder = os.open(self._news, os.O_RDONLY | os.O_DIRECTORY)
            try:
                message = json.dumps({"deployment": self._deployment, "fault": fault, "process": process}).encode()
                line.sendto(message, f"/proc/self/fd/{folder}/{NEWS}")
            finally:
                os.close(folder)


def main() -> None:
    """Returns when the release is being looked after, by a process that nobody has to wait for."""
    folder = Path(sys.argv[1])
    os.umask(0o077)
    ready, begun = os.pipe()
    if os.fork():
        os.close(begun)
        os.read(ready, 1)
        os._exit(0)
    os.close(ready)
    os.setsid()
    log = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, ours in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, ours)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Of the kind that says whose it is.
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # another one looks after it
    supervisor = Supervisor(folder)
    supervisor.begin()
    os.close(begun)
    supervisor.run()


if __name__ == "__main__":
    main()
