"""Limits of all builds together, so that they can't take the host down.

The engine runs build steps in a control group of its own (`docker/buildkit`); its API has no limits for them before
version 25, so they are set on that group. Source: the kernel's cgroup-v1 and cgroup-v2 documents.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_GROUP = "docker/buildkit"
_PERIOD = 100_000
# Of the host, where nothing else is said: what is left keeps the apps and this server alive.
_SHARE_OF_MEMORY, _SHARE_OF_CPUS = 0.75, 0.75
# Where an app, the ingress or this server wants a core, all builds together get a tenth of what that one does: the
# visitors of others should not notice a build. Of a group's usual weight, which the two versions count differently.
_WEIGHT_OF_100, _SHARES_OF_1024 = 10, 102
# Threads count too. Enough for several large builds at once; a kernel has 32,768 for everybody where nothing is set.
MOST_PROCESSES = 4096


@dataclass(frozen=True)
class BuildLimits:
    """memory: bytes. cpus: cores, 1.5 is one and a half. processes: with their threads."""

    memory: int
    cpus: float
    processes: int = MOST_PROCESSES

    @classmethod
    def of(cls, memory: int, cpus: float) -> "BuildLimits":
        """With a share of this host for what is 0."""
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        cores = os.cpu_count() or 1
        return cls(memory or int(total * _SHARE_OF_MEMORY), cpus or max(0.5, cores * _SHARE_OF_CPUS))


def limit_builds(limits: BuildLimits, root: Path = _ROOT) -> str:
    """Set the limits of the group; why that can't be done, or an empty text."""
    unified = (root / "cgroup.controllers").exists()
    quota = round(limits.cpus * _PERIOD)
    if unified:
        wishes = [
            (root, "cpu.max", f"{quota} {_PERIOD}"),
            (root, "cpu.weight", str(_WEIGHT_OF_100)),
            (root, "memory.max", str(limits.memory)),
            (root, "pids.max", str(limits.processes)),
        ]
    else:
        wishes = [
            (root / "cpu", "cpu.cfs_period_us", str(_PERIOD)),
            (root / "cpu", "cpu.cfs_quota_us", str(quota)),
            (root / "cpu", "cpu.shares", str(_SHARES_OF_1024)),
            (root / "memory", "memory.limit_in_bytes", str(limits.memory)),
            (root / "pids", "pids.max", str(limits.processes)),
        ]
    try:
        for place, name, value in wishes:
            group = place / _GROUP
            group.mkdir(parents=True, exist_ok=True)
            if unified:
                _delegate(root, group)
            (group / name).write_text(value)
    except OSError as error:
        return f"builds are not limited: {error.strerror or error} ({error.filename})"
    return ""


def _delegate(root: Path, group: Path) -> None:
    """Let the groups on the way have limits of their own; it may be so already."""
    for folder in (root, group.parent):
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text("+cpu +memory +pids")
