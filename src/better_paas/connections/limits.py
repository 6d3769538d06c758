"""How many connections may be, how slow they may be, and the descriptors that they live on."""

import resource
from dataclasses import dataclass, replace

# Some programs walk over all descriptors that they could have: a million of them takes seconds.
_MOST_DESCRIPTORS = 2**16
_OF_CONNECTIONS = 2


@dataclass(frozen=True)
class Limits:
    """Defaults are stricter than Apache's (500 B/s), Kestrel's and IIS's (240 B/s), and fit a modem of 9,600 baud.

    head_seconds: from a connection's or a request's first moment until its head is there.
    idle_seconds: without a byte between two requests.
    bytes_per_second: what a body must come with, and what is written must be taken with, within each window.
    head_bytes: of a head, and of all that surrounds a body. pipelined: requests that wait behind another.
    """

    head_seconds: float = 10.0
    idle_seconds: int = 30
    window_seconds: float = 20.0
    bytes_per_second: int = 1024
    head_bytes: int = 2**16
    headers: int = 100
    pipelined: int = 16
    connections: int = 1024
    per_address: int = 128

    def within(self, descriptors: int) -> "Limits":
        """With at most half of the descriptors: the rest is the database's, the engine's, the logs' and children's."""
        most = min(self.connections, descriptors // _OF_CONNECTIONS)
        return replace(self, connections=most, per_address=min(self.per_address, max(1, most // 4)))


def raise_descriptors() -> int:
    """Let this process have as many descriptors as it may; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    wanted = max(soft, _MOST_DESCRIPTORS if unlimited else min(hard, _MOST_DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
