"""Programs are started by argv, with a short environment, and end when they should."""

import asyncio
import time
from pathlib import Path

import pytest

import better_paas
from better_paas.kit.subprocess import ProgramFailed, child_environment, run


def test_children_inherit_nothing_dangerous(monkeypatch):
    for name in ("DOCKER_HOST", "GIT_SSH_COMMAND", "LD_PRELOAD", "PYTHONPATH", "BETTER_PAAS_SECRET_KEY", "ADMIN_TOKEN"):
        monkeypatch.setenv(name, "x")
        assert name not in child_environment()


async def test_arguments_are_arguments():
    assert (await run(["printf", "%s", "$(id);`id`"])).stdout == "$(id);`id`"


async def test_a_program_that_hangs_is_ended_with_its_children(tmp_path):
    started = time.monotonic()
    with pytest.raises(ProgramFailed, match="within 1 s"):
        await run(["sh", "-c", "sleep 60 & sleep 60"], timeout=1)
    assert time.monotonic() - started < 5


async def test_output_without_end_is_bounded():
    with pytest.raises(ProgramFailed):
        await run(["yes"], timeout=1)


async def test_a_missing_program_is_told():
    with pytest.raises(ProgramFailed, match="can't be started"):
        await run(["no-such-program"])


async def test_cancelling_ends_the_program():
    task = asyncio.create_task(run(["sleep", "60"]))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_no_shell_and_no_other_way_to_start_programs():
    # The last two run on people's machines, without our packages; the supervisor is a program without an event loop.
    # caddy/waiting.py starts one that has to outlive us.
    allowed = {
        "kit/subprocess.py", "caddy/process.py", "caddy/waiting.py", "git/helper.py", "runtime/process/supervisor.py",
        "install/installer.py", "cli/doctor.py",
    }  # fmt: skip
    for path in Path(better_paas.__file__).parent.rglob("*.py"):
        name = path.relative_to(Path(better_paas.__file__).parent).as_posix()
        text = path.read_text()
        assert "shell=True" not in text, name
        assert "os.system" not in text, name
        if name not in allowed:
            for call in ("subprocess.Popen", "subprocess.run", "create_subprocess", "os.exec", "os.popen"):
                assert call not in text, f"{name} starts a program by itself"
