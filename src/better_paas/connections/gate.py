"""Who may hold a connection: so many in all, and so many of each address."""

import ipaddress
from collections import Counter
from enum import Enum

import structlog

from better_paas.connections.connection import Connection
from better_paas.connections.limits import Limits
from better_paas.kit.addresses import Networks, network_of, within

_LOOPBACK: Networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_TOLD_EVERY_SECONDS = 10.0
_log = structlog.get_logger(__name__)


class Refusal(Enum):
    """Why somebody stays outside."""

    FULL = "too many connections"
    TOO_MANY = "too many connections from one address"


class Gate:
    """limits: of all connections together. crowds: networks of trusted proxies, behind whose addresses all visitors
    stand. This machine's own may be one that nobody told us of, or a tunnel: it gets half of all."""

    def __init__(self, limits: Limits, crowds: Networks) -> None:
        self.limits, self._crowds = limits, crowds
        # With the place that each is from.
        self.connections: dict[Connection, str] = {}
        self._of_address: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._told_at = 0.0

    def admit(self, peer: tuple[str, int], now: float) -> Connection | Refusal:
        """A connection that counts until it has ended, or why not."""
        key = network_of(peer[0])
        refusal = self._refusal(peer[0], key)
        if refusal is not None:
            self._refused[key] += 1
            return refusal
        connection = Connection(peer, now, self.limits, self._left)
        self.connections[connection] = key
        self._of_address[key] += 1
        return connection

    def _refusal(self, address: str, key: str) -> Refusal | None:
        held = self._of_address[key]
        if held >= self.limits.per_address and held >= self._most(address):
            return Refusal.TOO_MANY
        if len(self.connections) >= self.limits.connections and not self._make_room():
            return Refusal.FULL
        return None

    def _most(self, address: str) -> int:
        if within(address, self._crowds):
            return self.limits.connections
        return self.limits.connections // 2 if within(address, _LOOPBACK) else self.limits.per_address

    def _make_room(self) -> bool:
        """Whoever has asked nothing for longest goes: many at once, as looking for them costs something."""
        spare = sorted((one for one in self.connections if one.is_spare), key=lambda one: one.since)
        for connection in spare[: max(1, self.limits.connections // 8)]:
            connection.drop()
        return bool(spare)

    def _left(self, connection: Connection) -> None:
        key = self.connections.pop(connection, None)
        if key is None:
            return
        self._of_address[key] -= 1
        if not self._of_address[key]:
            del self._of_address[key]

    def look(self, now: float) -> None:
        """To be called once a second."""
        for connection in tuple(self.connections):
            connection.look(now)
        if self._refused and now - self._told_at >= _TOLD_EVERY_SECONDS:
            most = self._refused.most_common(1)[0][0]
            _log.warning("connections were refused", count=self._refused.total(), most_from=most)
            self._told_at = now
            self._refused.clear()
