"""Deployment logs: whole lines, live readers, bounded size."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from better_paas.kit.logs import LogFile, follow, read_lines


@pytest.fixture
def opened():
    with contextlib.ExitStack() as stack:

        def open_log(path, limit):
            log = LogFile(path, limit)
            stack.callback(log.close)
            return log

        yield open_log


async def test_a_reader_gets_everything_in_order_and_the_end(tmp_path):
    log = LogFile(tmp_path / "a" / "x.log", 10**6)
    log.write("before")
    seen = []

    async def read():
        async for lines in follow(log.path, log):
            seen.extend(entry["message"] for entry in lines.entries)

    reader = asyncio.create_task(read())
    for number in range(500):
        log.write(f"line {number}")
        if number % 50 == 0:
            await asyncio.sleep(0)
    log.close()
    await asyncio.wait_for(reader, 5)
    assert seen == ["before", *(f"line {number}" for number in range(500))]


async def test_reading_resumes_by_offset(tmp_path, opened):
    log = opened(tmp_path / "x.log", 10**6)
    log.write("one")
    first = read_lines(log.path)
    log.write("two")
    assert [entry["message"] for entry in read_lines(log.path, first.offset).entries] == ["two"]


async def test_a_flood_is_cut_and_counted_but_the_result_is_kept(tmp_path, opened):
    log = opened(tmp_path / "x.log", 2000)
    for _ in range(1000):
        log.write("x" * 100)
    log.write("Deployment failed", always=True)
    messages = [entry["message"] for entry in read_lines(log.path).entries]
    assert log.path.stat().st_size < 4000
    assert messages[-1] == "Deployment failed"
    assert any("lines were not kept" in message for message in messages)


async def test_a_half_written_line_is_not_shown(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(b'{"message":"whole"}\n{"mess')
    assert [entry["message"] for entry in read_lines(path).entries] == ["whole"]


async def test_a_line_of_any_length_is_shortened(tmp_path, opened):
    log = opened(tmp_path / "x.log", 10**6)
    log.write("y" * 100_000)
    assert len(read_lines(log.path).entries[0]["message"]) < 9000


def test_a_log_on_a_full_disk_can_be_closed():
    """What is done behind it must be done all the same."""
    log = LogFile(Path("/dev/full"), 1000)
    with pytest.raises(OSError, match="No space left"):
        log.write("a line that finds no place")
    log.close()
    assert log.closed
