"""Functions that run in child processes with limits, so that no input of theirs can hold this process up.

A child is started when it is needed, does one task after the other, and is gone after an idle minute. One that overruns
is killed, and the next task gets another. The child's end is kit.tasks.
"""

import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from better_paas.kit.subprocess import OWN_PACKAGE, spawn
from better_paas.kit.tasks import LENGTH, Task

_IDLE_SECONDS = 60.0
_LONGEST_ANSWER = 64 * 2**20
# On a busy machine a second of CPU time takes longer than a second.
_PATIENCE = 5
_START_SECONDS = 60.0


class TaskOverran(Exception):
    """The task took more time or memory than it may, and was ended."""


class TaskFailed(Exception):
    """The function raised what it does not declare, or the program did not start: a fault of ours.

    The message names the error.
    """


class Workers:
    """The parent's end."""

    def __init__(self, module: str, most: int, idle_seconds: float = _IDLE_SECONDS) -> None:
        """module: the child's program, which calls `serve`. most: how many tasks run at once; others wait."""
        self._argv = [sys.executable, "-P", "-s", "-m", module]
        self._idle_seconds = idle_seconds
        self._room = asyncio.Semaphore(most)
        self._idle: list[asyncio.subprocess.Process] = []
        self._letting_go: asyncio.TimerHandle | None = None

    async def run(self, task: Task, **arguments: Any) -> Any:
        """What the task gives. Errors: those that it declares, TaskOverran, OSError, TaskFailed."""
        async with self._room:
            rested = self._resting()
            child = rested or await self._start()
            try:
                async with asyncio.timeout(task.seconds * _PATIENCE):
                    try:
                        answer = await _ask(child, {"task": task.name, "arguments": arguments})
                    except (EOFError, OSError):
                        if rested is None:
                            raise
                        # It may have come to its end while it waited, which was not the task's doing.
                        await _end(child)
                        child = await self._start()
                        answer = await _ask(child, {"task": task.name, "arguments": arguments})
            except (TimeoutError, EOFError, OSError) as error:
                await _end(child)
                raise TaskOverran(f"{task.name} took more than {task.seconds} s, or too much memory") from error
            except BaseException:
                await asyncio.shield(_end(child))
                raise
            self._rest(child)
        if "refused" in answer:
            kind = next(kind for kind in task.errors if kind.__name__ == answer["refused"])
            raise kind(*answer["told"])
        if "errno" in answer:
            raise OSError(answer["errno"], answer["failed"])  # the machine's, such as a full disk
        if "failed" in answer:
            raise TaskFailed(answer["failed"])
        return answer["result"]

    async def _start(self) -> asyncio.subprocess.Process:
        # Nothing of ours but where programs are: what reads strangers' text has no secrets to lose.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **OWN_PACKAGE}
        child = await spawn(self._argv, environment)
        assert child.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child.stdout.readexactly(LENGTH.size)
        except (TimeoutError, EOFError, OSError) as error:
            await _end(child)
            raise TaskFailed(f"{self._argv[-1]} did not start") from error
        except BaseException:
            await asyncio.shield(_end(child))
            raise
        return child

    def _resting(self) -> asyncio.subprocess.Process | None:
        """The one that worked last, if it is alive: the others may come to their end."""
        while self._idle:
            if (child := self._idle.pop()).returncode is None:
                return child
        return None

    def _rest(self, child: asyncio.subprocess.Process) -> None:
        self._idle.append(child)
        if self._letting_go is not None:
            self._letting_go.cancel()
        self._letting_go = asyncio.get_running_loop().call_later(self._idle_seconds, self._let_go)

    def _let_go(self) -> None:
        """The end of their input ends them."""
        children, self._idle = self._idle, []
        for child in children:
            assert child.stdin is not None
            child.stdin.close()

    async def close(self) -> None:
        if self._letting_go is not None:
            self._letting_go.cancel()
        children, self._idle = self._idle, []
        for child in children:
            await _end(child)


async def _ask(child: asyncio.subprocess.Process, request: dict[str, Any]) -> dict[str, Any]:
    """Errors: EOFError, OSError if the child has ended."""
    assert child.stdin is not None and child.stdout is not None
    data = json.dumps(request).encode()
    child.stdin.write(LENGTH.pack(len(data)) + data)
    await child.stdin.drain()
    (length,) = LENGTH.unpack(await child.stdout.readexactly(LENGTH.size))
    if length > _LONGEST_ANSWER:
        raise EOFError
    found: dict[str, Any] = json.loads(await child.stdout.readexactly(length))
    return found


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    # To the end of its output as well, so that nothing of it is left open.
    with contextlib.suppress(OSError):
        await child.communicate()
