"""Counts open connections to a release's port, from the kernel's own table."""

from pathlib import Path

_ESTABLISHED = "01"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def established(port: int) -> int:
    """Established connections whose remote end is a local `port`: those of the ingress to a release.

    Source of the format: Documentation/networking/proc_net_tcp.rst.
    """
    wanted = f":{port:04X}"
    count = 0
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            count += fields[2].endswith(wanted) and fields[3] == _ESTABLISHED
    return count
