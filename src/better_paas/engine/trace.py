"""Decodes BuildKit's progress, which the engine's build API streams as protobuf (moby/buildkit, control.proto).

StatusResponse { vertexes = 1; statuses = 2; logs = 3 }
Vertex { digest = 1; name = 3; cached = 4; started = 5; completed = 6; error = 7 }
VertexLog { vertex = 1; timestamp = 2; stream = 3; msg = 4 }
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class TraceError(ValueError):
    """The message is not valid protobuf."""


@dataclass(frozen=True)
class Vertex:
    digest: str
    name: str
    cached: bool
    started: bool
    completed: bool
    error: str


@dataclass(frozen=True)
class Status:
    vertexes: list[Vertex] = field(default_factory=list)
    logs: list[tuple[str, str]] = field(default_factory=list)  # (vertex digest, text)


def decode(message: bytes) -> Status:
    """One StatusResponse. Errors: TraceError."""
    status = Status()
    for number, value in _fields(message):
        if number == 1 and isinstance(value, bytes):
            status.vertexes.append(_vertex(value))
        elif number == 3 and isinstance(value, bytes):
            fields = dict(_fields(value))
            status.logs.append((_text(fields.get(1)), _text(fields.get(4))))
    return status


def _vertex(message: bytes) -> Vertex:
    fields = dict(_fields(message))
    return Vertex(
        digest=_text(fields.get(1)),
        name=_text(fields.get(3)),
        cached=bool(fields.get(4)),
        started=5 in fields,
        completed=6 in fields,
        error=_text(fields.get(7)),
    )


def _text(value: int | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(message, position)
        elif kind in (_FIXED32, _FIXED64):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise TraceError(f"unknown wire type {kind}")
        if position + length > len(message):
            raise TraceError("a field is longer than its message")
        yield number, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while shift < 70:
        if position >= len(message):
            raise TraceError("the message ends inside a number")
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
    raise TraceError("a number is too long")
