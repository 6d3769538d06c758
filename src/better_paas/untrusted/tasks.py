"""The tasks of the program: plain functions over folders and texts. What they take and give is JSON."""

from pathlib import Path
from typing import Any

from better_paas.builders import context, dockerfile, own
from better_paas.builders.detect import detect
from better_paas.builders.files import TreeFiles
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides
from better_paas.kit import unpack as archives
from better_paas.kit.tasks import Task

# CPU time. Reading takes a fraction of a second for any honest source; the other two go by its size.
_READ_SECONDS, _PACK_SECONDS = 10, 120


def make_plan(tree: str, folder: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """The plan for the app in `folder` of the tree. Errors: NoPlan."""
    return detect(TreeFiles(Path(tree)), Overrides.from_dict(overrides), folder).as_dict()


def read_file(tree: str, folder: str, path: str) -> str | None:
    """Text of a file below `folder` of the tree, or None if there is none. Errors: NoPlan."""
    return TreeFiles(Path(tree)).below(folder).read(path)


def allow_dockerfile(text: str, arguments: dict[str, str]) -> dict[str, Any]:
    """The fields of an AllowedDockerfile. Errors: NoPlan for what can't be read, or asks for what no build may have."""
    found = own.read(text, arguments)
    return {
        "text": found.text,
        "images": [image.reference for image in found.images],
        "stages": sorted(found.stages),
        "has_heredocs": found.has_heredocs,
    }


def images_of_trigger(text: str, stages: list[str]) -> list[str]:
    """The images that an ONBUILD trigger of a base names. Errors: NoPlan."""
    return [image.reference for image in own.read_trigger(text, frozenset(stages))]


def write_dockerfile(
    plan: dict[str, Any], base: str, static_base: str, has_variables: bool, tools: dict[str, str]
) -> str:
    """The Dockerfile of a generated plan."""
    return dockerfile.generate(BuildPlan.from_dict(plan), base, static_base, has_variables, tools)


def trust_in_builds(text: str, trust_image: str) -> str:
    """The Dockerfile with the CA bundle in every step."""
    return dockerfile.with_build_ca(text, trust_image)


def drop_mounts(text: str) -> str:
    """The Dockerfile for the old builder."""
    return dockerfile.without_mounts(text)


def pack_context(
    target: str, tree: str, prefix: str, ignore: str, extra: dict[str, str], folder: str, paths: list[str]
) -> None:
    """Write the build's context. folder, paths: see context.Chosen. Errors: NoPlan for ignore rules that are none."""
    chosen = context.Chosen(folder, tuple(paths)) if folder else None
    context.pack(Path(target), Path(tree), prefix, ignore, extra, chosen)


def unpack_archive(archive: str, target: str, limits: dict[str, int]) -> int:
    """Put an archive's files below `target`; how many there were. Errors: ArchiveRefused."""
    with Path(archive).open("rb") as file:
        return archives.unpack(file, Path(target), archives.UnpackLimits(**limits))


MAKE_PLAN = Task(make_plan, _READ_SECONDS, (NoPlan,))
READ_FILE = Task(read_file, _READ_SECONDS, (NoPlan,))
ALLOW_DOCKERFILE = Task(allow_dockerfile, _READ_SECONDS, (NoPlan,))
IMAGES_OF_TRIGGER = Task(images_of_trigger, _READ_SECONDS, (NoPlan,))
WRITE_DOCKERFILE = Task(write_dockerfile, _READ_SECONDS)
TRUST_IN_BUILDS = Task(trust_in_builds, _READ_SECONDS, (NoPlan,))
DROP_MOUNTS = Task(drop_mounts, _READ_SECONDS, (NoPlan,))
PACK_CONTEXT = Task(pack_context, _PACK_SECONDS, (NoPlan,))
UNPACK_ARCHIVE = Task(unpack_archive, _PACK_SECONDS, (archives.ArchiveRefused,))
TASKS = (
    MAKE_PLAN,
    READ_FILE,
    ALLOW_DOCKERFILE,
    IMAGES_OF_TRIGGER,
    WRITE_DOCKERFILE,
    TRUST_IN_BUILDS,
    DROP_MOUNTS,
    PACK_CONTEXT,
    UNPACK_ARCHIVE,
)
