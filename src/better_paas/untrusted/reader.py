"""The server's end of the program that reads the sources of strangers."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from better_paas.builders.context import Chosen
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides
from better_paas.kit.tasks import Task
from better_paas.kit.unpack import ArchiveRefused, UnpackLimits
from better_paas.kit.workers import TaskOverran, Workers
from better_paas.untrusted import tasks

# Planning at once, and beside it packing and unpacking, which take longer: one that overruns holds up its own place.
_PLACES = 2
_MODULE = "better_paas.untrusted"
_TOO_MUCH = "Is a file much larger, or nested much deeper, than such files are? Take it out, or ignore it."


class Runner(Protocol):
    """Runs tasks, wherever that is."""

    async def run(self, task: Task, **arguments: Any) -> Any: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class AllowedDockerfile:
    """text: what is built. images: references of all that it takes files from. stages: names of its own.

    has_heredocs: to a builder that does not know them, their lines would be instructions.
    """

    text: str
    images: list[str]
    stages: list[str]
    has_heredocs: bool


class SourceReader:
    """Looks at, packs and unpacks what strangers wrote. All of it may raise NoPlan: it can't be built as it is."""

    def __init__(self, runner: Runner | None = None) -> None:
        self._runner = runner or Workers(_MODULE, _PLACES)
        self._packer = runner or Workers(_MODULE, _PLACES)

    async def close(self) -> None:
        await self._runner.close()
        await self._packer.close()

    async def plan(self, tree: Path, folder: str, overrides: Overrides) -> BuildPlan:
        """For the app in `folder` of the tree. Errors: NoPlan, which says what was looked for."""
        arguments = {"tree": str(tree), "folder": folder, "overrides": asdict(overrides)}
        return BuildPlan.from_dict(await self._run(tasks.MAKE_PLAN, **arguments))

    async def text(self, tree: Path, folder: str, path: str) -> str | None:
        """The text of a file below a folder of the tree, or None if there is no such file. Links may lead out of it."""
        found: str | None = await self._run(tasks.READ_FILE, tree=str(tree), folder=folder, path=path)
        return found

    async def allowed(self, dockerfile: str, arguments: dict[str, str]) -> AllowedDockerfile:
        """The Dockerfile as it may be built with these arguments."""
        return AllowedDockerfile(**await self._run(tasks.ALLOW_DOCKERFILE, text=dockerfile, arguments=arguments))

    async def images_of_trigger(self, trigger: str, stages: list[str]) -> list[str]:
        """The images that an ONBUILD trigger of a base names. stages: of the Dockerfile that is built on the base."""
        found: list[str] = await self._run(tasks.IMAGES_OF_TRIGGER, text=trigger, stages=stages)
        return found

    async def generated(
        self, plan: BuildPlan, base: str, static_base: str, has_variables: bool, tools: dict[str, str]
    ) -> str:
        """The Dockerfile of a generated plan (see dockerfile.generate)."""
        text: str = await self._run(
            tasks.WRITE_DOCKERFILE,
            plan=plan.as_dict(),
            base=base,
            static_base=static_base,
            has_variables=has_variables,
            tools=tools,
        )
        return text

    async def trusting(self, dockerfile: str, trust_image: str) -> str:
        """The Dockerfile with the CA bundle in every step."""
        text: str = await self._run(tasks.TRUST_IN_BUILDS, text=dockerfile, trust_image=trust_image)
        return text

    async def without_mounts(self, dockerfile: str) -> str:
        """The Dockerfile for the old builder."""
        text: str = await self._run(tasks.DROP_MOUNTS, text=dockerfile)
        return text

    async def pack(
        self, target: Path, tree: Path, prefix: str, ignore: str, extra: dict[str, str], chosen: Chosen | None = None
    ) -> None:
        """Write the tar archive `target`, a build's context (see builders.context)."""
        folder, paths = (chosen.folder, list(chosen.paths)) if chosen else ("", [])
        arguments = {"prefix": prefix, "ignore": ignore, "extra": extra, "folder": folder, "paths": paths}
        await self._run(tasks.PACK_CONTEXT, target=str(target), tree=str(tree), **arguments)

    async def unpack(self, archive: Path, target: Path, limits: UnpackLimits) -> int:
        """Put an archive's files below `target`; how many there were. Errors: ArchiveRefused."""
        try:
            count: int = await self._packer.run(
                tasks.UNPACK_ARCHIVE, archive=str(archive), target=str(target), limits=asdict(limits)
            )
        except TaskOverran:
            raise ArchiveRefused("unpacking it takes too much time or memory") from None
        return count

    async def _run(self, task: Task, **arguments: Any) -> Any:
        try:
            runner = self._packer if task is tasks.PACK_CONTEXT else self._runner
            return await runner.run(task, **arguments)
        except TaskOverran:
            raise NoPlan("reading this source takes too much time or memory", _TOO_MUCH) from None
