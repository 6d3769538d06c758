"""Whether the addresses that a configuration listens on are free, asked before Caddy tries.

A start that fails half-way can leave Caddy with closed sockets, and then it takes no configuration any more.
"""

import contextlib
import errno
import socket
from typing import Any


def newly_taken(config: dict[str, Any], before: dict[str, Any] | None) -> str:
    """The first address of `config`, not among those of `before`, that another program has; empty if none."""
    addresses = listened_on(config) - listened_on(before or {})
    return next((address for address in sorted(addresses) if _is_taken(address)), "")


def listened_on(config: dict[str, Any]) -> set[str]:
    servers = config.get("apps", {}).get("http", {}).get("servers", {}).values()
    return {address for server in servers for address in server["listen"] if not address.startswith("unix/")}


def _is_taken(address: str) -> bool:
    host, _, port = address.rpartition(":")
    # Caddy listens on both families where no address is named.
    for family, place in ((socket.AF_INET6, host.strip("[]") or "::"), (socket.AF_INET, host or "0.0.0.0")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Caddy does
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    probe.bind((place, int(port)))
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:
                        return True
    return False
