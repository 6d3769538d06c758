"""Tasks, and the program that does one after the other: the child's end of kit.workers.

Requests and answers are JSON behind their length in four bytes, on standard input and output.
"""

import contextlib
import json
import os
import resource
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from better_paas.kit.quoted import Told

LENGTH = struct.Struct("!I")
_OPEN_FILES = 256
# The server answers people meanwhile.
_NICENESS = 5


@dataclass(frozen=True)
class Task:
    """function: takes and gives what JSON can carry. seconds: of CPU time that it may take.

    errors: what it raises for people.
    """

    function: Callable[..., Any]
    seconds: int
    errors: tuple[type[Told], ...] = ()

    @property
    def name(self) -> str:
        return self.function.__name__


def serve(tasks: Mapping[str, Task], memory: int) -> None:
    """The child's life: one task after the other until its input ends. memory: bytes that it may have."""
    os.nice(_NICENESS)
    # Where memory is short, this one goes, and not the server.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, hard), hard))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    # What a library prints must not get between the answers.
    sys.stdout = sys.stderr
    target.write(LENGTH.pack(0))  # says that it has started
    target.flush()
    while (request := _read(source)) is not None:
        try:
            answer = json.dumps(_answer(tasks[request["task"]], request["arguments"])).encode()
        except MemoryError:
            raise SystemExit(1) from None  # whatever is left of this process is of no use
        target.write(LENGTH.pack(len(answer)) + answer)
        target.flush()


def _read(source: BinaryIO) -> dict[str, Any] | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    found: dict[str, Any] = json.loads(source.read(LENGTH.unpack(head)[0]))
    return found


def _answer(task: Task, arguments: dict[str, Any]) -> dict[str, Any]:
    # The kernel counts for the whole life of the process, and ends it at the limit.
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + task.seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
    try:
        return {"result": task.function(**arguments)}
    except task.errors as error:
        declared = next(kind for kind in task.errors if isinstance(error, kind))
        told = [str(error), error.hint, error.quoted]
        return {"refused": declared.__name__, "told": told}
    except MemoryError:
        raise
    except OSError as error:
        return {"failed": f"{error.strerror or error}"[:2000], "errno": error.errno or 0}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:2000]}
