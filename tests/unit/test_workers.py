"""What strangers wrote is read by a program of its own: it ends at its limits, and this process goes on."""

import asyncio
import dataclasses
import errno
import os
import signal
import time
from pathlib import Path

import pytest

from better_paas.builders.plan import NoPlan, Overrides
from better_paas.kit.workers import TaskFailed, TaskOverran, Workers
from better_paas.untrusted import tasks
from better_paas.untrusted.reader import SourceReader

MODULE = "better_paas.untrusted"
# What a parser of TOML takes longer and longer for.
DOTTED = "\n".join(f"{'a.' * 6}b{number} = 1" for number in range(400)) + "\n" + "z = { " + "x." * 400_000 + "y = 1 }\n"


@pytest.fixture
async def workers():
    made = Workers(MODULE, most=2)
    yield made
    await made.close()


@pytest.fixture
def source(tmp_path) -> Path:
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    return tmp_path


def plan(workers, folder, task=tasks.MAKE_PLAN):
    return workers.run(task, tree=str(folder), folder="", overrides=dataclasses.asdict(Overrides()))


async def test_a_plan_comes_from_the_program_as_from_the_function(workers, source):
    found = await SourceReader(workers).plan(source, "", Overrides())
    assert found.framework == "Flask" and found.start == "gunicorn app:app --bind 0.0.0.0:$PORT"


async def test_a_program_that_does_not_start_is_no_fault_of_the_source(source):
    missing = Workers("better_paas.there_is_none", most=1)
    with pytest.raises(TaskFailed, match="did not start"):
        await plan(missing, source)


async def test_an_error_for_people_comes_whole(workers, tmp_path):
    with pytest.raises(NoPlan, match="no way to build this source was found") as error:
        await SourceReader(workers).plan(tmp_path, "", Overrides())
    assert "Looked for: Dockerfile" in error.value.hint


async def test_what_the_machine_refuses_is_no_fault_of_the_source(workers, source, tmp_path_factory):
    """Such as a full disk, which people are told of."""
    nowhere = tmp_path_factory.mktemp("x") / "missing" / "context.tar"
    with pytest.raises(OSError, match="No such file") as error:
        await SourceReader(workers).pack(nowhere, source, "", "", {})
    assert error.value.errno == errno.ENOENT


async def test_what_takes_too_long_is_ended_and_the_next_one_is_served(workers, source, tmp_path_factory):
    hostile = tmp_path_factory.mktemp("hostile")
    (hostile / "pyproject.toml").write_text(DOTTED)
    patient = dataclasses.replace(tasks.MAKE_PLAN, seconds=0.1)
    latest, beats = time.monotonic(), []

    async def beat():
        nonlocal latest
        while True:
            await asyncio.sleep(0.01)
            beats.append(time.monotonic() - latest)
            latest = time.monotonic()

    beating = asyncio.create_task(beat())
    with pytest.raises(TaskOverran):
        await plan(workers, hostile, patient)
    beating.cancel()
    assert max(beats) < 0.3
    assert (await plan(workers, source))["framework"] == "Flask"


async def test_the_kernel_ends_it_too_at_its_time_and_its_memory(monkeypatch, tmp_path):
    """Without anybody who looks at a clock: the limits are the process's own."""
    program = (
        "from better_paas.kit.tasks import Task, serve\n"
        "def spin():\n  while True: pass\n"
        "def fill():\n  return len(bytearray(2**30))\n"
        "serve({'spin': Task(spin, 1), 'fill': Task(fill, 5)}, 2**28)\n"
    )
    workers = Workers(MODULE, most=1)
    workers._argv = [workers._argv[0], "-I", "-c", program]

    def spin(): ...

    def fill(): ...

    for function, seconds in ((spin, 60), (fill, 60)):
        started = time.monotonic()
        with pytest.raises(TaskOverran):
            await workers.run(tasks.Task(function, seconds))
        assert time.monotonic() - started < 20
    await workers.close()


async def test_it_has_no_secrets_and_does_not_stay(source, monkeypatch):
    monkeypatch.setenv("ADMIN_TOKEN", "a-token-that-nobody-must-see")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@proxy")
    workers = Workers(MODULE, most=2, idle_seconds=0.05)
    await plan(workers, source)
    (child,) = workers._idle
    inherited = Path(f"/proc/{child.pid}/environ").read_bytes().split(b"\0")
    assert {entry.partition(b"=")[0] for entry in inherited if entry} == {b"PATH", b"LANG", b"PYTHONPATH"}
    async with asyncio.timeout(5):
        assert await child.wait() == 0
    assert (await plan(workers, source))["framework"] == "Flask"
    await workers.close()


async def test_one_that_is_killed_is_replaced(workers, source):
    await plan(workers, source)
    (child,) = workers._idle
    os.kill(child.pid, signal.SIGKILL)
    await child.wait()
    assert (await plan(workers, source))["framework"] == "Flask"


async def test_who_goes_away_ends_what_was_asked_for(workers, tmp_path):
    (tmp_path / "pyproject.toml").write_text(DOTTED)
    asked = asyncio.create_task(plan(workers, tmp_path))
    while not (children := [task for task in Path("/proc/self/task").glob("*/children") if task.read_text()]):
        await asyncio.sleep(0.01)
    pids = [int(pid) for file in children for pid in file.read_text().split()]
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not any(b"better_paas.untrusted" in _command(pid) for pid in pids)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_no_more_run_at_once_than_there_is_room_for(source):
    workers = Workers(MODULE, most=2)
    await asyncio.gather(*(plan(workers, source) for _ in range(8)))
    assert len(workers._idle) == 2
    await workers.close()


async def test_a_source_that_overruns_can_t_be_built_and_an_archive_is_refused(tmp_path):
    class Slow:
        async def run(self, task, **arguments):
            raise TaskOverran("it took long")

        async def close(self): ...

    from better_paas.kit.unpack import ArchiveRefused, UnpackLimits

    reader = SourceReader(Slow())
    with pytest.raises(NoPlan, match="takes too much time or memory"):
        await reader.plan(tmp_path, "", Overrides())
    with pytest.raises(ArchiveRefused, match="takes too much time or memory"):
        await reader.unpack(tmp_path, tmp_path, UnpackLimits(1, 1, 1))
