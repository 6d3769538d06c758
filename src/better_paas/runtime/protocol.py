"""What every runtime can do. Docker is the first; a swarm of machines and plain processes follow the same words."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Say = Callable[[str], None]


class RuntimeFailed(Exception):
    """The runtime can't do it. hint: what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Volume:
    """A named volume at an absolute path in the container."""

    name: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class ReleaseSpec:
    """All that a release runs with. memory: like `512m`; cpus: like `1.5`; empty means no limit."""

    app_id: str
    app_name: str
    project_id: str
    deployment_id: str
    image: str
    container_port: int
    host_port: int
    start_command: str = ""
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    memory: str = ""
    cpus: str = ""
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True)
class State:
    """running: its process is up. reason: why not, for people."""

    running: bool
    reason: str = ""


@dataclass(frozen=True)
class BuildRequest:
    """tree: the source. ignore: text of its .dockerignore. dockerfile: see `generated`.

    generated: the Dockerfile is ours and the tree lies in `source/`; else it is the tree's own, at dockerfile_path.
    """

    app_id: str
    deployment_id: str
    tree: Path
    dockerfile: str
    generated: bool
    dockerfile_path: str
    ignore: str
    lent: dict[str, str]
    no_cache: bool
    timeout: float


_UNITS = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def memory_bytes(text: str) -> int:
    """Bytes of `512m` and the like; 0 for no limit."""
    if not text:
        return 0
    unit = _UNITS.get(text[-1].lower())
    return int(text[:-1]) * unit if unit else int(text)


@dataclass(frozen=True)
class Figures:
    """What a release takes now. cpu: of one core, 1.0 is all of it. memory, memory_limit: bytes; 0 for no limit."""

    cpu: float
    memory: int
    memory_limit: int
    processes: int


class Runtime(Protocol):
    async def build(self, request: BuildRequest, say: Say) -> str:
        """Make the image of a deployment and give its reference. Doing it twice gives the same one."""
        ...

    async def start(self, spec: ReleaseSpec) -> str:
        """Start a release, or find it if it was started before; give its container id."""
        ...

    async def state(self, container_id: str) -> State: ...

    async def figures(self, container_id: str) -> Figures:
        """Measured over about a second. Errors: RuntimeFailed."""
        ...

    async def settle(self, container_id: str) -> None:
        """From now on the runtime itself restarts the release when it ends."""
        ...

    async def stop(self, container_id: str) -> None: ...

    async def remove(self, container_id: str) -> None: ...

    def logs(self, container_id: str, *, tail: int, follow: bool = False) -> AsyncIterator[tuple[str, str]]:
        """(timestamp, line), oldest first."""
        ...

    async def owned(self) -> dict[str, str]:
        """Containers of this installation: deployment id by container id."""
        ...

    async def remove_project(self, project_id: str) -> None:
        """Remove what belongs to a project as a whole, such as its network."""
        ...

    async def images(self, app_id: str) -> list[tuple[str, str]]:
        """(deployment id, image reference) of an app, newest first."""
        ...

    async def has_image(self, reference: str) -> bool: ...

    async def remove_image(self, reference: str) -> None: ...

    async def volume_sizes(self) -> dict[tuple[str, str], int]:
        """Bytes by (project id, volume), of those that can be told within a few seconds."""
        ...

    def faults(self) -> AsyncIterator[tuple[str, str]]:
        """(deployment id, what happened) for each of our containers that dies; "" when it starts."""
        ...
