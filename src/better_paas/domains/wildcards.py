"""One certificate for all apps below APPS_DOMAIN, where a Cloudflare token lets us prove that the domain is ours."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import structlog

from better_paas.acme.authority import Authority, NoCertificate, TextRecord
from better_paas.cloudflare.client import Cloudflare, CloudflareFailed
from better_paas.domains.certificates import Found, read_certificate
from better_paas.domains.render import Certificate
from better_paas.kit.clock import now
from better_paas.kit.files import write_atomically

_LOOK_SECONDS = 6 * 3600.0
_RETRY_SECONDS = 600.0
_RECORD_SECONDS = 60
_log = structlog.get_logger(__name__)


class Wildcard:
    """`problem` says why there is no certificate, for people; empty while there is one or none is wanted."""

    def __init__(
        self,
        domain: str,
        folder: Path,
        authority: Authority,
        access: Callable[[], Awaitable[Cloudflare | None]],
        changed: Callable[[], Awaitable[None]],
        spread_seconds: float,
    ) -> None:
        """domain: empty for none. access: to the DNS, or None without a token. changed: after a new certificate.

        spread_seconds: until a new record is known to all of the zone's servers.
        """
        self._domain, self._folder, self._authority = domain, folder, authority
        self._access, self._changed, self._spread_seconds = access, changed, spread_seconds
        self._wake = asyncio.Event()
        self.problem = ""

    def wake(self) -> None:
        """Look now: a token has come."""
        self._wake.set()

    def certificates(self) -> tuple[Certificate, ...]:
        """What the ingress is to serve besides its own."""
        newest = self._newest()
        if newest is None or self.found() is None:
            return ()
        return (Certificate(f"*.{self._domain}", str(newest), str(newest.with_suffix(".key"))),)

    def found(self) -> Found | None:
        """None too if it has expired: the ingress gets one for each name then."""
        newest = self._newest()
        found = read_certificate(newest) if newest is not None else None
        return found if found is not None and now() < found.expires_at else None

    def for_host(self, host: str) -> Found | None:
        """The certificate, if it is one for this host too."""
        return self.found() if self._covers(host) else None

    def _covers(self, host: str) -> bool:
        return bool(self._domain) and host.partition(".")[2] == self._domain

    def _newest(self) -> Path | None:
        return max(self._folder.glob("wildcard-*.crt"), default=None) if self._domain else None

    async def keep(self) -> None:
        """Fetch and renew, for as long as the server runs. Never returns."""
        while self._domain:
            pause = _LOOK_SECONDS
            try:
                await self._renew_if_due()
            except (NoCertificate, CloudflareFailed) as error:
                self.problem, pause = str(error), _RETRY_SECONDS
                _log.error("there is no wildcard certificate", domain=self._domain, reason=self.problem)
            except Exception:
                pause = _RETRY_SECONDS
                _log.exception("the wildcard certificate could not be looked after")
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def _fetch(self, text_record: TextRecord) -> tuple[bytes, bytes]:
        from better_paas.acme.wildcard import fetch  # 15 MB that most installations never need

        return fetch(self._domain, self._authority, self._folder / "account.key", text_record)

    async def _renew_if_due(self) -> None:
        found = self.found()
        if found is not None and now() < found.due_at:
            self.problem = ""
            return
        if found is None and self._newest() is not None:
            await self._changed()  # it has expired
        cloudflare = await self._access()
        if cloudflare is None:
            self.problem = "it is to be renewed, and there is no token for the DNS any more" if self._newest() else ""
            return
        loop = asyncio.get_running_loop()

        def in_loop(coroutine: Awaitable[bool | None]) -> None:
            asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, _RECORD_SECONDS), loop).result()

        @contextlib.contextmanager
        def text_record(name: str, text: str) -> Iterator[None]:
            """The event loop makes the record, while the thread that asks for it waits."""
            record = cloudflare.text_record(name, text)
            try:
                in_loop(record.__aenter__())
            except TimeoutError:
                raise NoCertificate("the DNS record could not be made in time") from None
            try:
                time.sleep(self._spread_seconds)
                yield
            finally:
                with contextlib.suppress(Exception):  # a leftover does no harm
                    in_loop(record.__aexit__(None, None, None))

        chain, key = await asyncio.to_thread(self._fetch, text_record)
        # A name of its own for each: the ingress loads what has a new name.
        file = self._folder / f"wildcard-{now():%Y%m%d%H%M%S}.crt"
        write_atomically(file.with_suffix(".key"), key.decode())
        write_atomically(file, chain.decode())
        self.problem = ""
        await self._changed()
        # The one before stays: the ingress may not have taken the new one, and begins with what it took last.
        for old in sorted(self._folder.glob("wildcard-*.crt"))[:-2]:
            old.unlink()
            old.with_suffix(".key").unlink(missing_ok=True)
