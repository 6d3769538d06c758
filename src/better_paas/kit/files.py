"""Files that must be whole or absent, whatever kills the process, and locks among processes."""

import asyncio
import contextlib
import functools
import os
import secrets
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path


def write_atomically(path: Path, content: str, mode: int = 0o600) -> None:
    """Replace `path` by one rename after the new content is on disk, so that a reader sees all or nothing."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
        if sys.platform == "win32":
            return  # it opens no folders; the client runs there too
        # The name is on disk when the folder is.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


async def _on_own_thread(wait: Callable[[], None]) -> None:
    """Those of the pool are few: if all waited for locks, what their holders need them for would never be done."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def work() -> None:
        with contextlib.suppress(OSError):
            wait()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=work, name="file-lock", daemon=True).start()
    await done.wait()


def _wait_for_lock(descriptor: int) -> None:
    """descriptor: one more of the file, and this thread's own: whoever asked may be gone, and its number another
    file's."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def file_lock(path: Path) -> AsyncIterator[None]:
    """No other process that asks for the same lock has it meanwhile; the system frees that of a dead one."""
    import fcntl  # the client runs where there is none

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await _on_own_thread(functools.partial(_wait_for_lock, os.dup(descriptor)))
        yield
    finally:
        os.close(descriptor)
