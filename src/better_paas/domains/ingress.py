"""Keeps the ingress in step with the state: route files for cutovers, the configuration for names."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from better_paas.caddy.process import Caddy, CaddyFailed
from better_paas.domains.render import (
    HOLD_FILE,
    Certificate,
    IngressSettings,
    Site,
    has_https,
    nobody_address,
    render,
    stopped_address,
    waiting_address,
    without_https,
    worker_address,
)
from better_paas.kit.files import file_lock, write_atomically

_log = structlog.get_logger(__name__)


class Ingress:
    """One Caddy. `problem` says in words why it does not serve; empty means that it does."""

    def __init__(
        self,
        settings: IngressSettings,
        sites: Callable[[], Awaitable[list[Site]]],
        certificates: Callable[[], Sequence[Certificate]] = tuple,
    ) -> None:
        """certificates: those that were got by other means than the ingress's own, at each loading."""
        self._settings, self._sites, self._certificates = settings, sites, certificates
        self._caddy = Caddy(settings.folder, self._changed)
        self._lock = asyncio.Lock()
        # Calls of `apply` that have come, and those of them that are served.
        self._asked = self._told = 0
        self._loaded: dict[str, Any] | None = None
        self._serving: set[str] = set()
        self._catching_up: asyncio.Future[None] | None = None
        self.problem = "it has not started yet"

    async def start(self) -> None:
        """Start or adopt Caddy. A failure is kept in `problem`: the control plane comes up all the same."""
        self._settings.routes.mkdir(mode=0o700, parents=True, exist_ok=True)
        sites = await self._sites()
        try:
            if await self._start(sites):
                await self.apply()
        except CaddyFailed as error:
            self.problem = str(error)
            _log.error("the ingress does not serve all that it should", reason=self.problem)
            if not self._caddy.running:
                self._caddy.keep_trying()

    async def _start(self, sites: list[Site]) -> bool:
        """True if a running one was adopted. A taken HTTPS port does not keep the HTTP sites down."""
        try:
            adopted = await self._caddy.start(render(sites, self._settings, self._certificates()))
            self.problem = ""
        except CaddyFailed as error:
            if not has_https(sites, self._settings):
                raise
            adopted = await self._caddy.start(render(*without_https(sites, self._settings)))
            self.problem = f"HTTPS is not served: {error}"
        self._serving = {site.app_id for site in sites}
        # One that was adopted runs what was last given to it: the same again needs no load.
        self._loaded = None if self.problem else self._caddy.remembered()
        return adopted

    async def apply(self) -> None:
        """Load the configuration if the names have changed. Errors: CaddyFailed; what ran before goes on.

        If only HTTPS can't be served, the rest is loaded and `problem` says so. Callers that come while one is loaded
        share the next one: it sees what all of them have stored.
        """
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._told >= mine:
                return
            seen = self._asked
            await self._apply()
            self._told = seen

    async def _apply(self) -> None:
        async with file_lock(self._settings.folder / "apply.lock"):
            sites = await self._sites()
            config = render(sites, self._settings, self._certificates())
            # Another process may have loaded one since.
            if self._loaded is not None and config == self._caddy.remembered():
                return
            if not self._caddy.running:
                raise CaddyFailed(self.problem)
            try:
                await self._caddy.load(config)
                self.problem, self._loaded = "", config
            except CaddyFailed as error:
                if not has_https(sites, self._settings):
                    raise
                await self._caddy.load(render(*without_https(sites, self._settings)))
                self.problem, self._loaded = f"HTTPS is not served: {error}", None
            self._serving = {site.app_id for site in sites}

    def serves(self, app_id: str) -> bool:
        """Whether the running configuration has the app, so that its route file is all that counts."""
        return app_id in self._serving

    def point(self, app_id: str, host_port: int) -> None:
        """The cutover: from the next request on `app_id` is served at this port. Held requests go there too."""
        self._write(app_id, f"127.0.0.1:{host_port}")

    def hold(self, app_id: str) -> None:
        """From now on the app's requests wait, until it is pointed somewhere or HOLD_SECONDS are over."""
        write_atomically(self._hold_file(app_id), "")
        self._write(app_id, nobody_address(self._settings.folder), keep_hold=True)

    def point_to_worker(self, app_id: str) -> None:
        self._write(app_id, worker_address(self._settings.folder))

    def point_to_stopped(self, app_id: str) -> None:
        self._write(app_id, stopped_address(self._settings.folder))

    def point_to_waiting(self, app_id: str) -> None:
        self._write(app_id, waiting_address(self._settings.folder))

    def forget(self, app_id: str) -> None:
        """Remove the route file, after the configuration no longer names it."""
        shutil.rmtree(self._route(app_id).parent, ignore_errors=True)

    def forget_unknown(self, app_ids: set[str]) -> None:
        """Remove route files of apps that are gone."""
        for folder in self._settings.routes.iterdir():
            if folder.name not in app_ids:
                self.forget(folder.name)

    async def detach(self) -> None:
        await self._caddy.detach()

    async def _catch_up(self) -> None:
        try:
            await self.apply()
        except CaddyFailed as error:
            self.problem = str(error)

    def _write(self, app_id: str, address: str, keep_hold: bool = False) -> None:
        hold_file = self._hold_file(app_id)
        write_atomically(self._route(app_id), address)
        if not keep_hold:
            hold_file.unlink(missing_ok=True)

    def _hold_file(self, app_id: str) -> Path:
        folder = self._route(app_id).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / HOLD_FILE

    def _route(self, app_id: str) -> Path:
        return self._settings.routes / app_id / "0"

    def _changed(self, running: bool) -> None:
        self.problem = "" if running else "it ended and is being started again"
        if running:
            # It came back with the last configuration; what changed meanwhile is still to be told, and what could not
            # be served then is tried again.
            if self._loaded is not None:
                self._loaded = self._caddy.remembered()
            self._catching_up = asyncio.ensure_future(self._catch_up())
        (_log.info if running else _log.warning)("ingress", running=running, pid=self._caddy.pid())
