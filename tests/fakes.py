"""A runtime and an ingress of memory. The runtime's releases really listen, so that probes are real."""

import asyncio
from collections.abc import AsyncIterator

from better_paas.runtime.protocol import BuildRequest, Figures, ReleaseSpec, RuntimeFailed, State


class FakeRuntime:
    """Attributes say how the next build or start goes."""

    def __init__(self) -> None:
        self.built: dict[str, BuildRequest] = {}
        self.specs: dict[str, ReleaseSpec] = {}
        self.servers: dict[str, asyncio.Server] = {}
        self.removed_images: list[str] = []
        self.build_error: str | None = None
        self.build_gate: asyncio.Event | None = None
        self.listens = True
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
        reference = f"better-paas/app-{request.app_id}:{request.deployment_id}"
        self.built[reference] = request
        return reference

    async def start(self, spec: ReleaseSpec) -> str:
        container = f"c-{spec.deployment_id}"
        self.specs[container] = spec
        if self.listens and not self.exits and container not in self.servers:
            self.servers[container] = await asyncio.start_server(_answer, "127.0.0.1", spec.host_port)
        return container

    async def state(self, container_id: str) -> State:
        return State(False, "it ended with code 1") if self.exits else State(container_id in self.specs)

    async def settle(self, container_id: str) -> None: ...

    async def stop(self, container_id: str) -> None:
        server = self.servers.pop(container_id, None)
        if server is not None:
            server.close()

    async def remove(self, container_id: str) -> None:
        await self.stop(container_id)
        self.specs.pop(container_id, None)

    async def logs(self, container_id: str, *, tail: int, follow: bool = False) -> AsyncIterator[tuple[str, str]]:
        yield "2026-01-01T00:00:00Z", f"hello from {container_id} with the-secret-value"

    async def owned(self) -> dict[str, str]:
        return {container: spec.deployment_id for container, spec in self.specs.items()}

    async def remove_project(self, project_id: str) -> None: ...

    async def figures(self, container_id: str) -> Figures:
        return Figures(0.25, 50_000_000, 1_000_000_000, 3)

    async def volume_sizes(self) -> dict[tuple[str, str], int]:
        return {
            (spec.project_id, volume.name): 1_200_000_000 for spec in self.specs.values() for volume in spec.volumes
        }

    async def images(self, app_id: str) -> list[tuple[str, str]]:
        mine = [reference for reference in self.built if reference.startswith(f"better-paas/app-{app_id}:")]
        return [(reference.rpartition(":")[2], reference) for reference in reversed(mine)]

    async def has_image(self, reference: str) -> bool:
        return reference in self.built

    async def remove_image(self, reference: str) -> None:
        self.built.pop(reference, None)
        self.removed_images.append(reference)

    async def faults(self) -> AsyncIterator[tuple[str, str]]:
        await asyncio.Event().wait()
        yield "", ""


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        if await reader.readline():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class FakeBases:
    """All official images are there."""

    async def ensure(self, runtime: str, version: str, say) -> str:
        return f"{runtime}:{version}"

    async def pull(self, reference: str, say) -> None: ...

    async def available(self, runtime: str) -> list[str] | None:
        return None


class FakeIngress:
    """Remembers where each app points."""

    def __init__(self) -> None:
        self.problem = ""
        self.routes: dict[str, str] = {}
        self.applied = 0

    async def start(self) -> None: ...

    def serves(self, app_id: str) -> bool:
        return False

    async def apply(self) -> None:
        self.applied += 1

    def point(self, app_id: str, host_port: int) -> None:
        self.routes[app_id] = str(host_port)

    def point_to_stopped(self, app_id: str) -> None:
        self.routes[app_id] = "stopped"

    def point_to_waiting(self, app_id: str) -> None:
        self.routes[app_id] = "waiting"

    def forget(self, app_id: str) -> None:
        self.routes.pop(app_id, None)

    def forget_unknown(self, app_ids: set[str]) -> None: ...

    async def detach(self) -> None: ...
