"""Unpacks archives of strangers: regular files below one folder, and nothing that could reach out of it."""

import calendar
import contextlib
import gzip
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from better_paas.kit.filetimes import date
from better_paas.kit.quoted import Told

_DEEPEST = 60
_LONGEST_PATH = 1024
_CHUNK = 1 << 20
_LARGEST_DIRECTORY = 16 << 20
# Extended headers of a tar, which the library reads as a whole: one, all of them, and how many before one file.
_LARGEST_HEADER, _MOST_HEADER_BYTES, _MOST_HEADERS = 1 << 16, 32 << 20, 8
# Headers and padding of a file in a tar, with an extended header.
_TAR_OVERHEAD = 4096
_EXTENDED = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_RECORD, _ENDLESS_NUMBER = re.compile(rb"(\d{1,6}) "), re.compile(rb"\d{65}")
# The end record of a zip with the longest comment, and the locator before it.
_END_BYTES = 22 + 65_535 + 20

# What macOS puts beside the files.
_LITTER = ("__MACOSX", ".DS_Store")


class ArchiveRefused(Told):
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
    modified: float
    size: int
    content: IO[bytes]


def unpack(archive: IO[bytes], target: Path, limits: UnpackLimits) -> int:
    """Put the files of a .zip or .tar.gz below `target`, which is made; how many there were.

    One folder at the top that all files share is left out. Files keep their times. Sizes are counted while writing:
    what an archive says of itself is not believed. Errors: ArchiveRefused; `target` may then be half filled.
    """
    try:
        is_zip = zipfile.is_zipfile(archive)
        archive.seek(0)
        count, total, folders = 0, 0, set[PurePosixPath]()
        for entry in _of_zip(archive, limits) if is_zip else _of_tar(archive, limits):
            count += 1
            folders.update(entry.path.parents)
            if count > limits.files or len(folders) > limits.files:
                raise ArchiveRefused(f"it holds more than {limits.files} files or folders")
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


class _Counted(gzip.GzipFile):
    """The unpacked stream, up to a limit: it counts what is skipped as well."""

    def __init__(self, archive: IO[bytes], most: int) -> None:
        super().__init__(fileobj=archive, mode="rb")
        self._left = most

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise ArchiveRefused("what it holds is too large")
        return chunk


class _Tar(tarfile.TarFile):
    """Knows how much of its headers was read. headers: since the last file; header_bytes: in all."""

    headers = 0
    header_bytes = 0

    def note_header(self, size: int) -> None:
        self.headers, self.header_bytes = self.headers + 1, self.header_bytes + size
        # The library looks for what a header belongs to by calling itself, and keeps what global headers say.
        if size > _LARGEST_HEADER or self.headers > _MOST_HEADERS or self.header_bytes > _MOST_HEADER_BYTES:
            raise ArchiveRefused("it holds headers that are too large or too many")


class _Member(tarfile.TarInfo):
    """The library reads headers as a whole, whatever size they claim, and maps of holes, however long they are."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        assert isinstance(tar, _Tar)
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._refuse_holes()
        if self.type in _EXTENDED:
            tar.note_header(self.size)
        else:
            tar.headers = 0
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found

    def _proc_pax(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        stream: Any = tar.fileobj
        text: bytes = stream.read(self._block(self.size))  # type: ignore[attr-defined]
        _check_records(text[: self.size])

        def again(_: int) -> bytes:
            del stream.read
            return text

        # The library is given the same once more; it knows where it is by what was really read.
        stream.read = again
        found: tarfile.TarInfo = super()._proc_pax(tar)  # type: ignore[misc]
        return found

    def _refuse_holes(self, *_: object) -> None:
        sentence = "it holds a file that is stored with holes; pack it without --sparse"
        raise ArchiveRefused(sentence, quoted=_shown(self.name))

    # The other three ways to say so, which are in extended headers and in the file itself.
    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_holes


def _check_records(text: bytes) -> None:
    """Refuse an extended header in which the library's patterns would search for hours. Errors: ArchiveRefused.

    Its records, `<length> <name>=<value>` and a line's end, lie behind each other, and no number in it is endless.
    """
    place = 0
    while place < len(text):
        length = _RECORD.match(text, place)
        end = place + int(length[1]) if length is not None else 0
        if length is None or end > len(text) or text[end - 1 : end] != b"\n" or text.find(b"=", length.end(), end) < 0:
            raise tarfile.ReadError
        place = end
    if _ENDLESS_NUMBER.search(text):
        raise ArchiveRefused("it holds a header with an endless number")


def _check_directory(archive: IO[bytes], limits: UnpackLimits) -> None:
    """Refuse a list of entries that would fill the memory, before the library reads it. Errors: ArchiveRefused."""
    archive.seek(0, os.SEEK_END)
    start = max(0, archive.tell() - _END_BYTES)
    archive.seek(start)
    tail = archive.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile
    entries, size = struct.unpack_from("<HI", tail, end + 10)
    large = tail[max(0, end - 20) : end].startswith(b"PK\6\7")
    if large or entries > limits.files * 4 or size > _LARGEST_DIRECTORY:
        raise ArchiveRefused("it holds too many entries")
    archive.seek(max(0, start + end - size))
    # The library goes by what is there, not by the number that it is said to be.
    if archive.read(size).count(b"PK\1\2") > limits.files * 4:
        raise ArchiveRefused("it holds too many entries")
    archive.seek(0)


def _of_tar(archive: IO[bytes], limits: UnpackLimits) -> Iterator[_Entry]:
    plain = _Counted(archive, limits.bytes + limits.files * _TAR_OVERHEAD)
    with _Tar.open(fileobj=plain, mode="r|", tarinfo=_Member) as tar:
        seen = 0
        while (member := tar.next()) is not None:
            seen += 1
            # It would be kept with all that its headers say.
            tar.members.clear()  # type: ignore[attr-defined]
            if seen > limits.files * 4:
                raise ArchiveRefused("it holds too many entries")
            if member.isdir() or _is_litter(member.name):
                continue
            if not member.isreg():
                kind = "a link" if member.issym() or member.islnk() else "a device or the like"
                raise ArchiveRefused(f"it holds {kind}: only files can be uploaded", quoted=_shown(member.name))
            content = tar.extractfile(member)
            assert content is not None
            yield _Entry(_checked(member.name), bool(member.mode & 0o100), member.mtime, member.size, content)


def _of_zip(archive: IO[bytes], limits: UnpackLimits) -> Iterator[_Entry]:
    _check_directory(archive, limits)
    with zipfile.ZipFile(archive) as found:
        for info in found.infolist():
            if not info.filename:  # the library takes its last letter
                raise ArchiveRefused("it holds a file without a name")
            if info.is_dir() or _is_litter(info.filename):
                continue
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise ArchiveRefused(
                    "it holds a link or device: only files can be uploaded", quoted=_shown(info.filename)
                )
            if info.flag_bits & 1:
                raise ArchiveRefused("it is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # The library unpacks the other kinds as a whole, however large they become.
                raise ArchiveRefused("it is compressed in an unusual way; use deflate")
            with found.open(info) as content:
                path, modified = _checked(info.orig_filename), calendar.timegm((*info.date_time, 0, 0, 0))
                yield _Entry(path, bool(mode & 0o100), modified, info.file_size, content)


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
        raise ArchiveRefused("it holds what is no path inside a folder", quoted=_shown(name))
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
        file.flush()
        date(file.fileno(), entry.modified)
    return written


def _too_large(entry: _Entry, limits: UnpackLimits) -> ArchiveRefused:
    sentence = f"it holds a file that is larger than {limits.file_bytes // 2**20} MiB"
    return ArchiveRefused(sentence, quoted=_shown(str(entry.path)))


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
