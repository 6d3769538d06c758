"""Archives that are small and want much: each is refused within 3 s and a few MiB of memory."""

import gzip
import io
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib

import pytest

from better_paas.kit.filetimes import EARLIEST
from better_paas.kit.unpack import ArchiveRefused, UnpackLimits, unpack

MB = 2**20
# A fifth of those of uploads.
LIMITS = UnpackLimits(2_000, 20 * MB, 100 * MB)


def header(name: str, kind: bytes, size: int, **fields) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 512)


def pax(records: dict[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    text = b""
    for name, value in records.items():
        length = len(name) + len(value.encode()) + 3
        length += len(str(length + len(str(length))))
        text += f"{length} {name}={value}\n".encode()
    return header("pax", kind, len(text)) + padded(text)


def tar(*parts: bytes) -> bytes:
    return gzip.compress(b"".join(parts) + b"\0" * 1024, 1)


FILE = header("a", tarfile.REGTYPE, 1) + padded(b"x")


def with_holes() -> bytes:
    """The old GNU form: a map of holes that goes on and on, and nothing else."""
    first = bytearray(header("holes", tarfile.GNUTYPE_SPARSE, 0))
    first[482] = 1  # more of the map follows
    first[148:156] = b" " * 8
    first[148:156] = b"%06o\0 " % sum(first)
    more = (b"%011o\0" % 0 + b"%011o\0" % 1) * 21 + b"\1" + b"\0" * 7
    return tar(bytes(first), more * 150_000)


def with_holes_in_the_file() -> bytes:
    """Its form 1.0: the map is the beginning of the file."""
    said = pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1", "GNU.sparse.name": "a"})
    content = b"9999999\n" + b"0\n1\n" * 4_000_000
    return tar(said, header("a", tarfile.REGTYPE, len(content)), padded(content))


def with_many_headers() -> bytes:
    """Each file has 60 KiB of remarks."""
    return tar((pax({"comment": "x" * 60_000}) + header("d", tarfile.DIRTYPE, 0)) * 1_800, FILE)


def with_endless_globals() -> bytes:
    return tar(
        *(
            pax({f"n{number}": "x" * 60_000}, tarfile.XGLTYPE) + header("d", tarfile.DIRTYPE, 0)
            for number in range(1800)
        ),
        FILE,
    )


def with_slow_headers() -> bytes:
    return tar((header("pax", tarfile.XHDTYPE, 65_536) + b"1" * 65_536 + header("d", tarfile.DIRTYPE, 0)) * 400, FILE)


def with_numbers_without_end() -> bytes:
    return tar((pax({"comment": "1" * 65_000}) + header("d", tarfile.DIRTYPE, 0)) * 400, FILE)


def with_records_in_one_another() -> bytes:
    """Each record's name reaches to the end of the header: a thousand times what it is."""
    text = b"2 " * 30_000 + b"=\n"
    return tar(header("pax", tarfile.XHDTYPE, len(text)) + padded(text), FILE)


def zip_with_more_than_it_says() -> bytes:
    """A list of entries of 16 MiB that is said to have one."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 0, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)[:46] + b"a"
    listed = entry * (15 * MB // len(entry))
    return listed + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(listed), 0, 0)


def zip_whose_entries_lie_in_one_another() -> bytes:
    """All files are one and the same piece of the archive."""
    packed = zlib.compress(b"\0" * 18 * MB, 9)[2:-4]
    check = zlib.crc32(b"\0" * 18 * MB)
    sizes = (check, len(packed), 18 * MB)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, *sizes, 1, 0) + b"a" + packed
    listed = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, *sizes, 1, 0, 0, 0, 0, 0, 0) + b"a"
        for _ in range(1800)
    )
    return local + listed + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1800, 1800, len(listed), len(local), 0)


def zip_64() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", b"x")
    content = made.getvalue()
    end = content.rindex(b"PK\5\6")
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
    return content[:end] + large + struct.pack("<4sLQL", b"PK\6\7", 0, end, 1) + content[end:]


@pytest.mark.parametrize(
    "made",
    [
        with_holes, with_holes_in_the_file, with_many_headers, with_endless_globals, with_slow_headers, with_numbers_without_end, with_records_in_one_another,
        zip_with_more_than_it_says, zip_whose_entries_lie_in_one_another, zip_64,
        lambda: tar(pax({"GNU.sparse.map": "0,1," * 10_000 + "0,1", "GNU.sparse.size": "1"}), FILE),
        lambda: tar(pax({"GNU.sparse.size": "1", "GNU.sparse.numblocks": "9", "GNU.sparse.offset": "0"}), FILE),
        # Headers of headers of headers, of each kind.
        lambda: tar(pax({"a": "b"}) * 5000, FILE), lambda: tar(pax({"a": "b"}, tarfile.XGLTYPE) * 5000, FILE),
        lambda: tar((header("l", tarfile.GNUTYPE_LONGNAME, 2) + padded(b"n\0")) * 5000, FILE),
        lambda: tar(header("d", tarfile.DIRTYPE, 0) * 100_000),
        lambda: tar(header("", tarfile.GNUTYPE_LONGNAME, 60_000) + padded(b"n/" * 30_000), FILE),
        lambda: tar(pax({"path": "n" * 60_000}), FILE), lambda: tar(pax({"path": "../evil"}), FILE),
        lambda: tar(pax({"path": "a\0b"}), FILE), lambda: tar(pax({"size": str(2**60)}), FILE),
        lambda: tar(pax({"size": "-1024"}), FILE), lambda: tar(header("a", tarfile.REGTYPE, -1024), FILE),
        lambda: tar(header("a", tarfile.DIRTYPE, 0), FILE * 2), lambda: tar(FILE, header("a/b", tarfile.REGTYPE, 0)),
        lambda: gzip.compress(b"\0" * 140 * MB, 1),
        lambda: tar(header("large", tarfile.REGTYPE, 18 * MB), b"\0" * 18 * MB, *(header(f"{n}", tarfile.REGTYPE, 18 * MB) + b"\0" * 18 * MB for n in range(6))),
    ],
)  # fmt: skip
def test_what_an_archive_wants(tmp_path, made):
    archive = io.BytesIO(made())
    assert len(archive.getvalue()) < 16 * MB
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(ArchiveRefused):
            unpack(archive, tmp_path / "tree", LIMITS)
        assert time.process_time() - began < 3
        assert tracemalloc.get_traced_memory()[1] < 64 * MB
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "evil").exists()


def test_empty_parts_of_a_stream_cost_little(tmp_path):
    archive = io.BytesIO(gzip.compress(b"") * 50_000 + tar(FILE))
    began = time.process_time()
    assert unpack(archive, tmp_path / "tree", LIMITS) == 1
    assert time.process_time() - began < 3


def test_headers_that_programs_write_are_understood(tmp_path):
    """Long names in both forms, and a global header as Git writes it."""
    git = pax({"comment": "0" * 40}, tarfile.XGLTYPE)
    long = pax({"path": "source/" + "n" * 150, "mtime": "1.5"}) + FILE
    gnu = header("l", tarfile.GNUTYPE_LONGNAME, 158) + padded(b"source/" + b"m" * 150 + b"\0") + FILE
    assert unpack(io.BytesIO(tar(git, long, gnu)), tmp_path / "tree", LIMITS) == 2
    assert {path.name[0] for path in (tmp_path / "tree").iterdir()} == {"n", "m"}


@pytest.mark.parametrize("mtime", ["1700000000.5", "inf", "-5", "nan"])
def test_files_keep_their_times(tmp_path, mtime):
    unpack(io.BytesIO(tar(pax({"mtime": mtime}), FILE)), tmp_path / "tree", LIMITS)
    assert EARLIEST <= (tmp_path / "tree" / "a").stat().st_mtime <= time.time()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a", (2020, 5, 17, 10, 0, 0)), "x")
    unpack(packed, tmp_path / "zip", LIMITS)
    assert (tmp_path / "zip" / "a").stat().st_mtime == 1589709600
