"""The network of each project: one at a time that all its containers are on, however many come at once.

A project begins with a small network. When its addresses are used up, it gets a larger one beside that, which its
running containers are put on too, without any of them noticing; new ones are on the larger one alone. The smaller one
goes when nothing needs it any more.
"""

from collections import Counter
from ipaddress import IPv4Network

import structlog

from better_paas.engine.client import Container, Engine, EngineFailed, Network
from better_paas.kit.locks import Locks

INSTANCE, PROJECT, DEPLOYMENT = "better-paas.instance", "better-paas.project", "better-paas.deployment"
# 61 addresses, 509, 1021: a bridge of Linux has no more than 1023 ports.
_SIZES = (26, 23, 22)
_ATTEMPTS = 32
_log = structlog.get_logger(__name__)


class Networks:
    """pool: the range that they are made in."""

    def __init__(self, engine: Engine, instance: str, pool: str, locks: Locks) -> None:
        self._engine, self._instance, self._pool, self._locks = engine, instance, pool, locks

    async def of(self, project_id: str) -> Network:
        """The one that a new container goes on; made, or put in order, if need be. Errors: EngineFailed."""
        async with self._locks.exclusive(_lock(project_id)):
            return await self._in_order(project_id)

    async def with_room(self, project_id: str) -> Network:
        """The same, and it has a free address. Errors: EngineFailed."""
        async with self._locks.exclusive(_lock(project_id)):
            chosen = await self._engine.network((await self._in_order(project_id)).id)
            if chosen.used + 1 >= chosen.room:
                larger = next((size for size in _SIZES if size < chosen.subnets[0].prefixlen), None)
                if larger is None:
                    raise EngineFailed(
                        f"a project has no more than {chosen.room} processes", 409, "Move apps to another project."
                    )
                await self._make(project_id, larger)
                chosen = await self._in_order(project_id)
            return chosen

    async def remove(self, project_id: str) -> None:
        """Remove all that a project has, but what something else was put on by hand. Errors: EngineFailed."""
        async with self._locks.exclusive(_lock(project_id)):
            for network in await self._networks(project_id):
                try:
                    await self._engine.remove_network(network.id)
                except EngineFailed as error:
                    if error.status != 403:
                        raise

    async def move(self, container: Container, network: Network, hardware: str = "") -> bool:
        """Put one that is down on this network alone; False if it was. hardware: see Engine. Errors: EngineFailed."""
        # One of the right name may have been made anew since; the engine knows no id before the first start.
        known = container.networks.get(network.name)
        right = {network.name} if known in ("", network.id) else set()
        wrong = container.networks.keys() - right
        for name in wrong:
            await self._engine.disconnect(name, container.id)
        if not right:
            await self._engine.connect(network.id, container.id, _alias(container), hardware)
        return bool(wrong) or not right

    async def _networks(self, project_id: str) -> list[Network]:
        return await self._engine.networks(f"{INSTANCE}={self._instance}", f"{PROJECT}={project_id}")

    async def _in_order(self, project_id: str) -> Network:
        """The project's largest network; all that is up is on it, and what is not needed is gone."""
        found = await self._networks(project_id)
        if not found:
            await self._make(project_id, _SIZES[0])
            # Looked at again: what has no part in the lock, such as a server of another version, may have made one too.
            found = await self._networks(project_id)
        if len(found) == 1:
            return found[0]
        containers = await self._engine.containers(f"{INSTANCE}={self._instance}", f"{PROJECT}={project_id}")
        users = Counter(each for container in containers if container.is_up for each in container.networks.values())
        names = Counter(network.name for network in found)
        # One whose name no other has, then the largest, the most used, the oldest.
        found.sort(key=lambda one: (names[one.name] > 1, -one.room, -users[one.id], one.created, one.id))
        left = await self._without_surplus(found, containers, users)
        if Counter(network.name for network in left)[left[0].name] > 1:
            # The engine starts nothing on a network whose name another one has, and both are in use.
            await self._make(project_id, _SIZES[1])
            return await self._in_order(project_id)
        await self._join(left[0], containers)
        return left[0]

    async def _without_surplus(
        self, found: list[Network], containers: list[Container], users: Counter[str]
    ) -> list[Network]:
        """Those that stay, the first always. A stopped container's goes only where the first has its name."""
        chosen, left = found[0], [found[0]]
        needed = {name for container in containers for name in container.networks}
        for network in found[1:]:
            is_needed = users[network.id] or (network.name in needed and network.name != chosen.name)
            if is_needed or not await self._removed(network):
                left.append(network)
        return left

    async def _removed(self, network: Network) -> bool:
        try:
            await self._engine.remove_network(network.id)
        except EngineFailed as error:
            if error.status != 403:
                raise
            return False
        return True

    async def _join(self, network: Network, containers: list[Container]) -> None:
        """One that can't be put on it now is tried at the next look; it must not hold up the others."""
        for container in containers:
            if container.is_up and network.id not in container.networks.values():
                try:
                    await self._engine.connect(network.id, container.id, _alias(container))
                except EngineFailed as error:
                    _log.warning("a container is not on its project's network", name=container.name, reason=str(error))

    async def _make(self, project_id: str, size: int) -> None:
        """Make one more network of a project. Errors: EngineFailed."""
        labels = {INSTANCE: self._instance, PROJECT: project_id}
        refused: set[IPv4Network] = set()
        for _ in range(_ATTEMPTS):
            there = await self._engine.networks()
            name = _next_name(project_id, {network.name for network in there})
            subnet = self._free_subnet(there, refused, size)
            try:
                await self._engine.create_network(name, labels, subnet)
                return
            except EngineFailed as error:
                if error.status == 403:
                    # In use by what the engine does not list: one that is just being made, or an interface of the host.
                    refused.add(subnet)
                elif error.status != 409:  # 409: another one took the name meanwhile
                    raise
        raise EngineFailed("no network could be made: others take every subnet", 409)

    def _free_subnet(self, there: list[Network], refused: set[IPv4Network], size: int) -> IPv4Network:
        """The first of the pool that no network overlaps and nobody refused. Errors: EngineFailed if there is none."""
        taken = [subnet for network in there for subnet in network.subnets]
        pool = IPv4Network(self._pool)
        for subnet in pool.subnets(new_prefix=size) if size >= pool.prefixlen else ():
            if subnet not in refused and not any(subnet.overlaps(other) for other in taken):
                return subnet
        raise EngineFailed(
            f"no range of {2 ** (32 - size)} addresses is free in APP_NETWORKS ({self._pool})",
            409,
            "Set APP_NETWORKS to another or a wider private range that nothing else uses, such as 10.202.0.0/15, and "
            "restart the server: what there is stays as it is. Or delete projects that are not needed.",
        )


def _lock(project_id: str) -> str:
    return f"network-{project_id}"


def _next_name(project_id: str, taken: set[str]) -> str:
    """Behind those that the project has: what leaves a container goes by the network of the least name, and that must
    not change while it runs."""
    names = [f"better-paas-{project_id}{more}" for more in ("", *(f"-{number}" for number in range(2, 100)))]
    newest = max(taken.intersection(names), default="")
    free = [name for name in names if name not in taken]
    return next((name for name in free if name > newest), free[0])


def _alias(container: Container) -> str:
    """By which its project's other apps find it: its name without the deployment's id."""
    before, _, after = container.name.partition(f"-{container.labels.get(DEPLOYMENT, '')}")
    return before + after
