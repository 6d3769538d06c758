"""Slows down guessing. A right token never comes here, so nobody can be locked out by others' failures."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from better_paas.kit.addresses import network_of

_FREE_FAILURES = 5
# Who has one /64 often has 65,536 of them: together they may try this often.
_FREE_FAILURES_OF_SITE = 50
_FIRST_WAIT = 2.0
_LONGEST_WAIT = 900.0
_FORGET_AFTER = 3600.0
_MOST_BUCKETS = 10_000


@dataclass
class _Bucket:
    failures: int
    last: float
    blocked_until: float
    # Attempts during a wait, which no audit entry of their own tells of.
    unlogged: int = 0


class FailureLimit:
    """A bucket for each IPv4 address or IPv6 /64 network: 5 failures are free, then 2 s doubling to 15 min.

    So it is for each IPv6 /48 after 50 failures that cost its /64 networks nothing.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def fail(self, address: str) -> float:
        """Count a failure and give the seconds that this address has to wait; 0 means that it may try again."""
        moment = self._monotonic()
        for key, free in _buckets_of(address):
            if wait := self._fail(key, free, moment):
                return wait
        return 0.0

    def _fail(self, key: str, free: int, moment: float) -> float:
        bucket = self._buckets.pop(key, None)
        if bucket is None or moment - bucket.last > _FORGET_AFTER:
            bucket = _Bucket(0, moment, 0.0)
        self._buckets[key] = bucket
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if moment < bucket.blocked_until:
            bucket.unlogged += 1
            return bucket.blocked_until - moment
        bucket.failures += 1
        bucket.last = moment
        if bucket.failures <= free:
            return 0.0
        # The exponent is bounded: a float overflows after a thousand doublings.
        wait: float = min(_FIRST_WAIT * 2.0 ** min(bucket.failures - free - 1, 20), _LONGEST_WAIT)
        bucket.blocked_until = moment + wait
        bucket.unlogged += 1
        return wait

    def take_unlogged(self) -> dict[str, int]:
        """How many attempts were made during waits since the last call, by network."""
        taken = {key: bucket.unlogged for key, bucket in self._buckets.items() if bucket.unlogged}
        for key in taken:
            self._buckets[key].unlogged = 0
        return taken

    def waiting(self) -> list[tuple[str, int, float]]:
        """(network, failures, seconds to wait) of all that have to wait now."""
        moment = self._monotonic()
        return [
            (key, bucket.failures, bucket.blocked_until - moment)
            for key, bucket in self._buckets.items()
            if bucket.blocked_until > moment
        ]


def _buckets_of(address: str) -> list[tuple[str, int]]:
    """What counts as one place, the narrowest first, and how many failures are free there."""
    network = network_of(address)
    if "/" not in network:  # an IPv4 address, in either spelling, or no address at all
        return [(network, _FREE_FAILURES)]
    site = ipaddress.IPv6Network(network).supernet(new_prefix=48)
    return [(network, _FREE_FAILURES), (str(site), _FREE_FAILURES_OF_SITE)]
