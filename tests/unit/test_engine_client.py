"""What the engine says, however it comes in pieces, and what it does not say."""

import asyncio
import contextlib

import pytest

from better_paas.engine.client import Engine, EngineFailed


@contextlib.asynccontextmanager
async def engine_that_says(tmp_path, *pieces: bytes, hangs: bool = False):
    """An engine whose answer to anything is these bytes, one piece at a time."""

    async def answer(reader, writer) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            if hangs:
                await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(answer, tmp_path / "e.sock")
    engine = Engine(f"unix://{tmp_path}/e.sock")
    yield engine
    await engine.close()
    server.close()
    await server.wait_closed()


def head(status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{more}\r\n".encode()


def frame(output: int, text: str) -> bytes:
    return bytes([output, 0, 0, 0]) + len(text).to_bytes(4, "big") + text.encode()


async def test_lines_of_both_outputs_come_whole_from_any_pieces(tmp_path):
    said = frame(1, "2026-01-01T00:00:00Z one\n") + frame(2, "2026-01-01T00:00:01Z two\n")
    for cut in (1, 7, 8, 9, 20, len(said) - 1):
        async with engine_that_says(tmp_path, head(), said[:cut], said[cut:]) as engine:
            lines = [line async for line in engine.logs("x", tail=10)]
        assert lines == [("2026-01-01T00:00:00Z", "one"), ("2026-01-01T00:00:01Z", "two")]
        (tmp_path / "e.sock").unlink(missing_ok=True)


async def test_a_log_that_breaks_off_ends_with_what_there_was(tmp_path):
    broken = head(more="Content-Length: 1000\r\n")
    async with engine_that_says(tmp_path, broken, frame(1, "2026-01-01T00:00:00Z one\n"), frame(1, "x")[:5]) as engine:
        assert [text async for _, text in engine.logs("x", tail=10)] == ["one"]


async def test_an_event_stream_that_breaks_off_says_so(tmp_path):
    async with engine_that_says(tmp_path, head(more="Content-Length: 1000\r\n"), b'{"a": 1}\n') as engine:
        seen = []
        with pytest.raises(EngineFailed, match="broke off"):
            async for event in engine.events("label"):
                seen.append(event)
    assert seen == [{"a": 1}]


@pytest.mark.parametrize(
    ("said", "message"), [(b'{"message": "no such thing"}', "no such thing"), (b"<html>", "<html>"), (b"", "409")]
)
async def test_a_refusal_is_told_in_the_words_of_the_engine(tmp_path, said, message):
    async with engine_that_says(tmp_path, head("409 Conflict") + said) as engine:
        with pytest.raises(EngineFailed, match=message) as caught:
            await engine.version()
    assert caught.value.status == 409


async def test_an_engine_that_is_silent_or_not_there_is_told_so(tmp_path, monkeypatch):
    async with engine_that_says(tmp_path, hangs=True) as engine:
        with pytest.raises(EngineFailed, match="takes too long"):
            await engine._json("GET", "version", timeout=0.1)
    for address in (f"unix://{tmp_path}/nothing", "tcp://127.0.0.1:1", "tcp://[:1"):
        engine = Engine(address)
        with pytest.raises(EngineFailed, match="does not answer") as caught:
            await engine.version()
        assert caught.value.status == 900
        await engine.close()
