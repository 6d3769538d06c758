"""Repositories that are small on the line and large in every other way, and how little it takes to refuse them."""

import errno
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from better_paas.git import fetch as fetching
from better_paas.git.errors import FetchFailed
from better_paas.git.fetch import branches, fetch
from better_paas.git.limits import Limits
from better_paas.git.source import parse_address
from tests.system.servers import Repository

MB = 2**20
LIMITS = Limits(seconds=20, bytes=200 * MB, allowed_private=("127.0.0.1",))


@pytest.fixture
def repository(server) -> Repository:
    return server.repository("hostile", {"index.html": "hi"})


def plumbing(repository: Repository, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["git", "-C", str(repository.path), *arguments], input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def blob(content: bytes) -> bytes:
    return b"blob\nmark :1\ndata %d\n" % len(content) + content + b"\n"


def commit(*changes: str) -> bytes:
    """For `git fast-import`."""
    head = b"commit refs/heads/main\ncommitter a <a@example.org> 1700000000 +0000\ndata 4\nmore\n"
    return head + "".join(f"{change}\n" for change in changes).encode()


def one_blob_many_times(content: bytes, names: list[str]) -> bytes:
    return blob(content) + commit(*(f"M 100644 :1 {name}" for name in names))


async def refused(repository: Repository, target: Path, limits: Limits = LIMITS, ref: str = "") -> FetchFailed:
    """Why it is not fetched, which takes less than 3 s; nothing of its tree is on disk then, and little of its pack."""
    began = time.monotonic()
    with pytest.raises(FetchFailed) as told:
        await fetch(parse_address(repository.url), ref, "", target, limits, lambda line: None)
    assert time.monotonic() - began < 3
    assert told.value.hint
    if target.exists():
        assert [path.name for path in target.iterdir()] == [".git"]
    return told.value


async def test_a_list_longer_than_what_is_kept_of_output_is_counted_whole(repository, tmp_path):
    """Names of 250 letters: the first 8 MiB of the list hold less than the limit, all of it more."""
    names = [f"{number:06}".ljust(250, "x") for number in range(40_000)]
    stream = one_blob_many_times(b"\0" * 50_000, names)
    plumbing(repository, "fast-import", "--quiet", "--force", stdin=stream)
    told = await refused(repository, tmp_path / "tree", Limits(20, 1800 * MB, ("127.0.0.1",)))
    assert "larger than 1800 MiB" in str(told)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: one_blob_many_times(b"", [f"d{n % 100}/{n}" for n in range(50_001)]), "more than 50000 files"),
        (lambda: one_blob_many_times(b"", ["d/" * 61 + "f"]), "nested too deeply"),
        (lambda: one_blob_many_times(b"", ["n" * 256]), "path that is too long"),
        (lambda: one_blob_many_times(b"", ["/".join(["n" * 200] * 6)]), "path that is too long"),
        (lambda: one_blob_many_times(b"", ["n" * 3_000_000]), "path that is too long"),
        (lambda: one_blob_many_times(b"\0" * (10 * MB + 1), ["large"]), "a file that is larger than 10 MiB"),
        (lambda: one_blob_many_times(b"\0" * 9 * MB, [f"f{n}" for n in range(23)]), "larger than 200 MiB"),
    ],
)
async def test_trees_that_are_too_large(repository, tmp_path, monkeypatch, made, said):
    monkeypatch.setattr("better_paas.git.counting.FILE_BYTES", 10 * MB)
    plumbing(repository, "-c", "core.compression=1", "fast-import", "--quiet", "--force", stdin=made())
    assert said in str(await refused(repository, tmp_path / "tree"))


async def test_a_tree_that_is_endless_and_holds_no_file(repository, tmp_path):
    """Ten folders in ten folders in ten: a list of files alone would be looked for until the time is up."""
    tree = plumbing(repository, "mktree")
    for _ in range(20):
        tree = plumbing(repository, "mktree", stdin="".join(f"040000 tree {tree}\t{n}\n" for n in range(10)).encode())
    plumbing(
        repository,
        "update-ref",
        "refs/heads/main",
        plumbing(repository, "-c", "user.name=a", "-c", "user.email=a", "commit-tree", tree),
    )
    assert "folders" in str(await refused(repository, tmp_path / "tree"))


async def test_a_conversion_makes_no_file_larger_than_it_was_counted(repository, tmp_path):
    asks = "a ident\nb working-tree-encoding=UTF-32LE\nc eol=crlf text\n[attr]x ident\nd x\n"
    content = "$Id$\n" * 20
    files = {".gitattributes": asks, **dict.fromkeys("abcd", content)}
    stream = commit(*(f"M 100644 inline {name}\ndata {len(text)}\n{text}" for name, text in files.items()))
    plumbing(repository, "fast-import", "--quiet", "--force", stdin=stream)
    await fetch(parse_address(repository.url), "", "", tmp_path / "tree", LIMITS, lambda line: None)
    assert {(tmp_path / "tree" / name).stat().st_size for name in "abcd"} == {100}


async def test_git_takes_no_more_memory_than_it_may(repository, tmp_path, monkeypatch):
    """A file that is stored as a change to another: both have to be in the memory as a whole."""
    monkeypatch.setattr(fetching, "_MEMORY_MB", 20)
    first = os.urandom(14 * MB)
    stream = blob(first) + blob(first + b"x").replace(b":1", b":2", 1) + commit("M 100644 :1 a", "M 100644 :2 b")
    plumbing(repository, "-c", "core.compression=0", "fast-import", "--quiet", "--force", stdin=stream)
    told = await refused(repository, tmp_path / "tree")
    assert "more than 20 MiB of memory" in str(told)
    monkeypatch.setattr(fetching, "_MEMORY_MB", 128)
    await fetch(parse_address(repository.url), "", "", tmp_path / "again", LIMITS, lambda line: None)


async def test_a_pack_is_ended_where_it_passes_the_limit(repository, tmp_path):
    (repository.work / "large").write_bytes(os.urandom(12 * MB))
    repository.commit({}, "large")
    told = await refused(repository, tmp_path / "tree", Limits(20, 5 * MB, ("127.0.0.1",)))
    assert "larger than 5 MiB" in str(told)
    assert sum(path.stat().st_size for path in tmp_path.joinpath("tree").rglob("*") if path.is_file()) <= 6 * MB


def many_refs(repository: Repository, count: int) -> None:
    commit = plumbing(repository, "rev-parse", "main")
    lines = "".join(f"{commit} refs/heads/{number:07}\n" for number in range(count))
    (repository.path / "packed-refs").write_text(f"# pack-refs with: peeled fully-peeled sorted \n{lines}")


async def test_more_branches_than_are_read(repository, tmp_path, monkeypatch):
    monkeypatch.setattr("better_paas.git.counting.MOST_REFS", 5000)
    many_refs(repository, 200_000)
    with pytest.raises(FetchFailed, match="more than 5000 branches"):
        await branches(parse_address(repository.url), "", LIMITS)
    # One that is named is found all the same.
    got = await fetch(parse_address(repository.url), "0199999", "", tmp_path / "tree", LIMITS, lambda line: None)
    assert got.message == "First"
    assert "more than" in str(await refused(repository, tmp_path / "other", ref="nothing"))


async def test_branches_that_can_be_chosen(repository, tmp_path):
    many_refs(repository, 3000)
    commit = plumbing(repository, "rev-parse", "main")
    plumbing(repository, "update-ref", f"refs/heads/{'long' * 60}", commit)
    plumbing(repository, "update-ref", "refs/heads/-option'", commit)
    found = await branches(parse_address(repository.url), "", LIMITS)
    assert (len(found), found[0], found[1]) == (1000, "main", "0000000")
    assert not any("long" in name or "'" in name for name in found)


async def test_a_commit_that_says_too_much(repository, tmp_path):
    tree = plumbing(repository, "rev-parse", "main^{tree}")
    made = plumbing(repository, "-c", "user.name=a", "-c", "user.email=a", "commit-tree", tree, stdin=b"x" * 2_000_000)
    plumbing(repository, "update-ref", "refs/heads/main", made)
    with pytest.raises(FetchFailed, match="message that is too long"):
        await fetch(parse_address(repository.url), "", "", tmp_path / "tree", LIMITS, lambda line: None)


async def test_a_disk_without_room_is_named_wherever_it_ends(repository, tmp_path, monkeypatch):
    """git does not say it of each of the files that it writes."""
    repository.commit({"data.txt": random.Random(1).randbytes(150_000).hex()}, "Data")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        for room in range(0, 160_000, 8192):
            (disk / "ballast").write_bytes(b"\0" * (shutil.disk_usage(disk).free - room))
            with pytest.raises((FetchFailed, OSError)) as failed:
                await fetch(parse_address(repository.url), "", "", disk / "tree", LIMITS, lambda line: None)
            told = failed.value
            assert (
                "Free some space" in (told.hint or "") if isinstance(told, FetchFailed) else told.errno == errno.ENOSPC
            ), (room, told)
            shutil.rmtree(disk / "tree", ignore_errors=True)
            (disk / "ballast").unlink()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_a_commit_from_a_server_that_gives_whole_branches_only(repository, tmp_path, monkeypatch):
    """As old servers do: a commit that no branch points at is refused at first."""
    older = plumbing(repository, "rev-parse", "main")
    repository.commit({"index.html": "second"}, "Second")
    monkeypatch.setattr(fetching, "_SAFE", (*fetching._SAFE, "-c", "protocol.version=0"))
    got = await fetch(parse_address(repository.url), older, "", tmp_path / "tree", LIMITS, lambda line: None)
    assert (got.id, got.message) == (older, "First")
    assert (tmp_path / "tree" / "index.html").read_text() == "hi"
    assert "no such commit" in str(await refused(repository, tmp_path / "none", ref="1" * 40))


async def test_a_server_that_gives_files_is_not_asked_for_them(repository, tmp_path):
    """Over the old protocol of plain files each object is a file of its own, and nobody counts them."""
    older = plumbing(repository, "rev-parse", "main")
    repository.commit({"index.html": "second"}, "Second")
    plumbing(repository, "update-server-info")
    public = tmp_path / "public"
    shutil.copytree(repository.path, public / "plain")
    argv = ["python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(argv, cwd=public, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as served:
        try:
            assert served.stdout is not None
            address = parse_address(f"http://127.0.0.1:{served.stdout.readline().split()[5].decode()}/plain")
            for ref in ("", older):
                with pytest.raises(FetchFailed) as failed:
                    await fetch(address, ref, "", tmp_path / f"tree{ref}", LIMITS, lambda line: None)
                assert "dumb http" in failed.value.quoted
        finally:
            served.kill()
