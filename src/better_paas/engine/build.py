"""Builds images: BuildKit by the engine's API, else by its CLI, else the old builder.

The API's BuildKit needs no session for what we use: copies, bind and cache mounts, local bases (checked on
Engine 20.10; moby/buildkit #6744 promises it on).
"""

import asyncio
import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from better_paas.engine.client import Engine, EngineFailed, whole_lines
from better_paas.engine.trace import TraceError, decode
from better_paas.kit.lines import LineBuffer
from better_paas.kit.subprocess import ProgramFailed, child_environment, run

LogCallback = Callable[[str], None]


class BuildFailed(Exception):
    """A build step failed. The message is the builder's."""


class BuilderMissing(Exception):
    """This way of building does not exist on this engine."""


WAYS = ("api", "cli", "classic")
# BuildKit puts it before the id of each cache mount when the step is run (since 0.6): no Dockerfile can reach around.
_CACHE_OWNER = "BUILDKIT_CACHE_MOUNT_NS"
# Arguments that are no Dockerfile's: one of them names another builder.
_OF_THE_BUILDER = "BUILDKIT_"


async def build(
    engine: Engine,
    context: Path,
    dockerfile: str,
    tag: str,
    labels: dict[str, str],
    *,
    way: str,
    owner: str,
    arguments: dict[str, str],
    no_cache: bool,
    timeout: float,
    say: LogCallback,
) -> str:
    """Build the tar archive `context` as `tag` in one of WAYS and give the image's id.

    dockerfile: its path in the archive. owner: whose build it is; no other owner's sees the contents of its cache
    mounts, whatever ids they have. arguments: of the Dockerfile; those that steer the builder itself are left out.
    timeout: seconds.
    Errors: BuildFailed, BuilderMissing (try the next way), EngineFailed, TimeoutError.
    """
    arguments = {name: value for name, value in arguments.items() if not name.startswith(_OF_THE_BUILDER)}
    if way != "classic":  # the old builder knows no cache mounts
        arguments[_CACHE_OWNER] = owner
    async with asyncio.timeout(timeout):
        if way == "cli":
            await _by_cli(engine, context, dockerfile, tag, labels, arguments, no_cache, timeout, say)
        else:
            await _by_api(engine, context, dockerfile, tag, labels, arguments, no_cache, way == "api", say)
    built = await engine.image(tag)
    if built is None:
        raise BuildFailed("the build ended, but the engine has no such image")
    return str(built["Id"])


async def _by_api(
    engine: Engine,
    context: Path,
    dockerfile: str,
    tag: str,
    labels: dict[str, str],
    arguments: dict[str, str],
    no_cache: bool,
    buildkit: bool,
    say: LogCallback,
) -> None:
    params: dict[str, Any] = {
        "t": tag,
        "dockerfile": dockerfile,
        "labels": labels,
        "nocache": no_cache,
        "rm": True,
        "forcerm": True,
        "version": "2" if buildkit else "1",
        "buildargs": arguments,
    }
    progress = BuildProgress(say)
    try:
        with context.open("rb") as archive:
            async with engine.stream("POST", "build", params=params, archive=archive) as pieces:
                async for line in whole_lines(pieces):
                    progress.message(json.loads(line))
    except EngineFailed as error:
        if buildkit and ("buildkit" in str(error).lower() or error.status == 501):
            raise BuilderMissing(str(error)) from error
        raise
    progress.flush()
    if progress.error:
        if buildkit and "no active session" in progress.error:
            raise BuilderMissing(progress.error)
        raise BuildFailed(progress.error)


# Steps and flags of the platform's own making, which say nothing to the app's owner.
_UNINTERESTING = re.compile(r"\[internal\]|copy /context /|FROM \S*better-paas/build-trust")
_OURS = re.compile(r"(?<!\S)--mount=\S+\s+|(?<!\S)[^\s/]+\.io/(?=better-paas/)")
# Characters of a step's name that are shown: it is the step's whole text.
_LONGEST_NAME = 4096


class BuildProgress:
    """Turns the engine's messages into log lines: each step once when it starts, its output as it comes."""

    def __init__(self, say: LogCallback) -> None:
        self._say = say
        self._started: set[str] = set()
        self._partial: dict[str, LineBuffer] = {}
        self.error = ""

    def message(self, message: dict[str, Any]) -> None:
        """One decoded line of the build's answer."""
        if "error" in message:
            self.error = self.error or str(message["error"])
        elif message.get("id") == "moby.buildkit.trace":
            self._trace(message["aux"])
        elif text := str(message.get("stream") or "").rstrip():
            for line in text.splitlines():
                self._say(line)

    def flush(self) -> None:
        """Say what came without a line's end: often it is the cause."""
        for buffer in self._partial.values():
            self._say_all(buffer.flush())
        self._partial.clear()

    def _say_all(self, lines: list[bytes]) -> None:
        for line in lines:
            if line.strip():
                self._say(line.decode())

    def _trace(self, encoded: str) -> None:
        try:
            status = decode(base64.b64decode(encoded))
        except (TraceError, ValueError):
            return
        for vertex in status.vertexes:
            if vertex.started and vertex.digest not in self._started and not _UNINTERESTING.match(vertex.name):
                self._started.add(vertex.digest)
                name = _OURS.sub("", vertex.name[:_LONGEST_NAME])
                self._say(f"{name}{' (cached)' if vertex.cached else ''}")
            if vertex.error and not self.error:
                self.error = vertex.error
        for digest, text in status.logs:
            buffer = self._partial.setdefault(digest, LineBuffer())
            self._say_all(buffer.feed(text.replace("\r\n", "\n").replace("\r", "\n").encode()))


async def _by_cli(
    engine: Engine,
    context: Path,
    dockerfile: str,
    tag: str,
    labels: dict[str, str],
    build_arguments: dict[str, str],
    no_cache: bool,
    timeout: float,
    say: LogCallback,
) -> None:
    arguments = ["--host", engine.host, "build", "--progress=plain", "--tag", tag, "--file", dockerfile]
    arguments += [f"--label={name}={value}" for name, value in labels.items()]
    arguments += [f"--build-arg={name}={value}" for name, value in build_arguments.items()]
    arguments += ["--no-cache", "-"] if no_cache else ["-"]
    archive = await asyncio.to_thread(context.read_bytes)
    missing = "there is no docker command"
    for program in _clients():
        try:
            await run(
                [program, *arguments],
                environment={"DOCKER_BUILDKIT": "1"},
                stdin=archive,
                timeout=timeout,
                on_line=lambda line: None if "buildx" in line else say(line),
            )
            return
        except ProgramFailed as error:
            if "buildx component is missing" not in error.output:
                last = next((line for line in reversed(error.output.splitlines()) if line.strip()), error.reason)
                raise BuildFailed(last) from error
            missing = "its buildx component is missing"
    raise BuilderMissing(missing)


def _clients() -> list[str]:
    """Every docker command on the path: a newer one without its build plug-in may hide one that can build."""
    folders = child_environment()["PATH"].split(":")
    return [found for folder in dict.fromkeys(folders) if (found := shutil.which("docker", path=folder))]
