"""Temporary files lie in the data directory, and those of dead processes go."""

import subprocess
import sys
import tempfile
from pathlib import Path

import better_paas
from better_paas.kit import temporary
from better_paas.kit.temporary import Claim

KILLED = """
import os, signal, sys, tempfile
from pathlib import Path
from better_paas.kit.temporary import Claim
Claim(Path(sys.argv[1]))
Path(tempfile.mkdtemp(prefix="better-paas-context-"), "context.tar").write_text("left")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept(tmp_path):
    root = tmp_path / "tmp"
    subprocess.run([sys.executable, "-c", KILLED, str(root)], check=False)
    assert [path.name for path in root.rglob("context.tar")] == ["context.tar"]
    claim = Claim(root)
    assert claim.sweep() == 1
    assert list(root.iterdir()) == [claim.folder]
    claim.release()
    assert list(root.iterdir()) == []


def test_what_a_living_process_uses_stays(tmp_path):
    one, other = Claim(tmp_path / "tmp"), Claim(tmp_path / "tmp")
    (one.folder / "file").write_text("in use")
    assert other.sweep() == 0
    assert (one.folder / "file").read_text() == "in use"
    one.release()
    other.release()


def test_all_temporary_files_are_there_until_it_is_released(tmp_path):
    before = tempfile.gettempdir()
    claim = Claim(tmp_path / "tmp")
    with tempfile.TemporaryDirectory(prefix="better-paas-git-") as folder:
        assert Path(folder).parent == claim.folder
    claim.release()
    assert tempfile.gettempdir() == before


def test_where_no_folder_can_be_made_the_system_s_own_is_used(tmp_path):
    before = tempfile.gettempdir()
    (tmp_path / "tmp").write_text("no folder")
    claim = Claim(tmp_path / "tmp")
    assert tempfile.gettempdir() == before
    assert claim.sweep() == 0
    claim.release()


def test_a_folder_in_which_something_is_mounted_is_left_alone(tmp_path, monkeypatch):
    root = tmp_path / "tmp"
    (root / "1-old" / "proc").mkdir(parents=True)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"36 35 0:5 / {root}/1-old/proc rw - proc proc rw\n")
    monkeypatch.setattr("better_paas.kit.temporary._MOUNTS", mounts)
    claim = Claim(root)
    claim.sweep()
    assert (root / "1-old" / "proc").is_dir()
    claim.release()


async def test_a_folder_goes_with_what_is_in_it_and_no_other_way_is_used():
    async with temporary.folder("better-paas-test-") as folder:
        (folder / "deep" / "er").mkdir(parents=True)
    assert not folder.exists()
    # The library's own removes what is in it on the event loop, however many files a stranger has put there.
    sources = Path(better_paas.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "TemporaryDirectory(" in path.read_text()]
