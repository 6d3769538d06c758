"""Releases as containers of one Docker engine."""

import asyncio
import contextlib
import dataclasses
import re
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import Any

from better_paas.builders import context
from better_paas.builders.bases import NoBase, TrustSource
from better_paas.builders.dockerfile import LENT, SOURCE, with_build_ca, without_mounts
from better_paas.engine.build import WAYS, BuilderMissing, BuildFailed, build
from better_paas.engine.client import Container, Engine, EngineFailed
from better_paas.engine.limits import BuildLimits, limit_builds
from better_paas.kit.streams import merged
from better_paas.runtime.cause import Heard
from better_paas.runtime.protocol import (
    GONE,
    MAIN,
    BuildRequest,
    Figures,
    LogLine,
    ReleaseSpec,
    RuntimeFailed,
    Say,
    State,
    StoredVolume,
    memory_bytes,
)

_INSTANCE, _APP, _DEPLOYMENT, _PROJECT, _PROCESS = (
    "better-paas.instance",
    "better-paas.app",
    "better-paas.deployment",
    "better-paas.project",
    "better-paas.process",
)
# The process of a container that runs one command to its end. It is no part of the release.
_ONCE = "once"
# What images need that begin as root and then become another user; everything else is taken away.
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "NET_BIND_SERVICE", "KILL"]
_STOP_SECONDS = 10
_ONCE_LINES = 1000
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
        networks: str,
        build_limits: BuildLimits | None = None,
    ) -> None:
        """instance: the installation's id. networks: range that projects' networks are made in."""
        self._engine, self._instance, self._builder = engine, instance, builder
        self._trust, self._networks, self._build_limits = trust, networks, build_limits
        # Why builds have no limits, for people; empty while they have.
        self.limit_problem = ""

    async def build(self, request: BuildRequest, say: Say) -> str:
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
                        f"this engine can't build by '{way}': {error}", "Install docker-buildx, or set BUILDER=auto."
                    ) from error
            except BuildFailed as error:
                told = heard.explain(str(error))
                raise RuntimeFailed(f"the build failed: {told}", _build_hint(str(error), told)) from error
            except TimeoutError as error:
                raise RuntimeFailed(
                    f"the build took longer than {request.timeout:.0f} s and was stopped",
                    "Does a command wait for input? If the build needs longer, raise BUILD_TIMEOUT.",
                ) from error
            except (EngineFailed, NoBase) as error:
                raise _failed(error) from error
        return reference

    async def _build(self, request: BuildRequest, reference: str, way: str, say: Say) -> None:
        recipe = request.recipe
        assert recipe is not None
        dockerfile, name = recipe.dockerfile, f"{LENT}/Dockerfile" if recipe.generated else request.plan.dockerfile_path
        if way == "classic":
            if self._trust.bundle is not None:
                say("The old builder knows no mounts: BUILD_CA_FILE has no effect.")
            dockerfile = without_mounts(dockerfile)
        elif trust_image := await self._trust.image():
            dockerfile = with_build_ca(dockerfile, trust_image)
        with tempfile.TemporaryDirectory(prefix="better-paas-context-") as folder:
            archive = Path(folder) / "context.tar"
            prefix = SOURCE if recipe.generated else ""
            extra = {**recipe.lent, name: dockerfile}
            await asyncio.to_thread(context.pack, archive, request.tree, prefix, recipe.ignore, extra)
            labels = self._labels(request.app_id, request.deployment_id)
            await build(
                self._engine,
                archive,
                name,
                reference,
                labels,
                way=way,
                no_cache=request.no_cache,
                timeout=request.timeout,
                say=say,
            )

    async def start(self, spec: ReleaseSpec) -> None:
        with _told():
            await self._remove(await self._containers(spec.deployment_id, once=True))
            found = {_process(container): container.id for container in await self._containers(spec.deployment_id)}
            for name in (MAIN, *spec.processes):
                container_id = found.get(name) or await self._create(spec, name)
                await self._engine.start_container(container_id)

    async def run_once(self, spec: ReleaseSpec, command: str, say: Say) -> int:
        with _told():
            # It stays until the release starts or goes: then its end is known even to a server that was away.
            found = await self._containers(spec.deployment_id, once=True)
            if found and found[0].status != "created":
                container_id = found[0].id
                say("It went on while the server was away. All that it said:")
            else:
                once = dataclasses.replace(spec, container_port=0, processes={_ONCE: command})
                container_id = found[0].id if found else await self._create(once, _ONCE)
                await self._engine.start_container(container_id)
            async for _, line in self._engine.logs(container_id, tail=_ONCE_LINES, follow=True):
                say(line)
            return await self._engine.wait_container(container_id)

    async def _create(self, spec: ReleaseSpec, process: str) -> str:
        network = self._network(spec.project_id)
        labels = {_INSTANCE: self._instance, _PROJECT: spec.project_id}
        await self._engine.ensure_network(network, labels, self._networks)
        for volume in spec.volumes:
            await self._engine.ensure_volume(_volume_name(spec.project_id, volume.name), labels)
        name, alias = f"{spec.app_name}-{spec.deployment_id}", spec.app_name
        if process != MAIN:
            name, alias = f"{name}-{process}", f"{alias}-{process}"
        config: dict[str, Any] = {
            "Image": spec.image,
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
            "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": [alias]}}},
        }
        if process == MAIN and spec.container_port:
            port = f"{spec.container_port}/tcp"
            config["ExposedPorts"] = {port: {}}
            config["HostConfig"]["PortBindings"] = {port: [{"HostIp": "127.0.0.1", "HostPort": str(spec.host_port)}]}
        if command := spec.start_command if process == MAIN else spec.processes[process]:
            config["Cmd"] = ["/bin/sh", "-c", command]
        return await self._engine.create_container(name, config)

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
                return State(False, _reason(container, process), restarts, names)
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
                )
        return result

    async def figures(self, deployment_id: str) -> Figures:
        with _told():
            containers = [container for container in await self._containers(deployment_id) if container.running]
            if not containers:
                raise RuntimeFailed("the app does not run, so it takes nothing", "Start it first.")
            taken = await asyncio.gather(*(self._measured(container) for container in containers))
        each = [_figures(stats) for stats in taken]
        return Figures(
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
        return [container for container in found if (_process(container) == _ONCE) == once]

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
        try:
            await self._engine.remove_network(self._network(project_id))
        except EngineFailed as error:
            if error.status != 403:  # something else was connected to it by hand: leave it
                raise _failed(error) from error

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

    async def faults(self) -> AsyncIterator[tuple[str, str]]:
        async for event in self._engine.events(f"{_INSTANCE}={self._instance}"):
            attributes = event["Actor"]["Attributes"]
            process = attributes.get(_PROCESS, MAIN)
            if process == _ONCE:
                continue
            it = _called(process)
            what = {"oom": f"{it} ran out of memory", "start": ""}.get(
                event["Action"], f"{it} ended with code {attributes.get('exitCode', '?')}"
            )
            yield attributes.get(_DEPLOYMENT, ""), what

    def _network(self, project_id: str) -> str:
        return f"better-paas-{project_id}"

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
    return "it" if process == MAIN else f"its process {process}"


def _reason(container: Container, process: str) -> str:
    it = _called(process)
    if container.out_of_memory:
        return f"{it} ran out of memory"
    if container.status == "restarting":
        return f"{it} keeps ending (code {container.exit_code})"
    return f"{it} ended with code {container.exit_code}"


def _figures(found: dict[str, Any]) -> Figures:
    now, before, memory = found["cpu_stats"], found["precpu_stats"], found["memory_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    of_all = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    cores = now.get("online_cpus") or 1
    # As `docker stats` has it: what the kernel would give back at once is not counted.
    cache = memory.get("stats", {}).get("inactive_file", 0)
    return Figures(
        cpu=used / of_all * cores if of_all > 0 else 0.0,
        memory=max(0, memory.get("usage", 0) - cache),
        memory_limit=memory.get("limit", 0),
        processes=found.get("pids_stats", {}).get("current", 0),
    )


def _failed(error: EngineFailed | NoBase) -> RuntimeFailed:
    if isinstance(error, NoBase):
        return RuntimeFailed(str(error), error.hint)
    hints = {
        900: "Is the Docker engine running? Try 'docker info' on the server.",
        404: "Deploy again: the image or container was removed by someone.",
    }
    text = str(error)
    hint = hints.get(error.status, "Try again. If it stays so, see the engine's log: 'journalctl -u docker'.")
    if "port is already allocated" in text or "address already in use" in text:
        hint = "Another program uses the port. Deploy again to get another one, or change APP_PORTS."
    if "address pool" in text or "APP_NETWORKS" in text:
        hint = "Too many networks. Delete projects that are not needed, or widen APP_NETWORKS."
    if "no space left" in text:
        hint = "The disk is full. Free some space, then deploy again."
    return RuntimeFailed(f"the engine said: {text}", hint)


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
