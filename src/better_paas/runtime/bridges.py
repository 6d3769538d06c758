"""The engine's networks, as the firewall has to know them."""

from collections.abc import AsyncIterator

from better_paas.engine.client import Engine
from better_paas.firewall.keeper import BridgeNetwork
from better_paas.runtime.networks import INSTANCE

# What containers without a network of their own are in; the steps of builds are.
_DEFAULT = "bridge"


class EngineBridges:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def bridges(self) -> list[BridgeNetwork]:
        """Errors: EngineFailed."""
        return [
            BridgeNetwork(
                network.labels.get(INSTANCE, ""),
                network.name == _DEFAULT,
                network.ranges,
            )
            for network in await self._engine.networks()
        ]

    def events(self) -> AsyncIterator[None]:
        """Errors: EngineFailed."""
        return self._engine.network_events()
