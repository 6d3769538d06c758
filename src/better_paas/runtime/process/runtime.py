"""Releases as process groups of this machine, each kept up by a supervisor of its own that outlives the server.

    images/<app>/<deployment>/   app, tools, venv, site, made.json: how it is started
    releases/<deployment>/       spec.json, state.json, lock, logs, and tmp, which is all that it may write to
    volumes/<project>/<name>/    caches/<app>/    users.json    news.sock

It does not isolate like containers do: see docs/operations.md.
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from better_paas.builders.dockerfile import caddyfile
from better_paas.builders.plan import BuildPlan, NoPlan
from better_paas.kit.files import file_lock, write_atomically
from better_paas.kit.listeners import Listener
from better_paas.kit.quoted import Statement
from better_paas.kit.streams import merged
from better_paas.kit.subprocess import OWN_PACKAGE, ProgramFailed, child_environment, run
from better_paas.runtime.cause import Heard
from better_paas.runtime.process import sandbox
from better_paas.runtime.process.recipes import recipe, shell
from better_paas.runtime.process.sandbox import Means, Place
from better_paas.runtime.process.supervisor import NEWS, descendants
from better_paas.runtime.protocol import (
    MAIN,
    BuildRequest,
    LogCallback,
    LogLine,
    ReleaseSpec,
    ResourceUsage,
    RuntimeFailed,
    State,
    StoredVolume,
    memory_bytes,
)

_FIRST_USER = 210_000
# What a build makes is there to be read by whoever runs it.
_UMASK = 0o022
_STOP_SECONDS = 10.0
_START_SECONDS = 20.0
_ONCE_SECONDS = 3600.0
_FOREVER = 1e9
_SIZE_SECONDS = 5.0
_FIGURES_SECONDS = 1.0
_GONE = State(False, "it is not there any more")
# Folders of an image besides its app.
_BESIDE = ("tools", "venv", "site")
# The system's own form of a question for a lock: kind, whence, start, length, process.
_LOCK = "@hhqqi"
_NO_SANDBOX = "Install the package bubblewrap, or a Docker engine and set RUNTIME=docker."
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class _Image:
    """Of made.json. programs: folders of the language runtimes that it needs."""

    folder: Path
    start: list[str]
    environment: dict[str, str]
    user: int
    programs: tuple[Path, ...]
    created: float

    @property
    def app(self) -> Path:
        return self.folder / "app"

    def place(
        self, temporary: Path, *, writable: bool = False, mounts: tuple[tuple[Path, str, bool], ...] = ()
    ) -> Place:
        """What runs of it, with all else that it may write to."""
        tools, venv, site = (self.folder / name for name in _BESIDE)
        return Place(self.app, tools, venv, site, temporary, self.user, writable, self.programs, mounts)


@dataclass
class ProcessRuntime:
    """folder: where all of it lies. build_environment: what builds get besides, such as a certificate authority."""

    folder: Path
    build_environment: dict[str, str] = field(default_factory=dict)
    makes_images = False
    _means: Means | None = None
    _users: asyncio.Lock = field(default_factory=asyncio.Lock)
    # What `faults` is to hear; None while nobody listens. A supervisor's descriptor, by deployment, tells of its death.
    _news: asyncio.Queue[bytes | None] | None = None
    _watched: dict[str, int] = field(default_factory=dict)

    async def build(self, request: BuildRequest, say: LogCallback) -> str:
        reference = f"better-paas/app-{request.app_id}:{request.deployment_id}"
        image = self._image_folder(reference)
        if (image / "made.json").exists():
            return reference
        means = await self._find_means()
        if not means.bubblewrap:
            say("There is no sandbox (bubblewrap) on this machine: the build sees what the server may see.")
        programs = _programs(request.plan)
        caddy = programs.get("caddy", "")
        try:
            plan = recipe(request.plan, programs.get("python", ""), caddy)
        except NoPlan as error:
            raise RuntimeFailed(str(error), error.hint, error.quoted) from error
        user = await self._user(request.app_id)
        if means.is_root and not means.bubblewrap:
            _check_way(self.folder)
        # The home of all its builds: nobody else's builds may find a setting there.
        cache = self.folder / "caches" / request.app_id
        if request.no_cache:
            await asyncio.to_thread(shutil.rmtree, cache, True)
        await asyncio.to_thread(self._lay_out, request, image, cache, user)
        folders = tuple(sorted({Path(path).parent for path in programs.values()}))
        made = _Image(image, plan.start, plan.environment, user, folders, time.time())
        place = made.place(cache, writable=True)
        deadline = time.monotonic() + request.timeout
        for argv, variables in [
            *((argv, {}) for argv in plan.install),
            *((argv, request.variables) for argv in plan.build),
        ]:
            environment = self._environment(means, place, made, {**self.build_environment, **variables})
            await _run_step(means, place, argv, environment, deadline - time.monotonic(), request.timeout, say)
        for path in request.plan.mounts:
            _make_mount_point(image / "app", path)
        if request.plan.runtime == "static":
            self._write_caddyfile(means, place, request.plan)
        described = {
            "start": made.start,
            "environment": made.environment,
            "user": user,
            "programs": [str(path) for path in folders],
            "created": made.created,
        }
        write_atomically(image / "made.json", json.dumps(described))
        return reference

    def _lay_out(self, request: BuildRequest, image: Path, cache: Path, user: int) -> None:
        shutil.rmtree(image, ignore_errors=True)
        self._make_way(image)
        self._make_way(cache.parent)
        shutil.copytree(request.tree, image / "app", symlinks=True, ignore=shutil.ignore_patterns(".git"))
        for name in _BESIDE:
            (image / name).mkdir()
        cache.mkdir(parents=True, exist_ok=True)
        for folder in (image, image / "app", *(image / name for name in _BESIDE)):
            folder.chmod(0o755)
        if os.geteuid() == 0:
            for folder in (image / "app", image / "tools", image / "venv", cache):
                _give(folder, user)

    def _write_caddyfile(self, means: Means, place: Place, plan: BuildPlan) -> None:
        app, _, _ = sandbox.folders(means, place)
        root = app if plan.site == "." else f"{app}/{plan.site}"
        # Not where the build could put something in its way: this is written by the server's own user.
        file = place.site / "Caddyfile"
        file.write_text(caddyfile(plan).replace("root * /srv", f"root * {root}"))
        file.chmod(0o644)

    async def start(self, spec: ReleaseSpec) -> None:
        release = self.folder / "releases" / spec.deployment_id
        if find_supervisor(release) is not None:
            return
        means, image = await self._find_means(), self._image(spec.image)
        place = self._place(means, image, release, spec)
        environment = self._environment(means, place, image, spec.environment)
        commands = {
            MAIN: shell(spec.start_command) if spec.start_command else image.start,
            **{name: shell(command) for name, command in spec.processes.items()},
        }
        memory = memory_bytes(spec.memory)
        processes = {
            name: {
                "argv": sandbox.command(means, place, argv, memory),
                "environment": {**environment, **({"PORT": str(spec.host_port)} if name == MAIN else {})},
            }
            for name, argv in commands.items()
        }
        described = {
            "project": spec.project_id,
            "memory": memory,
            "volumes": [volume.name for volume in spec.volumes],
            "processes": processes,
            "cwd": str(image.app),
            "news": str(self.folder),
            "settled": False,
            "stopSeconds": _STOP_SECONDS,
        }
        write_atomically(release / "spec.json", json.dumps(described))
        await _start_supervisor(release)
        self._watch(release)

    def _place(self, means: Means, image: _Image, release: Path, spec: ReleaseSpec) -> Place:
        """Errors: RuntimeFailed for volumes without a sandbox, which nothing could bring to their path."""
        if spec.volumes and not means.bubblewrap:
            raise RuntimeFailed("volumes need a sandbox, which this machine can't make", _NO_SANDBOX)
        temporary = release / "tmp"
        self._make_way(release)
        temporary.mkdir(exist_ok=True)
        mounts = []
        for volume in spec.volumes:
            source = self.folder / "volumes" / spec.project_id / volume.name
            source.mkdir(parents=True, exist_ok=True)
            # Nobody gets there but by a sandbox that has it: several apps may share one, each as a user of its own.
            source.chmod(0o777)
            mounts.append((source, volume.path, not volume.read_only))
        if means.is_root:
            os.chown(temporary, image.user, image.user)
        return image.place(temporary, mounts=tuple(mounts))

    def _environment(self, means: Means, place: Place, image: _Image, extra: dict[str, str]) -> dict[str, str]:
        made = {name: sandbox.seen(means, place, value) for name, value in image.environment.items()}
        _, _, temporary = sandbox.folders(means, place)
        inherited = child_environment()
        own = ":".join(str(path) for path in image.programs)
        path = f"{made.pop('PATH', '')}{own}:{inherited['PATH']}"
        return {**inherited, **made, "HOME": temporary, "TMPDIR": temporary, **sandbox.harmless(extra), "PATH": path}

    async def run_once(self, spec: ReleaseSpec, command: str, say: LogCallback) -> int:
        release = self.folder / "releases" / spec.deployment_id
        means, image = await self._find_means(), self._image(spec.image)
        place = self._place(means, image, release, spec)
        environment = self._environment(means, place, image, spec.environment)
        try:
            await run(
                sandbox.command(means, place, shell(command), memory_bytes(spec.memory)),
                environment=environment, cwd=image.app, timeout=_ONCE_SECONDS, on_line=say, all_output=True,
                umask=_UMASK,
            )  # fmt: skip
        except ProgramFailed as error:
            if error.code is None:
                raise RuntimeFailed("the command could not be run to its end", quoted=error.reason) from error
            return error.code
        return 0

    async def state(self, deployment_id: str) -> State:
        return _state(self.folder / "releases" / deployment_id)

    async def states(self) -> dict[str, State]:
        return {
            release.name: dataclasses.replace(_state(release), app_id=self._app_of(release))
            for release in self._releases()
        }

    def _app_of(self, release: Path) -> str:
        """By the folder of its image, `images/<app>/<deployment>/app`."""
        folder = Path((_read(release / "spec.json") or {}).get("cwd", ""))
        return folder.parent.parent.name if folder.is_relative_to(self.folder / "images") else ""

    async def describe(self, deployment_id: str) -> ReleaseSpec | None:
        return None  # its variables are not kept apart from those of the machine

    async def exposed_ports(self, reference: str) -> list[int]:
        return []

    async def listeners(self, deployment_id: str) -> list[Listener]:
        return []  # all share the machine's own network, where its address decides nothing

    async def usage(self, deployment_id: str) -> ResourceUsage:
        release = self.folder / "releases" / deployment_id
        supervisor = find_supervisor(release)
        if supervisor is None:
            raise RuntimeFailed("it does not run", "Start the app.")
        before = _taken(supervisor)
        await asyncio.sleep(_FIGURES_SECONDS)
        after = _taken(supervisor)
        limit = int((_read(release / "spec.json") or {}).get("memory", 0))
        return ResourceUsage(
            cpu=round(max(0.0, after.seconds - before.seconds) / _FIGURES_SECONDS, 4),
            memory=after.memory,
            memory_limit=limit,
            processes=after.count,
        )

    async def settle(self, deployment_id: str) -> None:
        release = self.folder / "releases" / deployment_id
        spec = _read(release / "spec.json")
        if spec is None:
            raise RuntimeFailed("it is not there any more", "Deploy it again.")
        write_atomically(release / "spec.json", json.dumps({**spec, "settled": True}))
        if (supervisor := find_supervisor(release)) is not None:
            os.kill(supervisor, signal.SIGHUP)

    async def stop(self, deployment_id: str) -> None:
        release = self.folder / "releases" / deployment_id
        supervisor = find_supervisor(release)
        if supervisor is None:
            return
        self._unwatch(deployment_id)
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        await asyncio.to_thread(_wait_until_dead, release)

    async def remove(self, deployment_id: str) -> None:
        await self.stop(deployment_id)
        await asyncio.to_thread(shutil.rmtree, self.folder / "releases" / deployment_id, True)

    async def logs(self, deployment_id: str, *, tail: int, follow: bool = False) -> AsyncIterator[LogLine]:
        release = self.folder / "releases" / deployment_id
        names = list((_read(release / "spec.json") or {"processes": {}})["processes"])
        several = len(names) > 1
        if tail:
            kept = [
                LogLine(*_split(line), name if several else "")
                for name in names
                for line in await asyncio.to_thread(_last_lines, release / f"{name}.log", tail)
            ]
            for line in sorted(kept, key=lambda line: line.timestamp)[-tail:]:
                yield line
        if follow:
            async for name, text in merged({name: _follow(release / f"{name}.log") for name in names}):
                yield LogLine(*_split(text), name if several else "")

    async def remove_project(self, project_id: str) -> None: ...

    async def images(self, app_id: str) -> list[tuple[str, str]]:
        folders = (self.folder / "images" / app_id).glob("*")
        made = [(found["created"], folder.name) for folder in folders if (found := _read(folder / "made.json"))]
        return [(name, f"better-paas/app-{app_id}:{name}") for _, name in sorted(made, reverse=True)]

    async def has_image(self, reference: str) -> bool:
        return (self._image_folder(reference) / "made.json").exists()

    async def remove_image(self, reference: str) -> None:
        image = self._image_folder(reference)
        await asyncio.to_thread(shutil.rmtree, image, True)
        if not await self.images(image.parent.name):
            await asyncio.to_thread(shutil.rmtree, self.folder / "caches" / image.parent.name, True)

    async def volumes(self, known: Collection[tuple[str, str]]) -> list[StoredVolume]:
        found = [folder for folder in (self.folder / "volumes").glob("*/*") if folder.is_dir()]
        deadline = time.monotonic() + _SIZE_SECONDS
        return [
            StoredVolume(folder.parent.name, folder.name, await asyncio.to_thread(_size, folder, deadline))
            for folder in sorted(found)
        ]

    async def has_volume(self, project_id: str, name: str) -> bool:
        return (self.folder / "volumes" / project_id / name).is_dir()

    async def remove_volume(self, project_id: str, name: str) -> None:
        for release in self._releases():
            spec = _read(release / "spec.json") or {}
            is_its = spec.get("project") == project_id and name in spec.get("volumes", ())
            if is_its and find_supervisor(release) is not None:
                raise RuntimeFailed("something uses this volume", "Stop the apps that have it first.")
        await asyncio.to_thread(shutil.rmtree, self.folder / "volumes" / project_id / name, True)

    async def storage(self) -> list[Path]:
        return [self.folder]

    async def trim_build_cache(self, most_bytes: int) -> int:
        caches = self.folder / "caches"
        size = await asyncio.to_thread(_size, caches, time.monotonic() + _SIZE_SECONDS)
        if size is None or size <= most_bytes:
            return 0
        await asyncio.to_thread(shutil.rmtree, caches, True)
        return size

    async def faults(self) -> AsyncIterator[tuple[str, Statement]]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        news: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._news = news
        with _listening(self.folder) as line:
            loop = asyncio.get_running_loop()
            loop.add_reader(line.fileno(), lambda: news.put_nowait(line.recv(65536)))
            try:
                for release in self._releases():
                    self._watch(release)
                while (heard := await news.get()) is not None:
                    said = json.loads(heard)
                    yield said["deployment"], Statement(said["fault"], said.get("process", ""))
                raise RuntimeFailed("the supervisor of an app was killed", "It is started again.")
            finally:
                self._news = None
                loop.remove_reader(line.fileno())
                for deployment_id in list(self._watched):
                    self._unwatch(deployment_id)

    def _watch(self, release: Path) -> None:
        """A supervisor that is killed can't say so."""
        news, supervisor = self._news, find_supervisor(release)
        if news is None or supervisor is None or release.name in self._watched:
            return

        def died() -> None:
            self._unwatch(release.name)
            news.put_nowait(None)

        try:
            descriptor = self._watched[release.name] = os.pidfd_open(supervisor)
        except ProcessLookupError:  # just now
            news.put_nowait(None)
            return
        asyncio.get_running_loop().add_reader(descriptor, died)

    def _unwatch(self, deployment_id: str) -> None:
        descriptor = self._watched.pop(deployment_id, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    async def has_sandbox(self) -> bool:
        return bool((await self._find_means()).bubblewrap)

    async def _find_means(self) -> Means:
        if self._means is None:
            is_root = os.geteuid() == 0
            self._means = Means(await _working_bubblewrap(is_root), is_root)
            if is_root and not self._means.bubblewrap:
                # Users of their own have to get to what is theirs; nothing else in there is open to them.
                self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
                for folder in (self.folder, self.folder.parent):
                    folder.chmod(0o711)
        return self._means

    def _make_way(self, folder: Path) -> None:
        """Make a folder that the apps' users get through, whatever the server's own umask is; they see no names."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in (folder, *folder.parents):
            if part == self.folder:
                break
            part.chmod(0o711)

    async def _user(self, app_id: str) -> int:
        """Of the app's own, for ever, if we may choose."""
        if os.geteuid() != 0:
            return os.geteuid()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._users, file_lock(self.folder / "users.lock"):
            users = _read(self.folder / "users.json") or {}
            if app_id not in users:
                users[app_id] = max(users.values(), default=_FIRST_USER) + 1
                write_atomically(self.folder / "users.json", json.dumps(users))
            return int(users[app_id])

    def _releases(self) -> list[Path]:
        return [path.parent for path in (self.folder / "releases").glob("*/spec.json")]

    def _image_folder(self, reference: str) -> Path:
        app_id, _, deployment_id = reference.removeprefix("better-paas/app-").partition(":")
        return self.folder / "images" / app_id / deployment_id

    def _image(self, reference: str) -> _Image:
        folder = self._image_folder(reference)
        made = _read(folder / "made.json")
        if made is None:
            raise RuntimeFailed("what was built is gone", "Deploy the app again.")
        programs = tuple(Path(path) for path in made["programs"])
        return _Image(folder, made["start"], made["environment"], made["user"], programs, made["created"])


def _check_way(folder: Path) -> None:
    """Errors: RuntimeFailed where other users than ours can't get to what is theirs, and no sandbox brings it."""
    closed = next((part for part in reversed(folder.parents) if not part.stat().st_mode & stat.S_IXOTH), None)
    if closed is not None:
        raise RuntimeFailed(
            f"apps run as users of their own, who can't get below {closed}",
            "Install the package bubblewrap, or set BETTER_PAAS_DATA_DIR to a place such as /var/lib/better-paas.",
        )


def _programs(plan: BuildPlan) -> dict[str, str]:
    """What the machine has to have for a plan, by name. Errors: RuntimeFailed."""
    builds = plan.runtime != "static" or bool(plan.install or plan.build)
    programs = {"python": {"python": "python3"}, "node": {"node": "node", "npm": "npm"}}
    wanted = dict(programs.get(plan.language, {})) if builds else {}
    if plan.runtime == "static":
        wanted["caddy"] = "caddy"
    found = {}
    for name, command in wanted.items():
        # What every user of this machine may run comes first.
        places = ["/usr/bin", "/usr/local/bin", os.environ.get("PATH", ""), str(Path(sys.executable).parent)]
        program = shutil.which(command, path=":".join(places))
        if program is None:
            raise RuntimeFailed(f"there is no {name} on this machine", f"Install {name}, or a Docker engine.")
        found[name] = str(Path(program).resolve()) if name != "npm" else program
    return found


async def _working_bubblewrap(is_root: bool) -> str:
    """The path of bubblewrap if it can make a sandbox here."""
    program = shutil.which("bwrap")
    if program is None:
        return ""
    trial = [program, "--unshare-pid", *([] if is_root else ["--unshare-user"]), "--ro-bind", "/", "/", "/bin/true"]
    try:
        await run(trial, timeout=10)
    except ProgramFailed:
        return ""
    return program


async def _run_step(
    means: Means,
    place: Place,
    argv: list[str],
    environment: dict[str, str],
    seconds: float,
    timeout: float,
    say: LogCallback,
) -> None:
    shown = argv[-1] if argv[0] == "/bin/sh" else " ".join([Path(argv[0]).name, *argv[1:]])
    shown = sandbox.seen(means, place, shown)
    say(f"$ {shown}")
    heard = Heard(say)
    try:
        await run(
            sandbox.command(means, place, argv, 0),
            environment=environment, cwd=place.app, timeout=max(1.0, seconds), on_line=heard, all_output=True,
            umask=_UMASK,
        )  # fmt: skip
    except ProgramFailed as error:
        if error.code is None:
            raise RuntimeFailed(
                f"the build took longer than {timeout:.0f} s and was stopped",
                "Does a command wait for input? If the build needs longer, raise BUILD_TIMEOUT.",
            ) from error
        told = heard.ended(shown, error.code)
        hint = "The end of the log shows all that it said."
        raise RuntimeFailed(told.sentence, hint, told.quoted) from error


async def _start_supervisor(release: Path) -> None:
    """Errors: RuntimeFailed if it does not begin."""
    argv = [sys.executable, "-m", "better_paas.runtime.process.supervisor", str(release)]
    try:
        await run(argv, environment=OWN_PACKAGE, cwd=Path("/"), timeout=_START_SECONDS)
    except ProgramFailed as error:
        raise RuntimeFailed("the supervisor did not start", f"See {release}/supervisor.log.") from error


def find_supervisor(release: Path) -> int | None:
    """The process that holds the release, None if nobody does: a lock ends with its holder, whose number it knows.

    Errors: RuntimeFailed if it can't be seen from here.
    """
    try:
        descriptor = os.open(release / "lock", os.O_RDWR)
    except OSError:
        return None
    try:
        # Those who wait for its end share the lock: they are not asked for.
        wanted = struct.pack(_LOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        found = struct.unpack(_LOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted))
        kind, holder = found[0], int(found[4])
        if kind == fcntl.F_UNLCK:
            return None
        if holder <= 0:  # a signal to 0 would meet this server
            raise RuntimeFailed("another container's process looks after the app", "Run one server for each machine.")
        return holder
    finally:
        os.close(descriptor)


def _make_mount_point(app: Path, path: str) -> None:
    """The folder of a volume below /app, which can't be made where nothing can be written. Errors: RuntimeFailed."""
    if not path.startswith("/app/"):
        return
    folder = app
    for part in Path(path).relative_to("/app").parts:
        folder = folder / part
        # A build may have put a link there, to anywhere.
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise RuntimeFailed("there is something else at a volume's path", "Choose another path for it.", path)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _wait_until_dead(release: Path) -> None:
    descriptor = os.open(release / "lock", os.O_RDWR)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _state(release: Path) -> State:
    spec, state = _read(release / "spec.json"), _read(release / "state.json")
    if spec is None or state is None:
        return _GONE
    names = frozenset(spec["processes"])
    if find_supervisor(release) is None:
        return State(False, "it does not run", 0, names)
    processes = state["processes"]
    restarts = sum(one["restarts"] for one in processes.values())
    down = next((name for name, one in processes.items() if not one["running"]), None)
    if down is None:
        return State(True, "", restarts, names)
    return State(False, processes[down]["reason"], restarts, names, "" if down == MAIN else down)


def _read(path: Path) -> Any:
    """The JSON in a file, or None."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text())
    return None


def _give(folder: Path, user: int) -> None:
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files, "."):
            os.chown(Path(root) / name, user, user, follow_symlinks=False)


def _size(folder: Path, deadline: float) -> int | None:
    """Bytes below a folder, or None if counting takes too long."""
    total = 0
    for root, _, files in os.walk(folder):
        if time.monotonic() > deadline:
            return None
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_blocks * 512
    return total


@dataclass(frozen=True)
class _Taken:
    seconds: float
    memory: int
    count: int


def _taken(supervisor: int) -> _Taken:
    """What the processes below a supervisor have taken until now."""
    seconds, memory, count = 0.0, 0, 0
    for pid in descendants(supervisor):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / _TICKS
            memory += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
            count += 1
    return _Taken(seconds, memory, count)


def _last_lines(path: Path, count: int) -> list[str]:
    lines: list[str] = []
    for file in (path.with_suffix(".log.1"), path):
        with contextlib.suppress(OSError):
            lines += file.read_text(errors="replace").splitlines()[-count:]
    return lines[-count:]


async def _follow(path: Path) -> AsyncIterator[str]:
    """What comes, by way of a program that is woken by the system."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    argv = ["tail", "-n", "0", "-F", "--", str(path)]
    reader = asyncio.create_task(run(argv, timeout=_FOREVER, on_line=lines.put_nowait, all_output=True))
    try:
        while True:
            yield await lines.get()
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


def _split(line: str) -> tuple[str, str]:
    stamp, _, text = line.partition(" ")
    return stamp, text


@contextlib.contextmanager
def _listening(folder: Path) -> Iterator[socket.socket]:
    """The socket that supervisors tell news to."""
    (folder / NEWS).unlink(missing_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            # By way of the folder: a socket's path must be short.
            line.bind(f"/proc/self/fd/{descriptor}/{NEWS}")
            yield line
    finally:
        os.close(descriptor)
