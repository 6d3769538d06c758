"""A repository's own Dockerfile: which images it builds on, and what it may not ask for. Pure text.

Its builds share one engine with those of all projects. What is said of it here holds for the text that is returned,
in which the images of FROM have their final names.
"""

import contextlib
import csv
import dataclasses
import json
import platform
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from better_paas.builders.instructions import BadDockerfile, Dockerfile, Instruction, parse
from better_paas.builders.substitution import SubstitutionFailed, Variables, words

# The engine's images are named as everywhere: [host[:port]/]path[:tag][@digest].
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_OF_AN_APP = re.compile(r"(?:^|/)better-paas/app-")
_STAGE = re.compile(r"[a-z][a-z0-9-_.]*")
_NO_IMAGE = "scratch"
_MOST_IMAGES = 50
_MOST_SOURCES = 1_000
_LONGEST_REFERENCE = 512
_UNSURE = re.compile(r"[$'\\`]")
_LOCAL = re.compile(r"\./|[0-9]*<<|[\t\v\f\r ]|$")
_ADDRESS = re.compile(r"://|^git@|^github\.com/")
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
# What BuildKit itself defines before the first FROM.
_PLATFORM = {
    f"{of}{name}": value
    for of in ("BUILD", "TARGET")
    for name, value in {
        "PLATFORM": f"linux/{_ARCHITECTURE}",
        "OS": "linux",
        "ARCH": _ARCHITECTURE,
        "VARIANT": "",
    }.items()
}


@dataclass(frozen=True)
class Image:
    """An image that is needed. line: where it is named, from 1."""

    reference: str
    line: int


@dataclass(frozen=True)
class OwnDockerfile:
    """text: what is built. images: all that it takes files from, each once. stages: the names of its own."""

    text: str
    images: tuple[Image, ...]
    stages: frozenset[str]
    has_heredocs: bool


def read(text: str, arguments: Mapping[str, str] | None = None) -> OwnDockerfile:
    """arguments: of the build, which an ARG takes in place of its own value. Errors: BadDockerfile."""
    return _Reader(parse(text), arguments or {}).read()


def read_trigger(text: str, stages: frozenset[str]) -> tuple[Image, ...]:
    """The images that an ONBUILD trigger of a base names. stages: of the Dockerfile. Errors: BadDockerfile."""
    found: list[Image] = []
    for instruction in parse(text).instructions:
        _refuse_rights(instruction)
        _kept_local(instruction)
        if instruction.name == "ADD" and _UNSURE.search(instruction.arguments):
            raise BadDockerfile(instruction.line, "ADD of what may be an address", "Build on another image.")
        found += _taken_from(instruction, stages, 0)
    return tuple(found)


class _Reader:
    def __init__(self, dockerfile: Dockerfile, arguments: Mapping[str, str]) -> None:
        self._dockerfile, self._arguments = dockerfile, arguments
        self._variables = Variables(_PLATFORM, dockerfile.escape)
        self._images: dict[str, Image] = {}
        self._stages: set[str] = set()
        self._count = 0

    def read(self) -> OwnDockerfile:
        uses_variables = any("$" in each.arguments for each in self._dockerfile.instructions if each.name == "FROM")
        made: list[Instruction] = []
        for instruction in self._dockerfile.instructions:
            _refuse_rights(instruction)
            if instruction.name == "FROM":
                instruction = self._from(instruction)
            elif instruction.name == "ARG" and not self._count and uses_variables:
                self._define(instruction)
            self._take(_taken_from(instruction, self._stages, self._count))
            made.append(_kept_local(instruction))
        changed = dataclasses.replace(self._dockerfile, instructions=tuple(made))
        text = changed.render()
        if parse(text) != changed:
            raise BadDockerfile(
                1, "it can't be read safely", "Write it more plainly: one blank between words, few quotes."
            )
        has_heredocs = any(instruction.heredocs for instruction in made)
        return OwnDockerfile(text, tuple(self._images.values()), frozenset(self._stages), has_heredocs)

    def _take(self, images: Iterable[Image]) -> None:
        for image in images:
            self._images.setdefault(image.reference, image)
            if len(self._images) > _MOST_IMAGES:
                raise BadDockerfile(image.line, f"it needs more than {_MOST_IMAGES} images", "Build on fewer.")

    def _define(self, instruction: Instruction) -> None:
        """An ARG before the first FROM. One without a value keeps what is known of it."""
        with _told(instruction.line):
            for word in words(instruction.arguments, self._variables):
                name, has_value, value = word.partition("=")
                if name in self._arguments:
                    self._variables.values[name] = self._arguments[name]
                elif has_value:
                    self._variables.values[name] = self._variables.expand(value)

    def _from(self, instruction: Instruction) -> Instruction:
        """With the base's final name in it."""
        given = re.split(r"[\t\v\f\r ]+", instruction.arguments, maxsplit=3)
        if len(given) not in (1, 3) or (len(given) == 3 and given[1].lower() != "as"):
            raise BadDockerfile(
                instruction.line, "FROM is not 'FROM image' or 'FROM image AS name'", "Correct the line."
            )
        with _told(instruction.line):
            base = self._variables.expand(given[0])
        if base.lower() not in self._stages and base != _NO_IMAGE:
            self._take([_checked(base, instruction.line)])
        self._count += 1
        if len(given) == 3:
            if not _STAGE.fullmatch(given[2].lower()):
                raise BadDockerfile(
                    instruction.line, "a stage has a name that can't be used", "Use letters and digits.", given[2]
                )
            self._stages.add(given[2].lower())
        return dataclasses.replace(instruction, parts=(" ".join([base, *given[1:]]),))


@contextlib.contextmanager
def _told(line: int) -> Iterator[None]:
    try:
        yield
    except SubstitutionFailed as error:
        raise BadDockerfile(line, str(error), "Write the image's name itself.", error.quoted) from error


def _checked(reference: str, line: int) -> Image:
    if len(reference) > _LONGEST_REFERENCE or not REFERENCE.fullmatch(reference):
        raise BadDockerfile(
            line,
            "this is no name of an image",
            "Images are named like debian:bookworm, in small letters.",
            reference,
        )
    if _OF_AN_APP.search(reference.lower()):
        raise BadDockerfile(
            line,
            "images of apps can't be built on",
            "They come and go with their deployments. Build on the image that the app's Dockerfile builds on.",
        )
    return Image(reference, line)


def _taken_from(instruction: Instruction, stages: Collection[str], count: int) -> Iterator[Image]:
    """Images that an instruction copies or mounts from. count: of the stages so far, which COPY can name by number."""
    if instruction.name == "COPY":
        names = [name for name in instruction.flag("from") if not _is_number_below(count, name)]
    elif instruction.name == "RUN":
        names = [name for mount in instruction.flag("mount") for name in _mounted_from(mount, instruction.line)]
    else:
        return
    for name in names:
        if "$" in name:
            raise BadDockerfile(
                instruction.line,
                "from= has no variables",
                "Name a stage for it at the top: FROM image:$VERSION AS name, then from=name.",
            )
        if name and name.lower() not in stages and name != _NO_IMAGE:
            yield _checked(name, instruction.line)


def _is_number_below(count: int, name: str) -> bool:
    return re.fullmatch("[0-9]{1,6}", name) is not None and int(name) < count


def _mounted_from(mount: str, line: int) -> list[str]:
    try:
        fields = next(csv.reader([mount], strict=True), [])
    except csv.Error as error:
        raise BadDockerfile(line, "the options of --mount can't be read", "They are separated by commas.") from error
    options = [field.partition("=") for field in fields]
    return [value for name, _, value in options if name.lower() == "from"]


# What each flag may say.
_HARMLESS: dict[str, tuple[str, ...]] = {"network": ("default", "none"), "security": ("sandbox",), "device": ()}


def _refuse_rights(instruction: Instruction) -> None:
    for flag, harmless in _HARMLESS.items() if instruction.name == "RUN" else ():
        if refused := [value for value in instruction.flag(flag) if value not in harmless]:
            raise BadDockerfile(
                instruction.line,
                f"RUN --{flag}=… is not allowed",
                "Take the flag away: build steps have the network that all have, and no more rights.",
                refused[0],
            )


def _kept_local(instruction: Instruction) -> Instruction:
    """ADD with sources that can't become an address, whatever their variables say.

    The engine itself fetches addresses, past the rules that keep build steps from this server and its network.
    """
    if instruction.name != "ADD":
        return instruction
    listed = instruction.list_form()
    # Words, and the blanks between them as they are: an escape before a blank says which words belong together.
    given = listed if listed is not None else re.split(r"([\t\v\f\r ]+)", instruction.arguments, maxsplit=_MOST_SOURCES)
    if len(given) > _MOST_SOURCES:
        raise BadDockerfile(instruction.line, f"ADD of more than {_MOST_SOURCES // 2} sources", "ADD their folder.")
    *sources, target = given
    if any(_ADDRESS.search(source) for source in sources):
        raise BadDockerfile(
            instruction.line,
            "ADD takes no addresses here",
            "The engine would fetch it past this server's network rules. Fetch it in a step: RUN curl -fsSLO https://…",
        )
    made = [source if _LOCAL.match(source) else f"./{source}" for source in sources]
    part = json.dumps([*made, target]) if listed is not None else "".join([*made, target])
    return dataclasses.replace(instruction, parts=(part,) if part else ())
