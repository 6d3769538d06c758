"""uvicorn's server, with the listeners of ours."""

import asyncio
import socket
from collections.abc import Sequence

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from better_paas.connections.connection import Connection
from better_paas.connections.gate import Gate
from better_paas.connections.listener import Listener
from better_paas.connections.protocols import HttpProtocol

_TICKS_A_SECOND = 10
_log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """gate: who may come in."""

    def __init__(self, config: uvicorn.Config, gate: Gate) -> None:
        super().__init__(config)
        self._gate = gate

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Errors: SystemExit if the address can't be listened on."""
        await super().startup(sockets=[])
        try:
            for found in await _bound(self.config.host, self.config.port):
                self.servers.append(Listener(found, self._gate, self._protocol))  # type: ignore[arg-type]
        except OSError as error:
            _log.error("the address can't be listened on", address=self.config.host, problem=str(error))
            await self.lifespan.shutdown()
            raise SystemExit(STARTUP_FAILURE) from None

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            self._gate.look(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _protocol(self, connection: Connection) -> HttpProtocol:
        return HttpProtocol(
            connection, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


async def _bound(host: str, port: int) -> list[socket.socket]:
    """A socket for each address that `host` has."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [socket.create_server(address[:2], family=family) for family, *_, address in dict.fromkeys(found)]
