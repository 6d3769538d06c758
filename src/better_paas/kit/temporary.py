"""The process's temporary folder, inside the data directory: what a killed process left in its own is swept."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

# What a program that failed for want of room may have given back when it ended.
_NO_ROOM_BYTES = 2**20
_MOUNTS = Path("/proc/self/mountinfo")
# Of those that are claimed in this process, the newest is in use.
_claims: list["Claim"] = []


@contextlib.asynccontextmanager
async def folder(prefix: str) -> AsyncIterator[Path]:
    """A temporary folder. What is in it may be a stranger's, and very many files: a thread removes them."""
    made = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield made
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, made, True))


def is_full() -> bool:
    """Whether its disk has no room now: what fails there does not always say why."""
    return shutil.disk_usage(tempfile.gettempdir()).free < _NO_ROOM_BYTES


class Claim:
    """A folder below `root` that all of `tempfile` uses until `release`, and whatever libraries do with it.

    A lock on the folder says that its process lives; the system lets go of it when that dies.
    """

    def __init__(self, root: Path) -> None:
        """Where not even a folder can be made, as on a full disk, the system's own is used: the start goes on."""
        self._root, self._lock, self.folder = root, -1, Path(tempfile.gettempdir())
        with contextlib.suppress(OSError):
            root.mkdir(mode=0o700, exist_ok=True)
            with _turn(root):
                self.folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))
                self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
        if self._lock >= 0:
            _claims.append(self)
            _use_newest()

    def sweep(self) -> int:
        """Remove what dead processes left; how many folders. It may take long: call it beside other things."""
        try:
            with _turn(self._root):
                dead = [(path, lock) for path in self._root.iterdir() if (lock := _lock_of_dead(path)) is not None]
        except OSError:
            return 0
        mounted = _MOUNTS.read_text() if _MOUNTS.exists() else ""
        for path, lock in dead:
            # A program that was killed with the server may have left the kernel's own files in there.
            if f" {path}/" not in mounted:
                shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
        return len(dead)

    def release(self) -> None:
        if self._lock < 0:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1
        _claims.remove(self)
        _use_newest()


@contextlib.contextmanager
def claimed(root: Path) -> Iterator[None]:
    """For a command: its temporary folder, and the end of what killed ones left."""
    claim = Claim(root)
    try:
        claim.sweep()
        yield
    finally:
        claim.release()


def _use_newest() -> None:
    tempfile.tempdir = str(_claims[-1].folder) if _claims else None


@contextlib.contextmanager
def _turn(root: Path) -> Iterator[None]:
    """One process at a time: between making a folder and locking it, it would seem to be a dead one's."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock_of_dead(path: Path) -> int | None:
    """The folder's lock, or None while a process has it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
