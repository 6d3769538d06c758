"""Runs programs by argv list. There is no shell here, and nothing else in the product starts a program."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from better_paas.kit.lines import LineBuffer

# For a child that runs a part of this package: an installed one lies in a folder that only this process was told of.
OWN_PACKAGE = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
# What a child may inherit: where programs and certificates are, and how to reach the network.
# Never DOCKER_HOST, GIT_SSH_COMMAND, LD_PRELOAD and the like.
_INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)

_MAX_OUTPUT_BYTES = 8 * 1024 * 1024


class ProgramFailed(Exception):
    """A program could not be started, ran too long or ended with another code than 0."""

    def __init__(self, program: str, code: int | None, output: str, reason: str) -> None:
        super().__init__(f"{program}: {reason}")
        self.program, self.code, self.output, self.reason = program, code, output, reason


@dataclass(frozen=True)
class Completed:
    stdout: str
    stderr: str


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The short environment that children get, plus `extra`."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    environment.update(extra or {})
    return environment


async def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
    timeout: float = 60,
    on_line: Callable[[str], None] | None = None,
    all_output: bool = False,
    on_output: Callable[[bytes], None] | None = None,
    umask: int = -1,
) -> Completed:
    """Run `argv` to its end and give what it printed.

    environment: added to the short inherited one. timeout: seconds. on_line: called with each line of standard error
    as it comes; all_output: and of standard output. on_output: called with standard output in pieces, of which nothing
    is kept then. umask: -1 for ours. Errors: ProgramFailed; also for more output than is kept, where nobody heard it.
    The whole process group ends when this is cancelled, or when what is called raises.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=child_environment(environment),
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            umask=umask,
        )
    except OSError as error:
        raise ProgramFailed(argv[0], None, "", f"can't be started ({error.strerror})") from error
    heard = on_output or (_lines(on_line) if on_line is not None and all_output else None)
    output = asyncio.ensure_future(_collect(process.stdout, heard, keep=on_output is None, is_answer=heard is None))
    errors = asyncio.ensure_future(_collect(process.stderr, _lines(on_line) if on_line is not None else None))
    fed = asyncio.ensure_future(_feed(process, stdin))
    try:
        async with asyncio.timeout(timeout):
            stdout, stderr, _ = await asyncio.gather(output, errors, fed)
            code = await process.wait()
    except TimeoutError as error:
        raise ProgramFailed(argv[0], None, "", f"did not end within {timeout:.0f} s") from error
    except _TooMuchOutput as error:
        raise ProgramFailed(argv[0], None, "", f"printed more than {_MAX_OUTPUT_BYTES // 2**20} MiB") from error
    finally:
        for one in (output, errors, fed):
            one.cancel()
        await asyncio.gather(output, errors, fed, return_exceptions=True)
        await _end_group(process)
    if code != 0:
        raise ProgramFailed(argv[0], code, (stderr or stdout)[-4000:], f"ended with code {code}")
    return Completed(stdout, stderr)


async def spawn(argv: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a program that is talked to by its standard input and output. environment: all that it gets.

    What it says besides is nobody's: it may be a stranger's text.
    """
    return await asyncio.create_subprocess_exec(
        *argv,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


class _TooMuchOutput(Exception):
    pass


async def _collect(
    stream: asyncio.StreamReader | None,
    heard: Callable[[bytes], None] | None,
    keep: bool = True,
    is_answer: bool = False,
) -> str:
    """What came, up to a limit. is_answer: cutting it off would change what it says. Errors: _TooMuchOutput."""
    kept, size = bytearray(), 0
    while stream is not None and (chunk := await stream.read(65536)):
        size += len(chunk)
        if keep and size <= _MAX_OUTPUT_BYTES:
            kept += chunk
        elif is_answer:
            raise _TooMuchOutput
        if heard is not None:
            heard(chunk)
    return kept.decode(errors="replace")


def _lines(on_line: Callable[[str], None]) -> Callable[[bytes], None]:
    buffer = LineBuffer()

    def hear(chunk: bytes) -> None:
        for line in buffer.feed(chunk.replace(b"\r", b"\n")):
            if line.strip():
                on_line(line.decode(errors="replace"))

    return hear


async def _feed(process: asyncio.subprocess.Process, data: bytes | None) -> None:
    if process.stdin is None or data is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """End what is left of the program and what it started, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        # A full pipe keeps the wait from ending.
        while stream is not None and await stream.read(65536):
            pass
    await process.wait()
