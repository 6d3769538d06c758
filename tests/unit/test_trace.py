"""BuildKit's progress messages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_paas.engine.build import BuildProgress
from better_paas.engine.trace import TraceError, decode
from tests import pace


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    length, rest = b"", len(value)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + value


def test_steps_and_output_are_read():
    vertex = field(1, b"sha256:a") + field(3, b"[1/2] RUN x") + field(4, 1) + field(5, b"t")
    log = field(1, b"sha256:a") + field(4, b"hello\n")
    status = decode(field(1, vertex) + field(3, log))
    assert (status.vertexes[0].name, status.vertexes[0].cached, status.vertexes[0].started) == (
        "[1/2] RUN x",
        True,
        True,
    )
    assert status.logs == [("sha256:a", "hello\n")]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        decode(data)
    except TraceError:
        pass


def test_a_truncated_message_is_refused():
    with pytest.raises(TraceError):
        decode(b"\x0a\x10abc")


def test_progress_shows_each_step_once_without_our_flags_and_keeps_the_error():
    lines = []
    progress = BuildProgress(lines.append)
    vertex = field(1, b"d") + field(3, b"[2/2] RUN --mount=type=cache,target=/x pip install y") + field(5, b"t")
    message = {"id": "moby.buildkit.trace", "aux": base64.b64encode(field(1, vertex)).decode()}
    progress.message(message)
    progress.message(message)
    progress.message({"error": "it broke"})
    progress.message({"stream": "Step 1\n"})
    assert lines == ["[2/2] RUN pip install y", "Step 1"]
    assert progress.error == "it broke"


@pytest.mark.parametrize("name", ["a" * 2**20, "--mount=" * 2**17, "x.io/" * 2**17, "--mount=a " * 2**16])
def test_a_step_s_name_of_any_length_takes_no_time(name):
    progress = BuildProgress(lambda _: None)
    vertex = field(1, b"d") + field(3, name.encode()) + field(5, b"t")
    message = {"id": "moby.buildkit.trace", "aux": base64.b64encode(field(1, vertex)).decode()}
    assert pace.seconds(lambda: progress.message(message), 0.05) < 0.05
