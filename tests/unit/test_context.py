"""What is packed into a build's context."""

import os
import tarfile

import pytest

from better_paas.builders.context import ignore_rule, pack


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
        ("secret(1).txt", "secret(1).txt", True),
    ],
)
def test_ignore_rules(rules, path, ignored):
    assert ignore_rule(rules)(path) is ignored


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
    pack(tmp_path / "1.tar", tree, "", "", {})
    os.utime(tree / "a", (1, 1))
    pack(tmp_path / "2.tar", tree, "", "", {})
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
