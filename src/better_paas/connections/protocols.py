"""uvicorn's protocols, with bounds of what they keep and with what they wait for."""

from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from better_paas.connections.answers import refusal
from better_paas.connections.connection import Connection, Step, Waits


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection."""

    def __init__(self, connection: Connection, **given: Any) -> None:
        """given: what uvicorn gives to its own."""
        super().__init__(**given)
        self._connection, self._limits = connection, connection.limits
        # Bytes since the request began, and those of them that are its body.
        self._received = self._body = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Whoever has gone already has no address any more.
        self.client = self._connection.peer
        self._connection.watched = self

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.ended()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        # Heads, trailers and the lengths of chunks: the parser keeps them, or takes them for ever.
        if self._received - self._body > self._limits.head_bytes + self._body:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too long")

    def on_message_begin(self) -> None:
        self._received = self._body = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > self._limits.headers:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request has too many headers")
            raise _Refused

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= self._limits.pipelined:
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, "too many requests wait behind another")
            raise _Refused
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        # What was refused by us comes here as well: the parser takes it for a fault of the request.
        self._refuse(HTTPStatus.BAD_REQUEST, "this is not HTTP")

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        assert isinstance(protocol, WebSocketProtocol)
        protocol.take(self._connection)

    def step(self) -> Step:
        """What this connection waits for, and the request that it is about."""
        cycle = self.cycle
        if self.transport.get_write_buffer_size():
            return Waits.READER, None
        if cycle is None or cycle.response_complete:
            return (Waits.HEAD if self.timeout_keep_alive_task is None else Waits.IDLE), cycle
        wanted = cycle.more_body and not cycle.waiting_for_100_continue and not self.flow.read_paused
        return (Waits.BODY if wanted else Waits.US), cycle

    def give_up(self, waits: Waits) -> None:
        """End the connection, whose other side was too slow."""
        if waits is Waits.READER or self.headers is None:
            self.transport.abort()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request came too slowly")

    def _refuse(self, status: HTTPStatus, error: str) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(refusal(status, error))
        self.transport.close()


class _Refused(Exception):
    """Ends the parser's work on a request that was answered already."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket on a connection that began as HTTP."""

    _connection: Connection

    def take(self, connection: Connection) -> None:
        self._connection, self.client = connection, connection.peer
        connection.watched = self

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.ended()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:  # answers that nobody reads would fill the memory
            self.conn.data_to_send()

    def step(self) -> Step:
        """What this connection waits for. Pings are uvicorn's: it closes what does not answer within 20 s."""
        return (Waits.READER if self.transport.get_write_buffer_size() else Waits.US), None

    def give_up(self, waits: Waits) -> None:
        """End the connection, whose other side was too slow."""
        self.transport.abort()
