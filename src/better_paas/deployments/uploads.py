"""Sources that were uploaded: kept on disk, so that an app can be built again without its archive."""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from typing import IO

from better_paas.errors import Invalid
from better_paas.kit.ids import new_id
from better_paas.kit.unpack import ArchiveRefused, UnpackLimits
from better_paas.untrusted.reader import SourceReader

PREFIX = "upload://"
_MOST_FILES, _FILE_BYTES = 10_000, 100 * 2**20
# The newest, and the one that a build may be copying.
_KEPT = 2
_INCOMING = "incoming-"


class Uploads:
    """`folder` has one folder for each app, and in it one tree for each upload: `<time>-<version>`."""

    def __init__(self, folder: Path, most_bytes: int, reader: SourceReader) -> None:
        self._folder, self._reader = folder, reader
        self._limits = UnpackLimits(_MOST_FILES, _FILE_BYTES, most_bytes)

    async def take_in(self, archive: IO[bytes]) -> tuple[Path, int]:
        """Unpack to a place of its own: the tree and its number of files. Errors: Invalid."""
        incoming = self._folder / f"{_INCOMING}{new_id()}"
        incoming.mkdir(mode=0o700, parents=True)
        try:
            # The file has no name any more, but for this.
            file = Path(f"/proc/{os.getpid()}/fd/{archive.fileno()}")
            return incoming, await self._reader.unpack(file, incoming / "tree", self._limits)
        except ArchiveRefused as error:
            await self.drop(incoming)
            hint = f"Send a .zip or .tar.gz of at most {self._limits.bytes // 2**20} MiB with plain files."
            raise Invalid(f"archive: {error}", hint, code="invalid_archive", quoted=error.quoted) from error
        except BaseException:
            await self.drop(incoming)
            raise

    async def drop(self, incoming: Path) -> None:
        await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)

    async def adopt(self, app_id: str, incoming: Path) -> None:
        """Make it the app's newest: one rename, so that it is there as a whole or not at all."""
        await asyncio.to_thread(self._adopt, app_id, incoming)

    def _adopt(self, app_id: str, incoming: Path) -> None:
        home = self._folder / app_id
        home.mkdir(mode=0o700, exist_ok=True)
        (incoming / "tree").rename(home / f"{time.time_ns():020}-{_digest(incoming / 'tree')}")
        incoming.rmdir()
        for old in sorted(home.iterdir())[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self, app_id: str, version: str = "") -> Path | None:
        """The newest tree, or the newest of this version."""
        home = self._folder / app_id
        trees = sorted(home.glob(f"*-{version or '*'}")) if home.is_dir() else []
        return trees[-1] if trees else None

    async def forget(self, app_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder / app_id, ignore_errors=True)

    async def sweep(self, known: Collection[str]) -> None:
        """At start: remove what was never adopted, and what belongs to no app."""
        left = [path for path in self._folder.iterdir() if path.name not in known] if self._folder.is_dir() else []
        for path in left:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


def app_of(repository: str) -> str:
    """The app's id in `upload://<id>`."""
    return repository.removeprefix(PREFIX)


def version_of(tree: Path) -> str:
    """What a commit is to a repository: the same files have the same one."""
    return tree.name.partition("-")[2]


def _digest(tree: Path) -> str:
    """Of all files' paths, contents and whether they can be run, in 40 hexadecimal digits."""
    found = hashlib.sha256()
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        mark = "x" if os.access(path, os.X_OK) else "-"
        found.update(f"{content} {mark} {path.relative_to(tree).as_posix()}\0".encode("utf-8", "surrogateescape"))
    return found.hexdigest()[:40]
