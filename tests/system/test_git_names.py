"""Branches, tags, commits, submodules and large files of a real Git server, whatever they are called."""

import hashlib
import os
import subprocess

import pytest

from better_paas.git.errors import FetchFailed, TooMuch
from better_paas.git.fetch import branches, fetch
from better_paas.git.limits import Limits
from better_paas.git.source import parse_address

MB = 2**20
LIMITS = Limits(seconds=20, bytes=50 * MB, allowed_private=("127.0.0.1",))


async def brought(repository, target, ref: str = "", limits=LIMITS, **options):
    said: list[str] = []
    commit = await fetch(parse_address(repository.url), ref, "", target, limits, said.append, **options)
    return commit, said


@pytest.mark.parametrize("name", ["müller", "feat(x)/y", "it's", "#123", "日本", "a@b", "$(id)"])
async def test_any_name_that_git_allows(server, tmp_path, name):
    repository = server.repository("names.git", {"a": "main"})
    repository.branch(name)
    commit = repository.commit({"a": "there"}, "On a branch")
    found, _ = await brought(repository, tmp_path / "tree", name)
    assert (found.id, (tmp_path / "tree" / "a").read_text()) == (commit, "there")
    assert name in await branches(parse_address(repository.url), "", LIMITS)


async def test_short_ids_are_looked_up_among_what_is_known(server, tmp_path):
    repository = server.repository("short.git", {"a": "1"})
    first = repository.commit({"a": "2"}, "Second")
    assert (await brought(repository, tmp_path / "tree", first[:8]))[0].id == first
    repository.commit({"a": "3"}, "Third")
    with pytest.raises(FetchFailed, match="full id") as told:
        await brought(repository, tmp_path / "other", first[:8])
    assert "40 characters" in told.value.hint


async def test_all_of_a_tree_is_dated_as_its_commit(server, tmp_path):
    repository = server.repository("dates.git", {"a": "1", "b/c": "2", "link": "-> a"})
    await brought(repository, tmp_path / "tree")
    made = int(repository._git("log", "-1", "--format=%ct"))
    assert {path.lstat().st_mtime for path in (tmp_path / "tree").rglob("*")} == {made}


@pytest.fixture
def nested(server):
    """A repository with a submodule that has one itself."""
    inner = server.repository("inner.git", {"deep": "deep"})
    library = server.repository("library.git", {"lib": "lib"})
    outer = server.repository("outer.git", {"app": "app"})
    for parent, child, place in ((library, inner, "in"), (outer, library, "libs/ü")):
        parent._git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(child.path), place)
        modules = parent.work / ".gitmodules"
        modules.write_text(modules.read_text().replace(str(child.path), f"../{child.path.name}"))
        parent.commit({}, "With a submodule")
    return outer


async def test_submodules_come_where_they_are_wanted(nested, tmp_path):
    _, said = await brought(nested, tmp_path / "without")
    assert not list((tmp_path / "without" / "libs").rglob("lib"))
    assert any("submodules" in line for line in said)
    await brought(nested, tmp_path / "tree", with_submodules=True)
    tree = tmp_path / "tree"
    assert {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()} == {
        "app", ".gitmodules", "libs/ü/lib", "libs/ü/.gitmodules", "libs/ü/in/deep",
    }  # fmt: skip


async def test_limits_are_those_of_all_together(server, tmp_path):
    child = server.repository("child.git", {"large": "x" * 3 * MB})
    parent = server.repository("parent.git", {"large": os.urandom(MB).hex()})
    parent._git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(child.path), "child")
    modules = parent.work / ".gitmodules"
    modules.write_text(modules.read_text().replace(str(child.path), "../child.git"))
    parent.commit({}, "With a submodule")
    limits = Limits(seconds=20, bytes=4 * MB, allowed_private=("127.0.0.1",))
    await brought(parent, tmp_path / "without", limits=limits)
    with pytest.raises(TooMuch):
        await brought(parent, tmp_path / "tree", limits=limits, with_submodules=True)


def pointer(content: bytes, size: int | None = None) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content) if size is None else size}\n"


ATTRIBUTES = {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"}


async def test_files_of_lfs_come_in_their_pointers_places(server, tmp_path):
    contents = [os.urandom(3000), b"", b"text"]
    server.large = {hashlib.sha256(content).hexdigest(): content for content in contents}
    files = {f"in/{number}.bin": pointer(content) for number, content in enumerate(contents)}
    repository = server.repository("large.git", {**ATTRIBUTES, **files})
    server.auth = "x-access-token:secret"
    commit = await fetch(parse_address(repository.url), "", "secret", tmp_path / "tree", LIMITS, lambda _: None)
    assert commit.id
    assert [(tmp_path / "tree" / name).read_bytes() for name in files] == contents
    made = int(repository._git("log", "-1", "--format=%ct"))
    assert {path.lstat().st_mtime for path in (tmp_path / "tree").rglob("*")} == {made}


@pytest.mark.parametrize("lie", ["missing", "other content", "more", "private", "file", "too large"])
async def test_what_an_lfs_host_may_not_do(server, tmp_path, lie):
    content = b"what it is"
    digest = hashlib.sha256(content).hexdigest()
    server.large = {digest: {"other content": b"what it no", "more": content * 2}.get(lie, content)}
    server.large_place = {"private": "http://169.254.169.254/latest/", "file": "file:///etc/passwd?"}.get(lie, "")
    if lie == "missing":
        server.large = {}
    size = 60 * MB if lie == "too large" else None
    repository = server.repository("lies.git", {**ATTRIBUTES, "a.bin": pointer(content, size)})
    with pytest.raises(FetchFailed):
        await brought(repository, tmp_path / "tree")
    assert [path.name for path in (tmp_path / "tree").glob("*.part")] == []


async def test_no_submodule_lands_behind_a_link(server, tmp_path):
    """A tree may have a folder and a link of one name: git's checkout leaves the link."""
    outside = tmp_path / "outside"
    (outside / "cron.d").mkdir(parents=True)
    inner, outer = server.repository("planted.git", {"planted": "x"}), server.repository("planter.git", {"a": "x"})

    def git(*arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(["git", *arguments], cwd=outer.work, input=given, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def tree(*entries: tuple[str, str]) -> str:
        text = b"".join(f"{name}\0".encode() + bytes.fromhex(digest) for name, digest in entries)
        return git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", given=text)

    commit = inner._git("rev-parse", "HEAD").strip()
    modules = git(
        "hash-object", "-w", "--stdin", given=f'[submodule "i"]\npath = a/cron.d\nurl = {inner.url}\n'.encode()
    )
    link = git("hash-object", "-w", "--stdin", given=str(outside).encode())
    folder = tree(("160000 cron.d", commit))
    top = tree(("100644 .gitmodules", modules), ("40000 a", folder), ("120000 a", link))
    made = git("-c", "user.name=x", "-c", "user.email=x", "commit-tree", top, "-m", "x")
    git("push", "--quiet", "--force", str(outer.path), f"{made}:refs/heads/main")
    with pytest.raises(FetchFailed, match="a submodule's place is not in the repository"):
        await brought(outer, tmp_path / "tree", with_submodules=True)
    assert [path.name for path in outside.rglob("*")] == ["cron.d"]
