"""Releases as containers of one Docker engine."""

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import Any

from better_paas.builders.bases import APP_LABEL, NoBase, TrustSource
from better_paas.builders.context import Chosen
from better_paas.builders.dockerfile import LENT, MANIFESTS, SOURCE
from better_paas.builders.plan import NoPlan
from better_paas.engine.build import WAYS, BuilderMissing, BuildFailed, build
from better_paas.engine.client import Container, Engine, EngineFailed
from better_paas.engine.limits import BuildLimits, limit_builds
from better_paas.kit import listeners, temporary
from better_paas.kit.listeners import Listener
from better_paas.kit.locks import Locks
from better_paas.kit.quoted import Statement
from better_paas.kit.streams import merged
from better_paas.runtime import ownership
from better_paas.runtime.addresses import hardware_address
from better_paas.runtime.cause import Heard
from better_paas.runtime.networks import DEPLOYMENT, INSTANCE, PROJECT, Networks
from better_paas.runtime.protocol import (
    GONE,
    MAIN,
    ONCE,
    BuildRequest,
    LogCallback,
    LogLine,
    PortTaken,
    ReleaseSpec,
    ResourceUsage,
    RuntimeFailed,
    State,
    StoredVolume,
    Volume,
    memory_bytes,
)
from better_paas.untrusted.reader import SourceReader

_INSTANCE, _DEPLOYMENT, _PROJECT = INSTANCE, DEPLOYMENT, PROJECT
_APP, _PROCESS = APP_LABEL, "better-paas.process"
# What images need that begin as root and then become another user; everything else is taken away.
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "NET_BIND_SERVICE", "KILL"]
_STOP_SECONDS = 10
_CONFLICT, _UNREACHABLE = 409, 900
_ONCE_LINES = 1000
# The major version of the engine whose builder has them without a `# syntax=` line.
_HEREDOCS_SINCE = 23
_MEASURE_ATTEMPTS = 3


class DockerRuntime:
    """Everything that it makes carries the installation's id; nothing else is ever listed, changed or removed."""

    makes_images = True

    def __init__(
        self,
        engine: Engine,
        instance: str,
        builder: str,
        trust: TrustSource,
        reader: SourceReader,
        networks: Networks,
        locks: Locks,
        build_limits: BuildLimits | None = None,
    ) -> None:
        """instance: the installation's id."""
        self._engine, self._instance, self._builder = engine, instance, builder
        self._trust, self._reader, self._networks = trust, reader, networks
        self._locks, self._build_limits = locks, build_limits
        # Why builds have no limits, for people; empty while they have.
        self.limit_problem = ""

    async def build(self, request: BuildRequest, say: LogCallback) -> str:
        reference = f"better-paas/app-{request.app_id}:{request.deployment_id}"
        if await self._engine.image(reference) is not None:
            return reference
        if self._build_limits is not None:
            if await self._engine.cgroup_driver() == "systemd":
                self.limit_problem = "builds are not limited: the engine leaves their control groups to systemd"
            else:
                self.limit_problem = await asyncio.to_thread(limit_builds, self._build_limits)
        ways = WAYS if self._builder == "auto" else (self._builder,)
        for way in ways:
            heard = Heard(say)
            try:
                await self._build(request, reference, way, heard)
                return reference
            except BuilderMissing as error:
                if way == ways[-1]:
                    raise RuntimeFailed(
                        f"this engine can't build by '{way}'",
                        "Install docker-buildx, or set BUILDER=auto.",
                        str(error),
                    ) from error
            except BuildFailed as error:
                told = heard.explain(str(error))
                hint = _build_hint(str(error), told.quoted)
                raise RuntimeFailed(told.sentence, hint, told.quoted) from error
            except TimeoutError as error:
                raise RuntimeFailed(
                    f"the build took longer than {request.timeout:.0f} s and was stopped",
                    "Does a command wait for input? If the build needs longer, raise BUILD_TIMEOUT.",
                ) from error
            except (EngineFailed, NoBase, NoPlan) as error:
                raise _failed(error) from error
        return reference

    async def _build(self, request: BuildRequest, reference: str, way: str, say: LogCallback) -> None:
        recipe = request.recipe
        assert recipe is not None
        if recipe.has_heredocs:
            await self._refuse_unknown_syntax(way)
        dockerfile, name = recipe.dockerfile, f"{LENT}/Dockerfile" if recipe.generated else request.plan.dockerfile_path
        if way == "classic":
            if self._trust.bundle is not None:
                say("The old builder knows no mounts: BUILD_CA_FILE has no effect.")
            dockerfile = await self._reader.without_mounts(dockerfile)
        elif trust_image := await self._trust.image():
            dockerfile = await self._reader.trusting(dockerfile, trust_image)
        async with temporary.folder("better-paas-context-") as folder:
            archive = folder / "context.tar"
            prefix = SOURCE if recipe.generated else ""
            extra = {**recipe.lent, name: dockerfile}
            manifests = request.plan.manifests if recipe.generated else ()
            chosen = Chosen(MANIFESTS, manifests) if manifests else None
            await self._reader.pack(archive, request.tree, prefix, recipe.ignore, extra, chosen)
            labels = self._labels(request.app_id, request.deployment_id)
            await build(
                self._engine,
                archive,
                name,
                reference,
                labels,
                way=way,
                owner=f"{self._instance}-{request.plan.cache_scope or request.app_id}",
                arguments=request.plan.build_args if request.plan.runtime == "dockerfile" else {},
                no_cache=request.no_cache,
                timeout=request.timeout,
                say=say,
            )

    async def _refuse_unknown_syntax(self, way: str) -> None:
        """Errors: RuntimeFailed, where a heredoc's lines would be taken for instructions."""
        if way == "classic" or await self._engine.major_version() < _HEREDOCS_SINCE:
            raise RuntimeFailed(
                "this engine's builder does not know the heredocs (<<) of the Dockerfile",
                f"Update the engine to {_HEREDOCS_SINCE} or newer, or join the lines with && and a backslash.",
            )

    async def start(self, spec: ReleaseSpec) -> None:
        with _told():
            await self._remove(await self._containers(spec.deployment_id, once=True))
            found = {_process(container): container.id for container in await self._containers(spec.deployment_id)}
            for name in (MAIN, *spec.processes):
                await self._begin(spec, found.get(name) or await self._create(spec, name))
            # The project may have got a larger network meanwhile.
            await self._networks.of(spec.project_id)

    async def run_once(self, spec: ReleaseSpec, command: str, say: LogCallback) -> int:
        with _told():
            # It stays until the release starts or goes: then its end is known even to a server that was away.
            found = await self._containers(spec.deployment_id, once=True)
            if found and found[0].status != "created":
                container_id = found[0].id
                say("It went on while the server was away. All that it said:")
            else:
                once = dataclasses.replace(spec, container_port=0, processes={ONCE: command})
                container_id = found[0].id if found else await self._create(once, ONCE)
                await self._begin(once, container_id)
            async for _, line in self._engine.logs(container_id, tail=_ONCE_LINES, follow=True):
                say(line)
            return await self._engine.wait_container(container_id)

    async def _begin(self, spec: ReleaseSpec, container_id: str) -> None:
        """Start a container; if it is not on the project's network, or that has no address left, on one that has."""
        try:
            await self._engine.start_container(container_id)
        except EngineFailed as error:
            container = await self._engine.container(container_id)
            if container is None or error.status == _UNREACHABLE:
                raise
            hardware = hardware_address(spec.deployment_id, _process(container)) if spec.own_address else ""
            if not await self._networks.move(container, await self._networks.with_room(spec.project_id), hardware):
                raise
            await self._engine.start_container(container_id)

    async def _create(self, spec: ReleaseSpec, process: str) -> str:
        found = await self._networks.of(spec.project_id)
        # Engines before 25 heed a hardware address only with the name of the network; no other of the project has it.
        network = found.name if spec.own_address else found.id
        labels = {_INSTANCE: self._instance, _PROJECT: spec.project_id}
        for volume in spec.volumes:
            await self._engine.ensure_volume(_volume_name(spec.project_id, volume.name), labels)
        name, alias = f"{spec.app_name}-{spec.deployment_id}", spec.app_name
        if process != MAIN:
            name, alias = f"{name}-{process}", f"{alias}-{process}"
        # The engine's own follows from the network address: whoever gets that one next is found at once. One of ours is
        # not, until neighbours have forgotten the one before; so only those have one that need it.
        address = {"MacAddress": hardware_address(spec.deployment_id, process)} if spec.own_address else {}
        config: dict[str, Any] = {
            "Image": spec.image,
            # Engines before 25 read this one, newer ones that of the network.
            **address,
            "Env": [f"{name}={value}" for name, value in spec.environment.items()],
            "Labels": {
                **self._labels(spec.app_id, spec.deployment_id),
                _PROJECT: spec.project_id,
                _PROCESS: process,
            },
            "HostConfig": {
                "NetworkMode": network,
                # Until it is live an end is an end; then `settle` makes the engine restart it.
                "RestartPolicy": {"Name": "no"},
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
                "SecurityOpt": ["no-new-privileges"],
                "CapDrop": ["ALL"],
                "CapAdd": _CAPABILITIES,
                "PidsLimit": 1024,
                "Memory": memory_bytes(spec.memory),
                "NanoCpus": round(float(spec.cpus) * 1e9) if spec.cpus else 0,
                "Init": True,
                "Mounts": [
                    {
                        "Type": "volume",
                        "Source": _volume_name(spec.project_id, volume.name),
                        "Target": volume.path,
                        "ReadOnly": volume.read_only,
                    }
                    for volume in spec.volumes
                ],
            },
            "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [alias], **address}}},
        }
        if process == MAIN and spec.container_port:
            port = f"{spec.container_port}/tcp"
            config["ExposedPorts"] = {port: {}}
            config["HostConfig"]["PortBindings"] = {port: [{"HostIp": "127.0.0.1", "HostPort": str(spec.host_port)}]}
        if command := spec.start_command if process == MAIN else spec.processes[process]:
            config["Cmd"] = ["/bin/sh", "-c", command]
        async with self._locks.exclusive(f"container-{spec.app_id}"):
            # Made meanwhile, by a server that was thought to be dead, or by a call whose answer was lost.
            for container in await self._containers(spec.deployment_id, once=process == ONCE):
                if _process(container) == process:
                    return container.id
            made = await self._engine.create_container(name, config)
        if writable := [volume.path for volume in spec.volumes if not volume.read_only]:
            image = await self._engine.image(spec.image)
            await ownership.give(self._engine, made, ((image or {}).get("Config") or {}).get("User") or "0", writable)
        return made

    async def exposed_ports(self, reference: str) -> list[int]:
        with _told():
            image = await self._engine.image(reference)
        named = (((image or {}).get("Config") or {}).get("ExposedPorts") or {}).keys()
        return sorted(int(port) for port, _, kind in (name.partition("/") for name in named) if kind in ("", "tcp"))

    async def listeners(self, deployment_id: str) -> list[Listener]:
        with _told():
            for container in await self._containers(deployment_id):
                if container.running and _process(container) == MAIN:
                    found = await self._engine.inspect_container(container.id)
                    return await asyncio.to_thread(listeners.of_container, found["State"]["Pid"], container.id)
        return []

    async def state(self, deployment_id: str) -> State:
        with _told():
            looked_at = [
                (_process(container), await self._engine.container(container.id))
                for container in await self._containers(deployment_id)
            ]
        found = {process: container for process, container in looked_at if container is not None}
        if not found:
            return GONE
        names, restarts = frozenset(found), sum(container.restarts for container in found.values())
        for process, container in found.items():
            if not container.running:
                return State(False, _reason(container, process), restarts, names, _named(process))
        return State(True, "", restarts, names)

    async def states(self) -> dict[str, State]:
        with _told():
            containers = await self._engine.containers(*self._own())
        result: dict[str, State] = {}
        for container in containers:
            if _DEPLOYMENT in container.labels:
                before = result.get(container.labels[_DEPLOYMENT], State(True))
                result[container.labels[_DEPLOYMENT]] = State(
                    before.running and container.running,
                    before.reason or ("" if container.running else f"it is {container.status}"),
                    processes=before.processes | {_process(container)},
                    app_id=container.labels.get(_APP, ""),
                )
        return result

    async def describe(self, deployment_id: str) -> ReleaseSpec | None:
        with _told():
            each = {
                _process(container): await self._engine.inspect_container(container.id)
                for container in await self._containers(deployment_id)
            }
            if MAIN not in each:
                return None
            image = await self._engine.image(each[MAIN]["Image"])
        return _described(each, deployment_id, (image or {}).get("Config") or {})

    async def usage(self, deployment_id: str) -> ResourceUsage:
        with _told():
            containers = [container for container in await self._containers(deployment_id) if container.running]
            if not containers:
                raise RuntimeFailed("the app does not run, so it takes nothing", "Start it first.")
            taken = await asyncio.gather(*(self._measured(container) for container in containers))
        each = [_usage(stats) for stats in taken]
        return ResourceUsage(
            cpu=round(sum(one.cpu for one in each), 4),
            memory=sum(one.memory for one in each),
            memory_limit=sum(one.memory_limit for one in each),
            processes=sum(one.processes for one in each),
        )

    async def _measured(self, container: Container) -> dict[str, Any]:
        """Errors: RuntimeFailed. An engine that is busy answers now and then with nothing but noughts, of no time."""
        for _ in range(_MEASURE_ATTEMPTS):
            found = await self._engine.stats(container.id)
            if not found.get("read", "").startswith("0001-"):
                return found
        raise RuntimeFailed("the engine can't measure the app now", "Ask again in a moment.")

    async def settle(self, deployment_id: str) -> None:
        with _told():
            for container in await self._containers(deployment_id):
                await self._engine.set_restart_policy(container.id, "unless-stopped")
                # One that ended just before is not started by a policy that it gets now.
                await self._engine.start_container(container.id)

    async def stop(self, deployment_id: str) -> None:
        with _told():
            containers = await self._containers(deployment_id)
            await asyncio.gather(
                *(self._engine.stop_container(container.id, _STOP_SECONDS) for container in containers)
            )

    async def remove(self, deployment_id: str) -> None:
        with _told():
            await self._remove(
                [*await self._containers(deployment_id), *await self._containers(deployment_id, once=True)]
            )

    async def _remove(self, containers: list[Container]) -> None:
        for container in containers:
            await self._engine.remove_container(container.id)

    async def _containers(self, deployment_id: str, once: bool = False) -> list[Container]:
        """Containers of a release; with `once`, those that run one command for it."""
        found = await self._engine.containers(*self._own(f"{_DEPLOYMENT}={deployment_id}"))
        return [container for container in found if (_process(container) == ONCE) == once]

    async def logs(self, deployment_id: str, *, tail: int, follow: bool = False) -> AsyncIterator[LogLine]:
        with _told():
            containers = await self._containers(deployment_id)
        if len(containers) == 1:
            async for timestamp, text in self._engine.logs(containers[0].id, tail=tail, follow=follow):
                yield LogLine(timestamp, text)
            return
        if tail:
            kept = [
                LogLine(timestamp, text, _process(container))
                for container in containers
                async for timestamp, text in self._engine.logs(container.id, tail=tail)
            ]
            for line in sorted(kept, key=lambda line: line.timestamp)[-tail:]:
                yield line
        if follow:
            # A line that comes between the two readings is seen by neither: rather that than twice.
            sources = {
                _process(container): self._engine.logs(container.id, tail=0, follow=True) for container in containers
            }
            async for process, (timestamp, text) in merged(sources):
                yield LogLine(timestamp, text, process)

    async def remove_project(self, project_id: str) -> None:
        with _told():
            await self._networks.remove(project_id)

    async def images(self, app_id: str) -> list[tuple[str, str]]:
        with _told():
            found = await self._engine.images(*self._own(f"{_APP}={app_id}"))
        found.sort(key=lambda image: image.created, reverse=True)
        prefix = f"better-paas/app-{app_id}:"
        return [(tag.removeprefix(prefix), tag) for image in found for tag in image.tags if tag.startswith(prefix)]

    async def has_sandbox(self) -> bool:
        return True

    async def volumes(self, known: Collection[tuple[str, str]]) -> list[StoredVolume]:
        ours = {_volume_name(*key) for key in known}
        with _told():
            found = await self._engine.volumes()
        names = [name for name, labels in found.items() if labels.get(_INSTANCE) == self._instance or name in ours]
        sizes: dict[str, int] = {}
        with contextlib.suppress(EngineFailed, TimeoutError):
            async with asyncio.timeout(_SIZES_SECONDS):
                sizes = await self._engine.volume_sizes() if names else {}
        return [
            StoredVolume(match["project"], match["name"], sizes.get(name))
            for name in sorted(names)
            if (match := _VOLUME_NAME.fullmatch(name)) is not None
        ]

    async def has_volume(self, project_id: str, name: str) -> bool:
        with _told():
            return await self._engine.has_volume(_volume_name(project_id, name))

    async def remove_volume(self, project_id: str, name: str) -> None:
        with _told():
            await self._engine.remove_volume(_volume_name(project_id, name))

    async def has_image(self, reference: str) -> bool:
        with _told():
            return await self._engine.image(reference) is not None

    async def remove_image(self, reference: str) -> None:
        with _told():
            await self._engine.remove_image(reference)

    async def storage(self) -> list[Path]:
        with _told():
            return [Path(await self._engine.root_folder())]

    async def trim_build_cache(self, most_bytes: int) -> int:
        with _told():
            containers = await self._engine.containers()
            if any(_INSTANCE not in container.labels for container in containers):
                return 0  # others build on this engine too, and nothing says whose an entry is
            return await self._engine.prune_build_cache(most_bytes)

    async def faults(self) -> AsyncIterator[tuple[str, Statement]]:
        async for event in self._engine.events(f"{_INSTANCE}={self._instance}"):
            attributes = event["Actor"]["Attributes"]
            process = attributes.get(_PROCESS, MAIN)
            if process == ONCE:
                continue
            it = _called(process)
            what = {"oom": f"{it} ran out of memory", "start": ""}.get(
                event["Action"], f"{it} ended with code {attributes.get('exitCode', '?')}"
            )
            yield attributes.get(_DEPLOYMENT, ""), Statement(what, _named(process) if what else "")

    def _labels(self, app_id: str, deployment_id: str) -> dict[str, str]:
        return {_INSTANCE: self._instance, _APP: app_id, _DEPLOYMENT: deployment_id}

    def _own(self, *labels: str) -> tuple[str, ...]:
        return (f"{_INSTANCE}={self._instance}", *labels)


# Measuring many large volumes takes the engine long; a person who is asked can do without.
_SIZES_SECONDS = 5
_VOLUME_NAME = re.compile(r"better-paas-(?P<project>[^-]+)-(?P<name>.+)")


def _volume_name(project_id: str, name: str) -> str:
    """A volume belongs to its project: the same name elsewhere is another volume."""
    return f"better-paas-{project_id}-{name}"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turns what the engine says into words with a hint."""
    try:
        yield
    except EngineFailed as error:
        raise _failed(error) from error


def _process(container: Container) -> str:
    return container.labels.get(_PROCESS, MAIN)


def _called(process: str) -> str:
    """What a person who is told about an app is told of its process."""
    return "it" if process == MAIN else "one of its processes"


def _named(process: str) -> str:
    """Its name, which the repository may have given it."""
    return "" if process == MAIN else process


def _reason(container: Container, process: str) -> str:
    it = _called(process)
    if container.out_of_memory:
        return f"{it} ran out of memory"
    if container.status == "restarting":
        return f"{it} keeps ending (code {container.exit_code})"
    return f"{it} ended with code {container.exit_code}"


def _described(each: dict[str, dict[str, Any]], deployment_id: str, image: dict[str, Any]) -> ReleaseSpec:
    """each: what the engine says of the container of each process. image: what comes with the image."""
    main = each[MAIN]
    config, host, labels = main["Config"], main["HostConfig"], main["Config"]["Labels"]
    bindings = [(port, ports[0]) for port, ports in (host.get("PortBindings") or {}).items() if ports]
    port, host_port = (bindings[0][0].partition("/")[0], bindings[0][1]["HostPort"]) if bindings else ("0", "0")
    project_id = labels.get(_PROJECT, "")
    own_variables = set(image.get("Env") or ())
    own_volumes = _volume_name(project_id, "")
    return ReleaseSpec(
        app_id=labels.get(_APP, ""),
        app_name=main["Name"].lstrip("/").partition(f"-{deployment_id}")[0],
        project_id=project_id,
        deployment_id=deployment_id,
        image=config["Image"],
        container_port=int(port),
        host_port=int(host_port or 0),
        start_command=_shell_command(config) if config.get("Cmd") != image.get("Cmd") else "",
        processes={name: _shell_command(found["Config"]) for name, found in each.items() if name != MAIN},
        environment=dict(line.partition("=")[::2] for line in config.get("Env") or () if line not in own_variables),
        memory=f"{host['Memory'] // 2**20}m" if host.get("Memory") else "",
        cpus=f"{host['NanoCpus'] / 1e9:g}" if host.get("NanoCpus") else "",
        volumes=tuple(
            Volume(mount["Source"].removeprefix(own_volumes), mount["Target"], bool(mount.get("ReadOnly")))
            for mount in host.get("Mounts") or ()
        ),
    )


def _shell_command(config: dict[str, Any]) -> str:
    """The command that a container was given, or "" for that of its image."""
    match config.get("Cmd"):
        case ["/bin/sh", "-c", str(command)]:
            return command
    return ""


def _usage(found: dict[str, Any]) -> ResourceUsage:
    now, before, memory = found["cpu_stats"], found["precpu_stats"], found["memory_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    of_all = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    cores = now.get("online_cpus") or 1
    # As `docker stats` has it: what the kernel would give back at once is not counted.
    cache = memory.get("stats", {}).get("inactive_file", 0)
    return ResourceUsage(
        cpu=used / of_all * cores if of_all > 0 else 0.0,
        memory=max(0, memory.get("usage", 0) - cache),
        memory_limit=memory.get("limit", 0),
        processes=found.get("pids_stats", {}).get("current", 0),
    )


def _failed(error: EngineFailed | NoBase | NoPlan) -> RuntimeFailed:
    if isinstance(error, (NoBase, NoPlan)):
        return RuntimeFailed(str(error), error.hint, error.quoted)
    hints = {
        _UNREACHABLE: "Is the Docker engine running? Try 'docker info' on the server.",
        404: "Deploy again: the image or container was removed by someone.",
        _CONFLICT: "Something of the same name is there that is not this installation's: 'docker ps -a' shows it.",
    }
    text = str(error)
    hint = hints.get(error.status, "Try again. If it stays so, see the engine's log: 'journalctl -u docker'.")
    if "port is already allocated" in text or "address already in use" in text:
        hint = "Another program uses the port. Deploy again to get another one, or change APP_PORTS."
        return PortTaken("the engine could not do it", hint, text)
    if "no space left" in text:
        hint = "The disk is full. Free some space, then deploy again."
    return RuntimeFailed("the engine could not do it", error.hint or hint, text)


def _build_hint(message: str, told: str) -> str:
    """message: the builder's. told: the same with what the command said."""
    lowered = message.lower()
    if "no space left" in told.lower():
        return "The disk is full. Free some space, then deploy again."
    if "exit code: 137" in lowered or "signal: killed" in lowered or "out of memory" in lowered:
        return "A step was killed: it took more memory than builds have. Raise BUILD_MEMORY, or let it use less."
    if "certificate" in told.lower() and "verify" in told.lower():
        return "Does this network have its own certificate authority? Set BUILD_CA_FILE to its bundle."
    if "failed to compute cache key" in lowered or ("not found" in lowered and "copy" in lowered):
        return "A COPY names a file that is not in the repository, or .dockerignore leaves it out."
    return "The end of the log shows all that the failing command said."
