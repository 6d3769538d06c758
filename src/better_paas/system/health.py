"""How each part of this server does, and since when."""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import datetime

from better_paas.bootstrap import JOBS, Platform
from better_paas.jobs import queue
from better_paas.kit.supervision import Condition, condition_of

# A group of units takes milliseconds; with PostgreSQL it waits for its turn.
_STALLED_SECONDS = 40.0
_READ_SECONDS = 5.0
# What the state needs to be written at all.
_LEAST_FREE = 2**20
_ENGINE, _DISK = "engine", "disk"


@dataclass(frozen=True)
class Health:
    """parts: jobs, writer, ingress, engine, disk, releases, tasks. is_usable: the state can be read and written.

    engine: its version. queued: jobs that wait, the oldest since `oldest`.
    """

    parts: dict[str, Condition]
    is_usable: bool
    engine: str | None
    queued: int
    oldest: datetime | None

    @property
    def is_healthy(self) -> bool:
        return not any(part.problem for part in self.parts.values())


async def look(platform: Platform) -> Health:
    """Takes as long as the engine needs to answer, at most three seconds."""
    engine = await platform.engine_version()
    _look_at_engine(platform, engine)
    _look_at_disk(platform)
    writer = _writer(platform)
    queued, oldest = 0, None
    try:
        async with asyncio.timeout(_READ_SECONDS):
            queued, oldest = await platform.database.read(queue.waiting)
    except Exception as error:  # whatever it is, that is what health is asked for
        writer = Condition(f"the state can't be read: {type(error).__name__}", writer.since)
    parts = {
        "jobs": _worst(condition_of(platform.worker, platform.since), _kept(platform, JOBS)),
        "writer": writer,
        "ingress": condition_of(platform.ingress, platform.since),
        "engine": _kept(platform, _ENGINE),
        "disk": _kept(platform, _DISK),
        "releases": condition_of(platform.operations, platform.since),
        "tasks": _tasks(platform),
    }
    return Health(parts, not writer.problem, engine, queued, oldest)


def _look_at_engine(platform: Platform, version: str | None) -> None:
    is_needed = platform.settings.runtime == "docker"
    platform.supervisor.tell(_ENGINE, "it does not answer" if is_needed and version is None else "")


def _look_at_disk(platform: Platform) -> None:
    free = shutil.disk_usage(platform.data_dir).free
    least = max(platform.settings.disk_floor_mb * 2**20, _LEAST_FREE)
    platform.supervisor.tell(_DISK, f"{free // 2**20} MiB are free at {platform.data_dir}" if free < least else "")


def _writer(platform: Platform) -> Condition:
    found = condition_of(platform.database, platform.since)
    stalled = platform.database.stalled_seconds
    if not found.problem and stalled > _STALLED_SECONDS:
        return Condition(f"it has been at one change for {stalled:.0f} s", found.since)
    return found


def _kept(platform: Platform, name: str) -> Condition:
    return platform.supervisor.condition(name, platform.since)


def _tasks(platform: Platform) -> Condition:
    """What else is not meant to end."""
    problems = [found for name, found in platform.supervisor.problems().items() if name not in (JOBS, _ENGINE, _DISK)]
    if not problems:
        return Condition("", platform.since)
    return Condition("; ".join(found.problem for found in problems), min(found.since for found in problems))


def _worst(*conditions: Condition) -> Condition:
    """The first that is not well, or the newest."""
    return next(
        (found for found in conditions if found.problem), max(conditions, key=lambda condition: condition.since)
    )
