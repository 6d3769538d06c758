"""Unpacks archives of strangers: regular files below one folder, and nothing that could reach out of it."""

import contextlib
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

_DEEPEST = 60
_LONGEST_PATH = 1024
_CHUNK = 1 << 20

# What macOS puts beside the files.
_LITTER = ("__MACOSX", ".DS_Store")


class ArchiveRefused(Exception):
    """The archive is damaged, too large, or holds what a source tree must not. The message says what."""


@dataclass(frozen=True)
class UnpackLimits:
    """files: how many. file_bytes, bytes: of one and of all, as they are on disk."""

    files: int
    file_bytes: int
    bytes: int


@dataclass(frozen=True)
class _Entry:
    path: PurePosixPath
    executable: bool
    size: int
    content: IO[bytes]


def unpack(archive: IO[bytes], target: Path, limits: UnpackLimits) -> int:
    """Put the files of a .zip or .tar.gz below `target`, which is made; how many there were.

    One folder at the top that all files share is left out. Sizes are counted while writing: what an archive
    says of itself is not believed. Errors: ArchiveRefused; `target` may then be half filled.
    """
    try:
        is_zip = zipfile.is_zipfile(archive)
        archive.seek(0)
        count, total = 0, 0
        for entry in _of_zip(archive, limits) if is_zip else _of_tar(archive, limits):
            count += 1
            if count > limits.files:
                raise ArchiveRefused(f"it holds more than {limits.files} files")
            total += _write(entry, target, limits, total)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        ValueError,
    ) as error:
        if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
            raise ArchiveRefused("it holds two entries at the same place") from None
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ArchiveRefused("it is damaged, or neither .zip nor .tar.gz") from None
    if count == 0:
        raise ArchiveRefused("it holds no files")
    _lift(target)
    return count


def _of_tar(archive: IO[bytes], limits: UnpackLimits) -> Iterator[_Entry]:
    with tarfile.open(fileobj=archive, mode="r|gz") as tar:
        for seen, member in enumerate(tar):
            if seen > limits.files * 4:
                raise ArchiveRefused("it holds too many entries")
            if member.isdir() or _is_litter(member.name):
                continue
            if not member.isreg():
                kind = "a link" if member.issym() or member.islnk() else "a device or the like"
                raise ArchiveRefused(f"{_shown(member.name)} is {kind}: only files can be uploaded")
            content = tar.extractfile(member)
            assert content is not None
            yield _Entry(_checked(member.name), bool(member.mode & 0o100), member.size, content)


def _of_zip(archive: IO[bytes], limits: UnpackLimits) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as found:
        if len(found.infolist()) > limits.files * 4:
            raise ArchiveRefused("it holds too many entries")
        for info in found.infolist():
            if info.is_dir() or _is_litter(info.filename):
                continue
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise ArchiveRefused(f"{_shown(info.filename)} is a link or device: only files can be uploaded")
            if info.flag_bits & 1:
                raise ArchiveRefused("it is encrypted")
            with found.open(info) as content:
                yield _Entry(_checked(info.orig_filename), bool(mode & 0o100), info.file_size, content)


def _checked(name: str) -> PurePosixPath:
    """A path that stays below the folder. Errors: ArchiveRefused."""
    path = PurePosixPath(name)
    if (
        not name
        or len(name) > _LONGEST_PATH
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for letter in name)
        or any(len(part.encode()) > 255 for part in path.parts)
        or not path.parts
    ):
        raise ArchiveRefused(f"{_shown(name)} is no path inside a folder")
    if len(path.parts) > _DEEPEST:
        raise ArchiveRefused("its folders are nested too deeply")
    return path


def _write(entry: _Entry, target: Path, limits: UnpackLimits, before: int) -> int:
    if entry.size > limits.file_bytes:
        raise _too_large(entry, limits)
    place = target.joinpath(*entry.path.parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    descriptor = os.open(
        place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755 if entry.executable else 0o644
    )
    with os.fdopen(descriptor, "wb") as file:
        while chunk := entry.content.read(_CHUNK):
            written += len(chunk)
            if written > limits.file_bytes:
                raise _too_large(entry, limits)
            if before + written > limits.bytes:
                raise ArchiveRefused(f"its files are larger than {limits.bytes // 2**20} MiB")
            file.write(chunk)
    return written


def _too_large(entry: _Entry, limits: UnpackLimits) -> ArchiveRefused:
    return ArchiveRefused(f"{_shown(str(entry.path))} is larger than {limits.file_bytes // 2**20} MiB")


def _lift(target: Path) -> None:
    """Leave out the one folder that holds everything."""
    inside = list(target.iterdir())
    if len(inside) != 1 or not inside[0].is_dir():
        return
    moved = target.with_name(f"{target.name}.lifted")
    inside[0].rename(moved)
    target.rmdir()
    moved.rename(target)


def _is_litter(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return any(part in _LITTER for part in PurePosixPath(name).parts)
    return False


def _shown(name: str) -> str:
    return ascii(name)[:120]
