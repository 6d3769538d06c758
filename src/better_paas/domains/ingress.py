"""Keeps the ingress in step with the state: route files for cutovers, the configuration for names."""

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from better_paas.caddy.process import Caddy, CaddyFailed, CaddySilent
from better_paas.domains.claims import Claim, left_out, settle, sites_of
from better_paas.domains.render import (
    HOLD_FILE,
    HTTP2_FILE,
    Certificate,
    IngressSettings,
    Name,
    Site,
    has_https,
    nobody_address,
    render,
    stopped_address,
    waiting_address,
    without_https,
    worker_address,
)
from better_paas.domains.sieve import sift
from better_paas.domains.unserved import Reason, Unserved, UnservedNames
from better_paas.kit.files import file_lock, write_atomically
from better_paas.kit.supervision import Problem
from better_paas.runtime.probe import Speaks

_AGAIN_SECONDS = 10.0
# What is not served, such as HTTPS while another program has its port, is tried again that often.
_RETRY_SECONDS = 60.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Way:
    """How sites are served. problem: what is missing in it; empty for nothing."""

    settings: IngressSettings
    certificates: Sequence[Certificate]
    https: bool = True
    problem: str = ""

    def config(self, sites: list[Site]) -> dict[str, Any]:
        if self.https:
            return render(sites, self.settings, self.certificates)
        return render(*without_https(sites, self.settings))


class Ingress:
    """One Caddy. `problem` says in words why it does not serve; empty means that it does.

    A name that can't be served is left out, with all others served; `unserved` is told of it.
    """

    problem = Problem()

    def __init__(
        self,
        settings: IngressSettings,
        sites: Callable[[], Awaitable[list[Site]]],
        certificates: Callable[[], Sequence[Certificate]],
        unserved: UnservedNames,
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """certificates: those that were got by other means than the ingress's own, at each loading.

        changed: told of the apps of which other names are served than before.
        """
        self._settings, self._sites, self._certificates = settings, sites, certificates
        self._unserved = unserved
        self._tell = changed
        self._caddy = Caddy(settings.folder, self._changed)
        self._lock = asyncio.Lock()
        # The loading that is yet to begin: whoever comes meanwhile shares it.
        self._next: asyncio.Future[None] | None = None
        self._serving: set[str] = set()
        # Keys of the names that were served last.
        self._trusted: frozenset[str] = frozenset()
        self._catching_up: asyncio.Task[None] | None = None
        # While it does not answer, it is not asked before this.
        self._again: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.problem = "it has not started yet"

    async def start(self) -> None:
        """Start or adopt Caddy. A failure is kept in `problem`: the control plane comes up all the same."""
        try:
            self._settings.routes.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._caddy.start(render([], replace(self._settings, own_name=None)))
            await self.apply()
        except (CaddyFailed, OSError) as error:
            self.problem = str(error)
            _log.error("the ingress does not serve all that it should", reason=self.problem)
            if not self._caddy.running:
                self._caddy.keep_trying()

    async def apply(self) -> None:
        """Load the configuration if the names have changed. Errors: CaddyFailed; what ran before goes on.

        If only HTTPS can't be served, the rest is loaded and `problem` says so. Callers that come while one is loaded
        share the next one, and what comes of it: it sees what all of them have stored.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._round())
        await asyncio.shield(self._next)

    async def _round(self) -> None:
        async with self._lock:
            self._next = None
            try:
                async with file_lock(self._settings.folder / "apply.lock"):
                    await self._apply()
            except OSError as error:  # such as a full disk
                self._fail(told := CaddySilent(f"its files can't be written: {error.strerror or error}"))
                raise told from error
            except CaddyFailed as error:
                self._fail(error)
                raise
            finally:
                self._retry_what_is_missing()

    def _retry_what_is_missing(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self.problem and self._again is None:
            self._retry = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._begin_to_catch_up)

    def _fail(self, error: CaddyFailed) -> None:
        self.problem = str(error)
        if isinstance(error, CaddySilent) and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._ask_again)

    async def _apply(self) -> None:
        if self._again is not None:
            raise CaddySilent(self.problem)
        claims, unserved = settle(await self._sites(), self._settings.own_name.host if self._settings.own_name else "")
        refused = self._unserved.refused()
        offered = [claim for claim in claims if claim.key not in refused]
        unserved += [left_out(claim, Reason.REFUSED) for claim in claims if claim.key in refused]
        way = _Way(self._settings, self._certificates())
        if way.config(sites_of(offered)) == self._caddy.remembered() and not self.problem:
            self._note(offered, unserved)
            return
        if not self._caddy.running:
            raise CaddyFailed(self.problem)
        try:
            await self._caddy.load(way.config(sites_of(offered)))
            self.problem = ""
        except CaddySilent:
            raise
        except CaddyFailed as error:
            offered, found = await self._load_what_can_be(offered, way, error)
            unserved += found
        self._note(offered, unserved)

    async def _load_what_can_be(
        self, claims: list[Claim], way: _Way, error: CaddyFailed
    ) -> tuple[list[Claim], list[Unserved]]:
        """After a refusal: (what is served now, the names at fault). Errors: CaddyFailed if nothing can be changed."""
        ways = [way]
        if way.certificates:
            ways.append(replace(way, certificates=(), problem=f"the wildcard certificate is not served: {error}"))
        if has_https(sites_of(claims), way.settings):
            ways.append(replace(way, certificates=(), https=False, problem=f"HTTPS is not served: {error}"))
        for number, chosen in enumerate(ways):
            if await self._caddy.refuses(chosen.config(_harmless(claims, chosen))):
                continue  # this is not about any app's name
            kept, refused = await self._sift(claims, chosen)
            if not refused and number == 0 and len(ways) > 1:
                continue  # nothing that is said is wrong: it lacks something, such as a port
            try:
                await self._caddy.load(chosen.config(sites_of(kept)))
            except CaddySilent:
                raise
            except CaddyFailed as failed:
                error = failed
                continue
            self.problem = chosen.problem
            return kept, [left_out(claim, Reason.REFUSED) for claim in refused]
        raise error

    async def _sift(self, claims: list[Claim], way: _Way) -> tuple[list[Claim], list[Claim]]:
        trusted = [claim for claim in claims if claim.key in self._trusted]
        others = [claim for claim in claims if claim.key not in self._trusted]

        async def refuses(sites: list[Site]) -> bool:
            said = await self._caddy.refuses(way.config(sites))
            if said and sum(len(site.names) for site in sites) == 1:
                _log.warning(
                    "the ingress refuses a name", app=sites[0].app_id, name=sites[0].names[0].host, reason=said
                )
            return bool(said)

        return await sift(trusted, others, refuses)

    def _note(self, served: list[Claim], unserved: list[Unserved]) -> None:
        """What the running configuration has, and what not."""
        self._serving = {claim.site.app_id for claim in served}
        self._trusted = frozenset(claim.key for claim in served)
        for app_id in self._unserved.replace(unserved):
            self._tell(app_id)

    def serves(self, app_id: str) -> bool:
        """Whether the running configuration has the app, so that its route file is all that counts."""
        return app_id in self._serving

    def point(self, app_id: str, host_port: int, speaks: Speaks = Speaks.HTTP) -> None:
        """The cutover: from the next request on `app_id` is served at this port. Held requests go there too.

        One that speaks HTTP/2 alone has to be in the configuration as such.
        """
        address = f"127.0.0.1:{host_port}"
        if speaks is Speaks.HTTP2:
            write_atomically(self._http2_file(app_id), address)
            self._hold_file(app_id).unlink(missing_ok=True)
        else:
            self._write(app_id, address)

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

    async def detach(self) -> None:
        for timer in (self._again, self._retry):
            if timer is not None:
                timer.cancel()
        if self._catching_up is not None:
            self._catching_up.cancel()
        await self._caddy.detach()

    def _ask_again(self) -> None:
        self._again = None
        self._begin_to_catch_up()

    def _begin_to_catch_up(self) -> None:
        self._catching_up = asyncio.ensure_future(self._catch_up())

    async def _catch_up(self) -> None:
        with contextlib.suppress(CaddyFailed):  # `problem` has it
            await self.apply()

    def _write(self, app_id: str, address: str, keep_hold: bool = False) -> None:
        hold_file = self._hold_file(app_id)
        write_atomically(self._route(app_id), address)
        self._http2_file(app_id).unlink(missing_ok=True)
        if not keep_hold:
            hold_file.unlink(missing_ok=True)

    def _hold_file(self, app_id: str) -> Path:
        folder = self._route(app_id).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / HOLD_FILE

    def _http2_file(self, app_id: str) -> Path:
        """While it is there it is what counts."""
        return self._hold_file(app_id).with_name(HTTP2_FILE)

    def _route(self, app_id: str) -> Path:
        return self._settings.routes / app_id / "0"

    def _changed(self, running: bool) -> None:
        self.problem = "" if running else "it ended and is being started again"
        if running:
            # It came back with the last configuration that it took; what changed meanwhile is still to be told, and
            # what could not be served then is tried again.
            self._begin_to_catch_up()
        (_log.info if running else _log.warning)("ingress", running=running, pid=self._caddy.pid())


def _harmless(claims: list[Claim], way: _Way) -> list[Site]:
    """A site at which nothing can be wrong: what is refused with it is at fault itself."""
    https = way.https and any(claim.name.https for claim in claims)
    # Certificates are loaded for names that they cover.
    hosts = ["harmless.example", *(found.pattern.replace("*", "harmless") for found in way.certificates)]
    return [Site("harmless", tuple(Name(host, https) for host in dict.fromkeys(hosts)))]
