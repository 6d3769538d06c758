"""The hardware address of each container: known before the container is there, and the same after every restart.

Containers of apps may neither change it nor send under another (they have no NET_ADMIN and no NET_RAW), so the packet
filter can tell by it whose they are.
"""

import hashlib
from collections.abc import Iterable

from better_paas.runtime.protocol import MAIN, ONCE


def hardware_address(deployment_id: str, process: str) -> str:
    """Like `02:1b:…`: one of those that nobody makes devices with."""
    digest = hashlib.sha256(f"{deployment_id}/{process}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def of_release(deployment_id: str, processes: Iterable[str]) -> tuple[str, ...]:
    """Of all containers that a release can have. processes: those beside the main one."""
    return tuple(hardware_address(deployment_id, name) for name in (MAIN, ONCE, *sorted(processes)))
