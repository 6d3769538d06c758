"""What is packed into a build's context."""

import os
import tarfile
import time
from functools import partial

import pytest

from better_paas.builders.context import Chosen, ignore_rule, pack
from better_paas.builders.plan import NoPlan
from better_paas.kit.filetimes import EARLIEST, date_tree
from tests import pace


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("*.log", "a.log", True),
        ("*.log", "b/a.log", False),
        ("**/*.log", "b/c/a.log", True),
        ("docs", "docs/a/b", True),
        ("docs\n!docs/keep.md", "docs/keep.md", False),
        ("docs\n!docs/keep.md", "docs/other.md", True),
        ("# docs", "docs", False),
        ("/a?c", "abc", True),
        ("[ab].txt", "b.txt", True),
        ("", ".git/config", True),
        ("", "x/node_modules/y", True),
        ("./build/", "build/x", True),
        ("build/./a//b", "build/a/b", True),
        ("build/../a", "a", True),
        ("./", "a", False),
        ("/", "a", False),
        ("!/", "a", False),
        ("secret(1).txt", "secret(1).txt", True),
        ("[z-a]x", "[z-a]x", True),
        ("[^a]x", "bx", True),
        ("[^a]x", "ax", False),
        ("a**/**/b", "a/c/d/b", True),
        ("**.log", "b/a.log", True),
        ("a\\b", "a\\b", True),
        ("x/*/y", "x/a/b/y", False),
        ("line*", "line\nbreak", True),
        ("*é", "é", True),
    ],
)
def test_ignore_rules(rules, path, ignored):
    assert ignore_rule(rules)(path) is ignored


def test_no_rule_takes_long():
    deep = "/".join(f"folder{number}" for number in range(50))
    for rules in ("**/" * 14 + "x", "*a" * 400, "**/a" * 240, "\n".join("**/*" + "?*" * 200 for _ in range(50))):
        ignored = ignore_rule(rules)
        for path in (deep, "a" * 255, "a/" * 60 + "b"):
            assert pace.seconds(partial(ignored, path), 0.2) < 0.2  # the first one took 66 s


def test_more_rules_than_anybody_writes_are_refused():
    with pytest.raises(NoPlan, match="more than 1000 rules"):
        ignore_rule("\n".join(f"file{number}" for number in range(2000)))
    with pytest.raises(NoPlan, match="1000 characters"):
        ignore_rule("x" * 1_000_000)


def test_rules_that_are_too_much_together_are_refused():
    with pytest.raises(NoPlan, match="too much together"):
        ignore_rule("\n".join("**/" + "*a" * 400 + str(number) for number in range(990)))


def test_a_name_that_is_no_text_is_packed(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / os.fsdecode(b"caf\xe9")).write_text("x")
    pack(tmp_path / "c.tar", tree, "", "*.log", {})
    with tarfile.open(tmp_path / "c.tar") as archive:
        assert [os.fsencode(entry.name) for entry in archive] == [b"caf\xe9"]


def test_links_stay_links_and_nothing_outside_is_read(tmp_path):
    (tmp_path / "outside").write_text("host secret")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "link").symlink_to("../outside")
    (tree / "sub" / "file").write_text("x")
    (tree / "tool").write_text("y")
    (tree / "tool").chmod(0o4755)
    os.mkfifo(tree / "pipe")
    os.link(tree / "tool", tree / "twin")
    pack(tmp_path / "c.tar", tree, "source", "", {"better-paas/Dockerfile": "FROM x\n"})
    with tarfile.open(tmp_path / "c.tar") as archive:
        entries = {entry.name: entry for entry in archive}
        assert entries["source/link"].issym()
        assert "source/pipe" not in entries
        assert entries["source/tool"].mode == 0o755
        assert entries["source/twin"].isreg()
        assert archive.extractfile("source/twin").read() == b"y"
        assert archive.extractfile("better-paas/Dockerfile").read() == b"FROM x\n"
        assert {entry.uid for entry in entries.values()} == {0}


def test_the_same_tree_gives_the_same_context(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a").write_text("1")
    for number in (1, 2):
        date_tree(tree, 1_700_000_000)
        pack(tmp_path / f"{number}.tar", tree, "", "", {"b": "lent"})
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as archive:
        assert {entry.name: entry.mtime for entry in archive} == {"a": 1_700_000_000, "b": EARLIEST}


@pytest.mark.parametrize(
    ("said", "kept"), [(0, EARLIEST), (-1e30, EARLIEST), (1_700_000_000.9, 1_700_000_000), (float("nan"), EARLIEST)]
)
def test_times_that_programs_can_not_tell_are_not_taken(tmp_path, said, kept):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("1")
    (tmp_path / "link").symlink_to("/etc/passwd")
    date_tree(tmp_path, said)
    assert {path.lstat().st_mtime for path in tmp_path.rglob("*")} == {kept}
    date_tree(tmp_path, float("inf"))
    assert (tmp_path / "folder" / "a").stat().st_mtime <= time.time()


def test_what_is_chosen_is_there_once_more(tmp_path):
    tree = tmp_path / "tree"
    for name in ("package.json", "a/package.json", "a/src/x.js", "patches/a.patch", "patches/deep/b.patch", "no.json"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "lock.json").symlink_to("a/package.json")
    (tree / "outside.json").symlink_to("/etc/hostname")
    paths = ("package.json", "a/package.json", "patches/", "no.json", "missing.json", "lock.json", "outside.json")
    pack(tmp_path / "a.tar", tree, "source", "no.json\n**/deep\n", {}, Chosen("ours/manifests", paths))
    with tarfile.open(tmp_path / "a.tar") as archive:
        found = {
            name.removeprefix("ours/manifests/"): archive.extractfile(name)
            for name in archive.getnames()
            if name.startswith("ours/") and archive.getmember(name).isfile()
        }
        contents = {name: file.read().decode() for name, file in found.items()}
        assert archive.getmember("source/lock.json").issym()
        assert archive.getmember("ours/manifests").isdir()
    assert contents == {
        "package.json": "package.json",
        "a/package.json": "a/package.json",
        "patches/a.patch": "patches/a.patch",
        "lock.json": "a/package.json",
    }
