"""All agents in memory: what the check of a token looks at. Pure; the clock comes as an argument.

The process that owns the database is the only one that changes agents, so what it holds here is the truth: it is
loaded at start and replaced when a change is on disk, before the answer to that change is sent.
"""

import hmac
import ipaddress
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from better_paas.agents.models import Agent
from better_paas.agents.token import Parsed
from better_paas.kit.signals import Signal
from better_paas.policy import Action

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_DEEPEST = 5
_HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Grant:
    """What one token allows by itself, without its parents."""

    id: str
    name: str
    scopes: frozenset[str]
    all_resources: bool
    project_ids: frozenset[str]
    app_ids: frozenset[str]
    expires_at: datetime | None
    networks: tuple[Network, ...]
    rate_per_minute: int
    deploys_per_hour: int | None
    require_approval: str
    parent_id: str | None
    digest: str
    previous_digest: str
    previous_until: datetime | None
    suspended: bool

    @classmethod
    def of(cls, agent: Agent) -> "Grant":
        return cls(
            id=agent.id,
            name=agent.name,
            scopes=frozenset(agent.scopes),
            all_resources=agent.all_resources,
            project_ids=frozenset(agent.project_ids),
            app_ids=frozenset(agent.app_ids),
            expires_at=agent.expires_at,
            networks=tuple(ipaddress.ip_network(text) for text in agent.addresses),
            rate_per_minute=agent.rate_per_minute,
            deploys_per_hour=agent.deploys_per_hour,
            require_approval=agent.require_approval,
            parent_id=agent.parent_id,
            digest=agent.digest,
            previous_digest=agent.previous_digest,
            previous_until=agent.previous_until,
            suspended=agent.suspended_at is not None,
        )

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at

    def sees_app(self, app_id: str, project_id: str) -> bool:
        return self.all_resources or app_id in self.app_ids or project_id in self.project_ids

    def sees_project(self, project_id: str) -> bool:
        return self.all_resources or project_id in self.project_ids

    def admits(self, address: str) -> bool:
        """Whether the token may be used from here."""
        if not self.networks:
            return True
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.networks if network.version == found.version)


@dataclass(frozen=True)
class EffectiveGrant:
    """A token's grant with those of its parents: what is allowed is what all of them allow."""

    chain: tuple[Grant, ...]

    @property
    def own(self) -> Grant:
        return self.chain[0]

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset.intersection(*(grant.scopes for grant in self.chain))

    @property
    def all_resources(self) -> bool:
        return all(grant.all_resources for grant in self.chain)

    def allows(self, action: Action) -> bool:
        return action.allows(self.scopes)

    def sees_app(self, app_id: str, project_id: str) -> bool:
        return all(grant.sees_app(app_id, project_id) for grant in self.chain)

    def sees_project(self, project_id: str) -> bool:
        return all(grant.sees_project(project_id) for grant in self.chain)

    def admits(self, address: str) -> bool:
        return all(grant.admits(address) for grant in self.chain)

    @property
    def suspended(self) -> bool:
        return any(grant.suspended for grant in self.chain)

    def wants_approval(self, action: Action, *, takes_away: bool = False) -> bool:
        """Whether a person is asked before this is done. takes_away: a change that removes something."""
        if not action.mutates:
            return False
        wishes = {grant.require_approval for grant in self.chain}
        destructive = takes_away or action.risk in ("destructive", "host")
        return action.approval or "all" in wishes or ("destructive" in wishes and destructive)


@dataclass
class Usage:
    """What has not been written yet."""

    count: int = 0
    at: datetime | None = None
    address: str = ""


@dataclass
class _Meter:
    """A bucket that fills by the second."""

    level: float
    at: float


@dataclass
class Registry:
    """Every agent, and what its use has come to in this process.

    changed: fires when any of them may have come to allow something else.
    """

    frozen: bool = False
    changed: Signal = field(default_factory=Signal)
    _grants: dict[str, Grant] = field(default_factory=dict)
    _meters: dict[str, _Meter] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    _deployments: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _trouble: defaultdict[tuple[str, str], deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def load(self, agents: Iterable[Agent], frozen: bool) -> None:
        self.frozen = frozen
        self._grants = {agent.id: Grant.of(agent) for agent in agents}
        self.changed.fire()

    def freeze(self, frozen: bool) -> None:
        self.frozen = frozen
        self.changed.fire()

    def put(self, grant: Grant) -> None:
        self._grants[grant.id] = grant
        self.changed.fire()

    def remove(self, agent_ids: Iterable[str]) -> None:
        for agent_id in agent_ids:
            self._grants.pop(agent_id, None)
            self._meters.pop(agent_id, None)
            self._deployments.pop(agent_id, None)
            self.usage.pop(agent_id, None)
            self.forget_trouble(agent_id)
        self.changed.fire()

    def get(self, agent_id: str, now: datetime) -> EffectiveGrant | None:
        """The agent as it may be used now, or None: unknown or expired, itself or one of its parents."""
        chain: list[Grant] = []
        wanted: str | None = agent_id
        while wanted is not None:
            grant = self._grants.get(wanted)
            if grant is None or grant.expired(now) or len(chain) >= _DEEPEST:
                return None
            chain.append(grant)
            wanted = grant.parent_id
        return EffectiveGrant(tuple(chain))

    def check(self, parsed: Parsed, now: datetime) -> tuple[EffectiveGrant, bool] | None:
        """The holder of a token, and whether it is the one from before a rotation. None: not valid."""
        grant = self._grants.get(parsed.id)
        # A digest is compared also where there is no agent, so that the time says nothing.
        current = hmac.compare_digest(parsed.digest, grant.digest if grant else "0" * 64)
        if grant is None:
            return None
        old = False
        if not current and grant.previous_digest and grant.previous_until and now < grant.previous_until:
            old = hmac.compare_digest(parsed.digest, grant.previous_digest)
        if not current and not old:
            return None
        holder = self.get(parsed.id, now)
        return (holder, old) if holder is not None else None

    def take(self, grant: Grant, moment: float | None = None) -> float:
        """Count a call. 0: go on; else the seconds to wait until there is room for the next."""
        moment = time.monotonic() if moment is None else moment
        each_second = grant.rate_per_minute / 60
        meter = self._meters.setdefault(grant.id, _Meter(float(grant.rate_per_minute), moment))
        meter.level = min(grant.rate_per_minute, meter.level + (moment - meter.at) * each_second)
        meter.at = moment
        if meter.level < 1:
            return (1 - meter.level) / each_second
        meter.level -= 1
        return 0.0

    def take_deployment(self, holder: EffectiveGrant, moment: float | None = None) -> Grant | None:
        """Count a deployment against every budget of the chain, or give the grant whose budget is used up."""
        moment = time.monotonic() if moment is None else moment
        for grant in holder.chain:
            if grant.deploys_per_hour is not None and self.deploys_left(grant, moment) == 0:
                return grant
        for grant in holder.chain:
            if grant.deploys_per_hour is not None:
                self._deployments[grant.id].append(moment)
        return None

    def recall_deployment(self, agent_id: str, moment: float) -> None:
        """Count one from before this process began. moment: on the monotonic clock."""
        for grant in self._chain(agent_id):
            if grant.deploys_per_hour is not None:
                self._deployments[grant.id].append(moment)

    def _chain(self, agent_id: str) -> Iterator[Grant]:
        grant = self._grants.get(agent_id)
        while grant is not None:
            yield grant
            grant = self._grants.get(grant.parent_id or "")

    def deploys_left(self, grant: Grant, moment: float | None = None) -> int | None:
        """Deployments that this grant has left in the hour; None for no limit."""
        if grant.deploys_per_hour is None:
            return None
        moment = time.monotonic() if moment is None else moment
        times = self._deployments[grant.id]
        while times and moment - times[0] > _HOUR_SECONDS:
            times.popleft()
        return max(0, grant.deploys_per_hour - len(times))

    def calls_left(self, grant: Grant) -> int:
        meter = self._meters.get(grant.id)
        return grant.rate_per_minute if meter is None else int(meter.level)

    def note_use(self, agent_id: str, address: str, now: datetime) -> None:
        usage = self.usage.setdefault(agent_id, Usage())
        usage.count, usage.at, usage.address = usage.count + 1, now, address

    def take_usage(self) -> dict[str, Usage]:
        taken, self.usage = self.usage, {}
        return taken

    def trouble(self, agent_id: str, kind: str, window: timedelta, moment: float | None = None) -> int:
        """Count a denial or a destructive call; how many there were within the window."""
        moment = time.monotonic() if moment is None else moment
        times = self._trouble[agent_id, kind]
        times.append(moment)
        while times and moment - times[0] > window.total_seconds():
            times.popleft()
        return len(times)

    def forget_trouble(self, agent_id: str) -> None:
        for key in [key for key in self._trouble if key[0] == agent_id]:
            del self._trouble[key]
