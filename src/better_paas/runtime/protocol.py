"""What every runtime can do. Docker is the first; a swarm of machines and plain processes follow the same words."""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from better_paas.builders.plan import BuildPlan
from better_paas.kit.listeners import Listener
from better_paas.kit.quoted import Statement, Told

LogCallback = Callable[[str], None]


class RuntimeFailed(Told):
    """The runtime can't do it."""


class PortTaken(RuntimeFailed):
    """Another program uses the port that the release was to have."""


# The name of a release's first process: the one that gets requests, if it serves any.
MAIN = "main"
# One command that runs to its end, such as the release command. It is no part of the release.
ONCE = "once"


@dataclass(frozen=True)
class Volume:
    """A named volume at an absolute path in the container. shared: several releases may write to it at once."""

    name: str
    path: str
    read_only: bool = False
    shared: bool = False

    @property
    def has_one_writer(self) -> bool:
        return not self.read_only and not self.shared


@dataclass(frozen=True)
class ReleaseSpec:
    """All that a release runs with. memory: like `512m`; cpus: like `1.5`, of each process; empty means no limit.

    container_port: where its main process listens; 0 if it serves no requests. processes: commands of those beside it.
    own_address: whether its containers are told apart from all others in the network, for what is opened for it alone.
    """

    app_id: str
    app_name: str
    project_id: str
    deployment_id: str
    image: str
    container_port: int
    host_port: int
    start_command: str = ""
    processes: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    memory: str = ""
    cpus: str = ""
    volumes: tuple[Volume, ...] = ()
    own_address: bool = False


@dataclass(frozen=True)
class State:
    """Of a release. running: all its processes are up. reason: why not, for people; quoted: which process, if it has
    a name of its own.

    restarts: how often the runtime had to start one again. processes: names of those that there are. app_id: whose it
    is, where all are told of.
    """

    running: bool
    reason: str = ""
    restarts: int = 0
    processes: frozenset[str] = frozenset()
    app_id: str = ""
    quoted: str = ""

    @property
    def why(self) -> Statement:
        return Statement(self.reason, self.quoted)


GONE = State(False, "its container is gone")


@dataclass(frozen=True)
class LogLine:
    """process: which one wrote it; empty if the release has only one."""

    timestamp: str
    text: str
    process: str = ""


@dataclass(frozen=True)
class StoredVolume:
    """A volume of this installation. size: bytes, or None if it could not be measured in time."""

    project_id: str
    name: str
    size: int | None


@dataclass(frozen=True)
class Recipe:
    """What an image is made by. ignore: text of the tree's .dockerignore. lent: files beside the tree.

    generated: the Dockerfile is ours and the tree lies in `source/`; else it is the tree's own, at the plan's path.
    has_heredocs: it needs a builder that knows them.
    """

    dockerfile: str
    generated: bool
    ignore: str
    lent: dict[str, str]
    has_heredocs: bool = False


@dataclass(frozen=True)
class BuildRequest:
    """tree: the source. variables: what the build command may know. recipe: see Runtime.makes_images."""

    app_id: str
    deployment_id: str
    tree: Path
    plan: BuildPlan
    variables: dict[str, str]
    recipe: Recipe | None
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
class ResourceUsage:
    """What a release takes now. cpu: of one core, 1.0 is all of it. memory, memory_limit: bytes; 0 for no limit."""

    cpu: float
    memory: int
    memory_limit: int
    processes: int


class Runtime(Protocol):
    """What runs releases. A release is named by its deployment's id, whatever it consists of.

    makes_images: builds follow a Dockerfile on base images, which come with the request.
    """

    makes_images: bool

    async def build(self, request: BuildRequest, say: LogCallback) -> str:
        """Make the image of a deployment and give its reference. Doing it twice gives the same one."""
        ...

    async def start(self, spec: ReleaseSpec) -> None:
        """Start a release with all its processes, or find those that were started before."""
        ...

    async def run_once(self, spec: ReleaseSpec, command: str, say: LogCallback) -> int:
        """Run one command as the release would run, to its end; its exit code. Nothing of it stays beyond its release.

        Asked again by a server that was killed meanwhile, it goes on with the same one where the runtime can.
        """
        ...

    async def state(self, deployment_id: str) -> State: ...

    async def states(self) -> dict[str, State]:
        """All releases of this installation by deployment id, by one question. Restarts are not counted."""
        ...

    async def describe(self, deployment_id: str) -> ReleaseSpec | None:
        """What a release that is there runs with, as far as the runtime knows; None where it does not know enough."""
        ...

    async def exposed_ports(self, reference: str) -> list[int]:
        """Where an image says that its app listens, in rising order."""
        ...

    async def listeners(self, deployment_id: str) -> list[Listener]:
        """Where the release's main process listens, by port; empty where that can't be told."""
        ...

    async def usage(self, deployment_id: str) -> ResourceUsage:
        """Measured over about a second. Errors: RuntimeFailed."""
        ...

    async def settle(self, deployment_id: str) -> None:
        """From now on the runtime itself restarts the release when it ends."""
        ...

    async def stop(self, deployment_id: str) -> None: ...

    async def remove(self, deployment_id: str) -> None: ...

    def logs(self, deployment_id: str, *, tail: int, follow: bool = False) -> AsyncIterator[LogLine]:
        """Lines of all its processes, oldest first."""
        ...

    async def remove_project(self, project_id: str) -> None:
        """Remove what belongs to a project as a whole, such as its network. Volumes stay."""
        ...

    async def images(self, app_id: str) -> list[tuple[str, str]]:
        """(deployment id, image reference) of an app, newest first."""
        ...

    async def has_image(self, reference: str) -> bool: ...

    async def remove_image(self, reference: str) -> None: ...

    async def volumes(self, known: Collection[tuple[str, str]]) -> list[StoredVolume]:
        """All volumes of this installation, with the sizes that can be told within a few seconds.

        known: (project id, name) of those that are ours even where nothing on them says so.
        """
        ...

    async def has_volume(self, project_id: str, name: str) -> bool: ...

    async def remove_volume(self, project_id: str, name: str) -> None:
        """Delete a volume with all that is in it. Errors: RuntimeFailed while something uses it."""
        ...

    async def has_sandbox(self) -> bool:
        """Whether apps are kept from each other and from the machine."""
        ...

    async def storage(self) -> list[Path]:
        """Folders of this machine that images and volumes lie in, as far as they can be told."""
        ...

    async def trim_build_cache(self, most_bytes: int) -> int:
        """Take away what was not used for longest until the build cache is no larger; the bytes that went.

        Nothing is taken where the cache could be anyone else's too.
        """
        ...

    def faults(self) -> AsyncIterator[tuple[str, Statement]]:
        """(deployment id, what happened) for each of our processes that dies; an empty one when one starts."""
        ...
