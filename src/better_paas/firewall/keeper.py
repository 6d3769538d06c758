"""Keeps the rules in the machine's packet filter: put in at start, and again whenever the engine's networks change."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from better_paas.firewall.rules import Entry, Network, Opening, Reach, Wanted, changes, entries, is_there
from better_paas.kit.subprocess import ProgramFailed, run

_SECONDS = 20
_AGAIN_SECONDS = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class BridgeNetwork:
    """A network of the engine. instance: the installation that it was made for; is_default: where builds run."""

    instance: str
    is_default: bool
    subnets: tuple[Network, ...]


class Networks(Protocol):
    """What there is in the engine, and word of each change of it."""

    async def bridges(self) -> list[BridgeNetwork]: ...

    def events(self) -> AsyncIterator[None]: ...


async def _no_reaches() -> Sequence[Reach]:
    return ()


@dataclass
class Firewall:
    """problem: why apps and builds are not kept from this machine and its cloud, for people; empty while they are."""

    networks: Networks
    instance: str
    home: Path
    app_networks: Network
    ports: tuple[int, ...]
    openings: Sequence[Opening]
    # What keeps this server from setting rules at all; empty if nothing does.
    unusable: str = ""
    problem: str = "the rules are not in place yet"
    # What single apps may reach, as it is now.
    reaches: Callable[[], Awaitable[Sequence[Reach]]] = _no_reaches
    # Held while the rules are made and put in: else those that were made first could come last.
    alone: Callable[[], contextlib.AbstractAsyncContextManager[None]] = contextlib.nullcontext

    def __post_init__(self) -> None:
        self.problem = self.unusable or self.problem

    async def keep(self) -> None:
        """An engine that starts anew ends the events; then all of it is looked at again. Never returns: it is not for
        where rules can't be set."""
        while True:
            await self.ensure()
            with contextlib.suppress(Exception):  # the engine is away: `ensure` says so
                async for _ in self.networks.events():
                    await self.ensure()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def ensure(self) -> None:
        """Put in what is missing. What keeps it from that is in `problem`."""
        self.problem = await self._ensure()

    async def _ensure(self) -> str:
        if self.unusable:
            return self.unusable
        try:
            async with self.alone():
                wanted = await self._wanted()
                for version in sorted({network.version for network in wanted.sources}):
                    await _bring(wanted, version)
        except ProgramFailed as error:
            return self._tell(f"{error} {error.output.strip()[:200]}".strip())
        except Exception as error:
            return self._tell(str(error) or type(error).__name__)
        return ""

    def _tell(self, problem: str) -> str:
        if problem != self.problem:
            _log.warning("apps and builds are not kept from this machine's network", reason=problem)
        return problem

    async def _wanted(self) -> Wanted:
        found = await self.networks.bridges()
        apart: list[Network] = [self.app_networks]
        shared: list[Network] = []
        others: list[Network] = []
        for network in found:
            if network.is_default:
                shared += network.subnets
            elif network.instance == self.instance:
                apart += [subnet for subnet in network.subnets if not _within(subnet, self.app_networks)]
            else:
                others += [subnet for subnet in network.subnets if _within(subnet, self.app_networks)]
        return Wanted(
            self.instance,
            str(self.home),
            _ordered(apart + shared),
            _ordered(others),
            self.ports,
            tuple(self.openings),
            _ordered(apart),
            tuple(await self.reaches()),
        )


def _within(subnet: Network, whole: Network) -> bool:
    return subnet.version == whole.version and subnet.subnet_of(whole)  # type: ignore[arg-type]


def _ordered(found: list[Network]) -> tuple[Network, ...]:
    return tuple(sorted(set(found), key=str))


async def _bring(wanted: Wanted, version: int) -> None:
    """Errors: ProgramFailed."""
    program = await _program(version)
    saved = await _saved(program)
    gone = [entry for entry in entries(saved) if _is_gone(entry)]
    if not gone and is_there(saved, wanted, version):
        return
    text = changes(saved, wanted, version, gone)
    await run([f"{program}-restore", "--noflush", "--wait"], stdin=text.encode(), timeout=_SECONDS)


async def _program(version: int) -> str:
    """The one of this machine's two packet filters that the engine uses: there may be tools for the other one too."""
    plain = "iptables" if version == 4 else "ip6tables"
    known = [name for name in (plain, f"{plain}-nft", f"{plain}-legacy") if shutil.which(f"{name}-save")]
    if not known:
        raise ProgramFailed(plain, None, "", "it is not installed")
    for name in known:
        if ":DOCKER-USER " in await _saved(name):
            return name
    return known[0]


async def _saved(program: str) -> str:
    return (await run([f"{program}-save", "-t", "filter"], timeout=_SECONDS)).stdout


def _is_gone(entry: Entry) -> bool:
    """Whether the installation of these rules is no more: its data directory is away, or another's."""
    if not entry.home:
        return False
    try:
        return Path(entry.home, "instance_id").read_text().strip() != entry.chain[-12:]
    except FileNotFoundError:
        return True
    except OSError:
        return False


def unusable(docker_host: str | None) -> str:
    """Why rules can't be set from here, for people; empty if they can."""
    if docker_host and not docker_host.startswith("unix:"):
        return "the engine is on another machine, whose packet filter can't be reached from here"
    if os.geteuid() != 0:
        return "the server does not run as root, who alone may set rules"
    return ""
