"""One network for each project, against an engine that takes its time and forgets nothing."""

import asyncio
from ipaddress import IPv4Network

import pytest

from better_paas.engine.client import Container, EngineFailed, Network
from better_paas.kit.locks import Locks
from better_paas.runtime.networks import DEPLOYMENT, Networks


class StubEngine:
    """Like the engine it takes two networks of one name, when they come at once."""

    def __init__(self) -> None:
        self.made: list[Network] = []
        self.running: list[Container] = []
        self.refused: list[str] = []
        self.unlisted: list[IPv4Network] = []

    async def networks(self, *labels):
        await asyncio.sleep(0.001)
        return [network for network in self.made if not labels or network.name.startswith("better-paas-p")]

    async def network(self, network_id):
        used = sum(network_id in container.networks.values() for container in self.running)
        found = next(network for network in self.made if network.id == network_id)
        return Network(found.id, found.name, found.subnets, found.created, used)

    async def containers(self, *labels):
        return list(self.running)

    async def create_network(self, name, labels, subnet):
        await asyncio.sleep(0.001)
        if any(subnet.overlaps(other) for other in self.unlisted):
            self.refused.append(str(subnet))
            raise EngineFailed("Pool overlaps with other one on this address space", 403)
        return self.add(name, str(subnet))

    def add(self, name: str, subnet: str) -> str:
        made = Network(f"id{len(self.made)}", name, (IPv4Network(subnet),), str(len(self.made)))
        self.made.append(made)
        return made.id

    async def remove_network(self, network_id):
        if any(network_id in container.networks.values() for container in self.running):
            raise EngineFailed("has active endpoints", 403)
        self.made = [network for network in self.made if network.id != network_id]

    async def connect(self, network_id, container_id, alias):
        container = next(found for found in self.running if found.id == container_id)
        container.networks[next(network.name for network in self.made if network.id == network_id)] = network_id

    def run(self, name: str, **networks: str) -> Container:
        labels = {DEPLOYMENT: "d1"}
        container = Container(f"c{len(self.running)}", name, labels, True, "running", 0, False, 0, networks)
        self.running.append(container)
        return container


@pytest.fixture
def engine():
    return StubEngine()


def networks(engine, tmp_path, pool="10.201.0.0/16") -> Networks:
    return Networks(engine, "i", pool, Locks(tmp_path / "locks"))


async def test_fifty_at_once_from_several_processes_make_one_network(engine, tmp_path):
    # Each has locks of its own, as processes have: only the folder is the same.
    several = [networks(engine, tmp_path) for _ in range(5)]
    found = await asyncio.gather(*(several[number % 5].of("p") for number in range(50)))
    assert [network.name for network in engine.made] == ["better-paas-p"]
    assert len({network.id for network in found}) == 1


async def test_a_subnet_that_something_unlisted_uses_is_passed_over(engine, tmp_path):
    engine.add("other", "10.201.0.0/26")
    engine.unlisted = [IPv4Network("10.201.0.64/26"), IPv4Network("10.201.0.128/26")]
    await networks(engine, tmp_path)._make("p", 26)
    assert engine.refused == ["10.201.0.64/26", "10.201.0.128/26"]
    assert str(engine.made[1].subnets[0]) == "10.201.0.192/26"


async def test_of_two_networks_of_one_name_the_one_in_use_is_kept(engine, tmp_path):
    engine.add("better-paas-p", "10.201.0.0/26")
    used = engine.add("better-paas-p", "10.201.0.64/26")
    engine.run("shop-d1", **{"better-paas-p": used})
    assert (await networks(engine, tmp_path).of("p")).id == used
    assert [network.id for network in engine.made] == [used]


async def test_of_two_networks_of_one_name_that_are_both_in_use_none_is_used_further(engine, tmp_path):
    ids = [engine.add("better-paas-p", f"10.201.0.{start}/26") for start in (0, 64)]
    for network_id in ids:
        engine.run("shop-d1", **{"better-paas-p": network_id})
    chosen = await networks(engine, tmp_path).of("p")
    assert chosen.name == "better-paas-p-2"
    assert all(chosen.id in container.networks.values() for container in engine.running)
    engine.running.clear()
    assert (await networks(engine, tmp_path).of("p")).id == chosen.id
    assert [network.id for network in engine.made] == [chosen.id]


async def test_a_full_network_gets_a_larger_one_beside_it(engine, tmp_path):
    small = engine.add("better-paas-p", "10.201.0.0/26")
    for _ in range(60):
        engine.run("shop-d1", **{"better-paas-p": small})
    project = networks(engine, tmp_path)
    assert (await project.of("p")).id == small
    found = await asyncio.gather(*(project.with_room("p") for _ in range(20)))
    assert {network.room for network in found} == {509}
    assert len(engine.made) == 2
    assert all(found[0].id in container.networks.values() for container in engine.running)
    # Behind the first one's: the network that a running container's connections leave by must stay the same.
    assert found[0].name > "better-paas-p"


async def test_the_largest_network_that_a_bridge_can_be_ends_with_a_hint(engine, tmp_path):
    large = engine.add("better-paas-p", "10.201.0.0/22")
    for _ in range(1021):
        engine.run("shop-d1", **{"better-paas-p": large})
    with pytest.raises(EngineFailed, match="no more than 1021") as caught:
        await networks(engine, tmp_path).with_room("p")
    assert "another project" in caught.value.hint


async def test_a_pool_that_is_used_up_says_what_to_do(engine, tmp_path):
    for number in range(4):
        engine.add(f"other-{number}", f"10.201.0.{number * 64}/26")
    with pytest.raises(EngineFailed, match="APP_NETWORKS") as caught:
        await networks(engine, tmp_path, "10.201.0.0/24").of("p")
    assert "APP_NETWORKS" in caught.value.hint
