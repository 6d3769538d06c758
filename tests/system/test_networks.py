"""Networks of projects on the real engine: one of each, as large as need be, while what runs goes on."""

import asyncio
import contextlib
import socket
import subprocess
from collections import Counter

import pytest

from better_paas.engine.client import Engine, EngineFailed
from better_paas.kit.ids import new_id
from better_paas.kit.locks import Locks
from better_paas.runtime.docker import DockerRuntime
from better_paas.runtime.networks import INSTANCE, PROJECT, Networks
from better_paas.runtime.protocol import ReleaseSpec
from tests.system.servers import free_port

pytestmark = pytest.mark.engine
IMAGE = "better-paas/python:3.11"
SLEEP = "exec sleep 600"
# Answers each line with itself, so that a connection can be seen to go on.
ECHO = (
    'exec python3 -c \'import socketserver as s; h = type("H", (s.StreamRequestHandler,), '
    '{"handle": lambda self: [self.wfile.write(line) for line in self.rfile]}); '
    's.ThreadingTCPServer(("0.0.0.0", 8080), h).serve_forever()\''
)


class World:
    """An installation with as many processes as are asked for, each with a connection of its own to the engine."""

    def __init__(self, folder) -> None:
        self.instance, self.project, self.folder = new_id(12), new_id(12), folder
        self.engine = Engine()
        self._engines = [self.engine]

    def runtime(self) -> DockerRuntime:
        engine = Engine()
        self._engines.append(engine)
        locks = Locks(self.folder / "locks")
        networks = Networks(engine, self.instance, POOL, locks)
        return DockerRuntime(engine, self.instance, "auto", None, None, networks, locks)

    def spec(self, name: str, command: str = SLEEP, port: int = 0) -> ReleaseSpec:
        return ReleaseSpec(name, name, self.project, new_id(12), IMAGE, 8080 if port else 0, port, command)

    async def networks(self):
        return await self.engine.networks(f"{INSTANCE}={self.instance}", f"{PROJECT}={self.project}")

    async def containers(self):
        return await self.engine.containers(f"{INSTANCE}={self.instance}")

    async def network_by_hand(self, name: str, subnet: str) -> str:
        body = {
            "Name": name, "Driver": "bridge", "Labels": {INSTANCE: self.instance, PROJECT: self.project},
            "IPAM": {"Config": [{"Subnet": subnet}]},
        }  # fmt: skip
        return (await self.engine._json("POST", "networks/create", body))["Id"]

    async def close(self) -> None:
        for container in await self.containers():
            await self.engine.remove_container(container.id)
        for network in await self.networks():
            await self.engine.remove_network(network.id)
        for engine in self._engines:
            await engine.close()


# Of this test's own, so that it fights with nobody's.
POOL = "10.211.0.0/16"


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    yield made
    await made.close()


def reaches(container_id: str, name: str) -> bool:
    """Whether a container finds another app of its project by its name."""
    argv = ["docker", "exec", container_id, "getent", "hosts", name]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


async def test_fifty_first_deployments_at_once_in_one_project_make_one_network(world):
    runtimes = [world.runtime() for _ in range(5)]
    specs = [world.spec(f"app{number}") for number in range(50)]
    ids = await asyncio.gather(*(runtimes[number % 5]._create(spec, "main") for number, spec in enumerate(specs)))
    assert len(set(ids)) == 50
    assert [network.name for network in await world.networks()] == [f"better-paas-{world.project}"]
    await asyncio.gather(*(runtimes[number].start(specs[number]) for number in range(5)))
    assert sum(container.running for container in await world.containers()) == 5


async def test_a_container_that_is_made_twice_is_one(world):
    spec = world.spec("twice")
    ids = await asyncio.gather(*(world.runtime()._create(spec, "main") for _ in range(4)))
    assert len(set(ids)) == 1


async def test_a_project_with_two_networks_of_one_name_is_mended(world):
    name = f"better-paas-{world.project}"
    engines = [Engine(), Engine()]
    await asyncio.gather(*(world.network_by_hand(name, subnet) for subnet in ("10.211.250.0/26", "10.211.250.64/26")))
    for engine in engines:
        await engine.close()
    assert Counter(network.name for network in await world.networks()) == {name: 2}
    spec = world.spec("first")
    await world.runtime().start(spec)
    assert len(await world.networks()) == 1
    assert (await world.containers())[0].running


async def test_a_project_whose_two_networks_are_both_in_use_is_mended(world):
    name = f"better-paas-{world.project}"
    runtime = world.runtime()
    first, second = world.spec("first"), world.spec("second")
    await runtime.start(first)
    container_id = await runtime._create(second, "main")
    aside = await world.network_by_hand(f"{name}-x", "10.211.250.0/26")
    await world.engine.connect(aside, container_id, "second")
    await world.engine.disconnect(name, container_id)
    await world.engine.start_container(container_id)
    assert list((await world.engine.container(container_id)).networks.values()) == [aside]
    third = world.spec("third")
    await world.runtime().start(third)
    by_name = {container.name.partition("-")[0]: container.id for container in await world.containers()}
    for one in by_name:
        for other in by_name:
            assert reaches(by_name[one], other), (one, other)


async def test_a_full_network_grows_and_what_runs_does_not_notice(world):
    """As small a one as there can be stands for a /26: it gets a /26 as that gets a /23."""
    await world.network_by_hand(f"better-paas-{world.project}", "10.211.251.0/29")
    runtime, port = world.runtime(), free_port()
    echo = world.spec("echo", ECHO, port)
    await runtime.start(echo)
    line = await connected(port)
    said(line, b"before\n")
    # All at once, from two processes: more than there are addresses.
    specs = [world.spec(f"more{number}") for number in range(8)]
    other = world.runtime()
    await asyncio.gather(*((runtime, other)[number % 2].start(spec) for number, spec in enumerate(specs)))
    containers = {container.name.partition("-")[0]: container for container in await world.containers()}
    assert all(container.running for container in containers.values())
    # The connection from before goes on, and new ones come.
    said(line, b"after\n")
    line.close()
    again = await connected(port)
    said(again, b"again\n")
    again.close()
    assert sorted(network.room for network in await world.networks()) == [5, 61]
    for name in ("echo", "more0", "more7"):
        for wanted in ("echo", "more0", "more7"):
            assert reaches(containers[name].id, wanted), (name, wanted)
    # A redeployment of what was on the small one needs it no more; the last takes it away.
    for old in (echo, *specs):
        await runtime.stop(old.deployment_id)
        await runtime.remove(old.deployment_id)
    await runtime.start(world.spec("echo", ECHO, free_port()))
    assert [network.room for network in await world.networks()] == [61]


async def test_a_stopped_app_starts_again_although_its_network_is_gone(world):
    runtime, spec = world.runtime(), world.spec("sleeper")
    await runtime.start(spec)
    await runtime.stop(spec.deployment_id)
    for network in await world.networks():
        await world.engine.remove_network(network.id)
    await runtime.start(spec)
    assert (await world.containers())[0].running


async def test_the_project_s_networks_go_with_it(world):
    await world.network_by_hand(f"better-paas-{world.project}", "10.211.252.0/29")
    await world.network_by_hand(f"better-paas-{world.project}-2", "10.211.252.64/26")
    await world.runtime().remove_project(world.project)
    assert await world.networks() == []
    with pytest.raises(EngineFailed):
        await world.engine.network(f"better-paas-{world.project}")


async def connected(port: int) -> socket.socket:
    for _ in range(100):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            line.sendall(b"x\n")
            if line.recv(16) == b"x\n":
                stack.pop_all()
                return line
        await asyncio.sleep(0.1)
    raise AssertionError("it does not answer")


def said(line: socket.socket, text: bytes) -> None:
    line.sendall(text)
    assert line.recv(64) == text
