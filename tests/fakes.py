"""A runtime and an ingress of memory. The runtime's releases really listen, so that probes are real."""

import asyncio
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from better_paas.kit.listeners import Listener
from better_paas.kit.quoted import Statement
from better_paas.runtime.cause import Heard
from better_paas.runtime.probe import Speaks
from better_paas.runtime.protocol import (
    MAIN,
    BuildRequest,
    LogLine,
    ReleaseSpec,
    ResourceUsage,
    RuntimeFailed,
    State,
    StoredVolume,
)


class FakeRuntime:
    """Attributes say how the next build or start goes."""

    makes_images = True

    def __init__(self) -> None:
        self.built: dict[str, BuildRequest] = {}
        self.specs: dict[str, ReleaseSpec] = {}
        self.servers: dict[str, asyncio.Server] = {}
        self.removed_images: list[str] = []
        self.build_error: str | None = None
        # What a failing build prints, and what the builder then says of it.
        self.build_lines: list[str] = []
        self.goes_on = False
        self.build_failure = ""
        self.once_says, self.log_line = "migrated", ""
        # The process that ends when `exits`; the main one if it has no name.
        self.exits_in = ""
        self.figures_fail = ""
        # What releases answer to each request.
        self.answers = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
        self.build_gate: asyncio.Event | None = None
        self.running: set[str] = set()
        self.stopped: list[str] = []
        self.restarts: dict[str, int] = {}
        self.ran_once: list[str] = []
        self.once_code = 0
        self.kept: set[tuple[str, str]] = set()
        # How often faults were listened for, and what ends that.
        self.looked, self.listened, self.breaks_off = 0, 0, asyncio.Event()
        # Of what is kept, the volumes that nothing marks as ours.
        self.unmarked: set[tuple[str, str]] = set()
        self.listens = True
        # What its images expose, and where its releases listen as the kernel has it.
        self.exposes: list[int] = []
        self.found_listening: list[Listener] = []
        self.exits = False

    async def close(self) -> None:
        for server in self.servers.values():
            server.close()
            await server.wait_closed()

    async def build(self, request: BuildRequest, say) -> str:
        say("building")
        if self.build_gate is not None:
            await self.build_gate.wait()
        if self.build_error:
            raise RuntimeFailed(self.build_error, "mend it")
        if self.build_failure:
            heard = Heard(say)
            for line in self.build_lines:
                heard(line)
            told = heard.explain(self.build_failure)
            raise RuntimeFailed(told.sentence, "mend it", told.quoted)
        reference = f"better-paas/app-{request.app_id}:{request.deployment_id}"
        self.built[reference] = request
        return reference

    async def start(self, spec: ReleaseSpec) -> None:
        self.specs[spec.deployment_id] = spec
        self.running.add(spec.deployment_id)
        self.kept.update((spec.project_id, volume.name) for volume in spec.volumes)
        if self.listens and not self.exits and spec.host_port and spec.deployment_id not in self.servers:
            self.servers[spec.deployment_id] = await asyncio.start_server(self._answer, "127.0.0.1", spec.host_port)

    async def run_once(self, spec: ReleaseSpec, command: str, say) -> int:
        self.ran_once.append(command)
        say(self.once_says)
        return self.once_code

    async def state(self, deployment_id: str) -> State:
        if self.exits:
            if self.exits_in:
                return State(False, "one of its processes ended with code 1", quoted=self.exits_in)
            return State(False, "it ended with code 1")
        restarts = self.restarts.get(deployment_id, 0)
        return State(deployment_id in self.running, "", restarts, self._processes(deployment_id))

    def _processes(self, deployment_id: str) -> frozenset[str]:
        spec = self.specs.get(deployment_id)
        return frozenset({MAIN, *spec.processes}) if spec else frozenset()

    async def states(self) -> dict[str, State]:
        self.looked += 1
        return {
            found: State(found in self.running, "", 0, self._processes(found), spec.app_id)
            for found, spec in self.specs.items()
        }

    async def describe(self, deployment_id: str) -> ReleaseSpec | None:
        return self.specs.get(deployment_id)

    async def settle(self, deployment_id: str) -> None: ...

    async def stop(self, deployment_id: str) -> None:
        self.stopped.append(deployment_id)
        self.running.discard(deployment_id)
        server = self.servers.pop(deployment_id, None)
        if server is not None:
            server.close()

    async def remove(self, deployment_id: str) -> None:
        await self.stop(deployment_id)
        self.specs.pop(deployment_id, None)

    async def logs(self, deployment_id: str, *, tail: int, follow: bool = False) -> AsyncIterator[LogLine]:
        yield LogLine("2026-01-01T00:00:00Z", f"hello from {deployment_id} with the-secret-value{self.log_line}")
        if follow and self.goes_on:
            await asyncio.Event().wait()

    async def remove_project(self, project_id: str) -> None: ...

    async def exposed_ports(self, reference: str) -> list[int]:
        return self.exposes

    async def listeners(self, deployment_id: str) -> list[Listener]:
        return self.found_listening

    async def usage(self, deployment_id: str) -> ResourceUsage:
        if self.figures_fail:
            raise RuntimeFailed("the engine could not do it", "Try again.", self.figures_fail)
        return ResourceUsage(0.25, 50_000_000, 1_000_000_000, 3)

    async def volumes(self, known: Collection[tuple[str, str]]) -> list[StoredVolume]:
        ours = self.kept - self.unmarked.difference(known)
        return [StoredVolume(project, name, 1_200_000_000) for project, name in sorted(ours)]

    async def has_volume(self, project_id: str, name: str) -> bool:
        return (project_id, name) in self.kept

    async def remove_volume(self, project_id: str, name: str) -> None:
        self.kept.discard((project_id, name))

    async def has_sandbox(self) -> bool:
        return True

    async def storage(self) -> list[Path]:
        return []

    async def trim_build_cache(self, most_bytes: int) -> int:
        return 0

    async def images(self, app_id: str) -> list[tuple[str, str]]:
        mine = [reference for reference in self.built if reference.startswith(f"better-paas/app-{app_id}:")]
        return [(reference.rpartition(":")[2], reference) for reference in reversed(mine)]

    async def has_image(self, reference: str) -> bool:
        return reference in self.built

    async def remove_image(self, reference: str) -> None:
        self.built.pop(reference, None)
        self.removed_images.append(reference)

    async def faults(self) -> AsyncIterator[tuple[str, Statement]]:
        self.listened += 1
        await self.breaks_off.wait()
        self.breaks_off.clear()
        raise RuntimeFailed("the engine stopped", "")
        yield "", Statement("")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readline():
                writer.write(self.answers)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class InProcess:
    """Runs what reads sources in this process: a child for each test would take longer than the test."""

    async def run(self, task, **arguments):
        return await asyncio.to_thread(task.function, **arguments)

    async def close(self) -> None: ...


class FakeBases:
    """All official images are there."""

    async def ensure(self, runtime: str, version: str, say) -> str:
        return f"{runtime}:{version or 'latest'}"

    async def pull(self, reference: str, say) -> list[str]:
        return []

    async def available(self, runtime: str) -> list[str] | None:
        return None


class FakeIngress:
    """Remembers where each app points."""

    def __init__(self) -> None:
        self.problem = ""
        self.routes: dict[str, str] = {}
        self.applied = 0
        self.applied_before_held = 0

    async def start(self) -> None: ...

    def serves(self, app_id: str) -> bool:
        return False

    async def apply(self) -> None:
        self.applied += 1

    def point(self, app_id: str, host_port: int, speaks: Speaks = Speaks.HTTP) -> None:
        self.routes[app_id] = str(host_port)

    def hold(self, app_id: str) -> None:
        self.routes[app_id] = "held"
        self.applied_before_held = self.applied

    def point_to_worker(self, app_id: str) -> None:
        self.routes[app_id] = "worker"

    def point_to_stopped(self, app_id: str) -> None:
        self.routes[app_id] = "stopped"

    def point_to_waiting(self, app_id: str) -> None:
        self.routes[app_id] = "waiting"

    def forget(self, app_id: str) -> None:
        self.routes.pop(app_id, None)

    async def detach(self) -> None: ...
