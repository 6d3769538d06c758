"""What is not meant to end is begun again, said, and never ended by what it logs."""

import asyncio
import io
import logging
import threading
import time

import pytest
import structlog

from better_paas.kit import logging as kit_logging
from better_paas.kit import supervision
from better_paas.kit.clock import now
from better_paas.kit.supervision import KeptThread, Problem, Supervisor, condition_of


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(supervision, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervision, "_LONGEST_PAUSE", 0.04)


async def test_a_task_that_fails_is_begun_again_and_shown_until_it_is_well():
    supervisor, runs, well = Supervisor(), [], asyncio.Event()

    async def work():
        runs.append(1)
        if len(runs) < 4:
            raise RuntimeError("no space left")
        assert list(supervisor.problems()) == ["keeper"]
        assert "no space left" in supervisor.problems()["keeper"].problem
        well.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(supervisor.keep("keeper", work))
    await asyncio.wait_for(well.wait(), 5)
    while supervisor.problems():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(runs) == 4


async def test_a_task_that_merely_returns_is_begun_again_too():
    supervisor, runs = Supervisor(), []

    async def work():
        runs.append(1)

    task = asyncio.create_task(supervisor.keep("keeper", work))
    while len(runs) < 3:
        await asyncio.sleep(0.01)
    assert "ended" in supervisor.problems()["keeper"].problem
    task.cancel()


def test_a_thread_that_fails_is_begun_again_and_says_when_it_is_well():
    told, ran, end = [], [], threading.Event()

    def work():
        ran.append(1)
        if len(ran) < 3:
            raise SystemExit("killed")
        end.wait(5)

    thread = KeptThread("writer", work, told.append)
    deadline = time.monotonic() + 5
    while not told or told[-1]:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert [text for text in told if text] == ["writer ended: killed", "writer ended: killed"]
    end.set()
    thread.join(5)
    assert not thread.is_alive()


def test_since_when_something_is_wrong_does_not_move_while_it_stays_wrong():
    class Part:
        problem = Problem()

    part, start = Part(), now()
    assert condition_of(part, start).since == start
    part.problem = "the disk is full"
    first = condition_of(part, start)
    part.problem = "the disk is still full"
    assert condition_of(part, start).since == first.since
    assert part.problem == "the disk is still full"
    part.problem = ""
    assert condition_of(part, start).since >= first.since
    assert condition_of(part, start).problem == ""


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


class Evil:
    def __repr__(self):
        raise ValueError("no description")


@pytest.fixture
def logs(monkeypatch):
    """The process's logs as they are configured, with another standard error; then as they were."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(stream, form="json"):
        monkeypatch.setattr("sys.stderr", stream)
        kit_logging.configure(form=form, level="INFO")
        return structlog.get_logger("test"), kit_logging.lost_lines()

    yield configure
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_full_disk_or_a_closed_output_ends_nothing_that_logs(logs, form):
    closed = io.StringIO()
    closed.close()
    for stream in (Full(), closed):
        log, before = logs(stream, form)
        log.error("the disk is full")
        logging.getLogger("library").error("the same")
        assert kit_logging.lost_lines() == before + 2


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_can_not_be_described_is_logged_without(logs, form):
    stream = io.StringIO()
    log, before = logs(stream, form)
    log.error("it broke", what=Evil())
    logging.getLogger("library").error("what %s", Evil())
    assert "it broke" in stream.getvalue()
    assert kit_logging.lost_lines() == before + 2
