"""Where the programs of a network namespace listen, from the kernel's own tables."""

import contextlib
import ipaddress
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTENS = "0A"
# The engine's own name server, in each container's namespace.
_ENGINES = ipaddress.ip_address("127.0.0.11")


@dataclass(frozen=True, order=True)
class Listener:
    """address: as people write it, such as 127.0.0.1, 0.0.0.0 or [::]. is_local: nobody from outside gets there."""

    port: int
    address: str
    is_local: bool

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def of_container(pid: int, container_id: str) -> list[Listener]:
    """The places of a container's process, by port; empty where the process of that number is not the container's.

    So it is where the engine is another machine's, or this program sees other processes than the engine does.
    """
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return []
    return sorted(set(of_process(pid))) if container_id in groups else []


def of_process(pid: int) -> list[Listener]:
    """By port; one for each socket, as several may listen at one place. Empty where its namespace can't be read.

    Source of the format: Documentation/networking/proc_net_tcp.rst.
    """
    return sorted(place for table in ("tcp", "tcp6") for place in _listeners(Path(f"/proc/{pid}/net/{table}")))


def _listeners(table: Path) -> Iterator[Listener]:
    with contextlib.suppress(OSError), table.open() as lines:
        next(lines, None)
        # Those that listen come first. Connections, which may be a hundred thousand, are not looked at.
        for fields in itertools.takewhile(lambda fields: fields[3] == _LISTENS, map(str.split, lines)):
            if (found := _listener(fields[1])) is not None:
                yield found


def _listener(local: str) -> Listener | None:
    raw, _, port = local.partition(":")
    # Words of four bytes each, in the order of this machine.
    words = [bytes.fromhex(raw[start : start + 8])[::-1] for start in range(0, len(raw), 8)]
    address = ipaddress.ip_address(b"".join(words))
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        shown = str(mapped) if mapped else f"[{address}]"
        return Listener(int(port, 16), shown, (mapped or address).is_loopback)
    return None if address == _ENGINES else Listener(int(port, 16), str(address), address.is_loopback)
