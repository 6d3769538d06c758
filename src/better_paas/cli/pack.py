"""Packs a directory for uploading: what .gitignore and .dockerignore leave out stays here."""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pathspec

from better_paas.cli.errors import CliError

# Never part of a source, whatever the ignore files say.
_NEVER = (".git", ".hg", ".svn", ".DS_Store")
# What people forget to ignore, and what must not leave this machine by accident; .dockerignore can take it back.
_USUALLY_NOT = ("node_modules/", "__pycache__/", ".venv/", "venv/", ".env", ".env.*", "!.env.example")
_MOST_FILES, _MOST_BYTES = 10_000, 500 * 2**20
_ROOT = "source"


@dataclass
class Packed:
    """files, bytes: what went in. left_out: links to what is not packed."""

    files: int = 0
    bytes: int = 0
    left_out: list[str] = field(default_factory=list)


def pack(folder: Path, archive: IO[bytes]) -> Packed:
    """Write the directory as .tar.gz. Errors: CliError for an empty or too large one."""
    packed, root = Packed(), folder.resolve()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=6) as tar:
        found = list(_files(root))
        plain = {path for path in found if not path.is_symlink()}
        for path in found:
            name = path.relative_to(root).as_posix()
            # A link to what is not packed itself would carry it out under another name.
            real = path.resolve() if path.is_symlink() else path
            if real not in plain:
                packed.left_out.append(name)
                continue
            if not name.isprintable():
                raise CliError(
                    f"{name!a} can't be deployed under this name", "Rename it, or leave it out by .dockerignore."
                )
            status = real.stat()
            info = tarfile.TarInfo(f"{_ROOT}/{name}")
            info.size, info.mtime = status.st_size, int(status.st_mtime)
            info.mode = 0o755 if status.st_mode & 0o100 else 0o644
            packed.files, packed.bytes = packed.files + 1, packed.bytes + status.st_size
            if packed.files > _MOST_FILES or packed.bytes > _MOST_BYTES:
                raise CliError(
                    f"{folder} has more than {_MOST_FILES:,} files or {_MOST_BYTES // 2**20} MiB",
                    "Leave generated files out with .dockerignore or .gitignore.",
                )
            with real.open("rb") as file:
                tar.addfile(info, file)
    if not packed.files:
        raise CliError(f"there is nothing to deploy in {folder}", "Is this the right directory?")
    return packed


def _files(root: Path) -> Iterator[Path]:
    """Files and links that are not ignored, in a fixed order; ignored directories are not even entered."""
    yield from _walk(root, root, _spec([*_USUALLY_NOT, *_lines(root / ".dockerignore")]), [])


def _walk(
    root: Path, folder: Path, whole: pathspec.GitIgnoreSpec, nested: list[tuple[Path, pathspec.GitIgnoreSpec]]
) -> Iterator[Path]:
    own = _spec_of(folder / ".gitignore")
    nested = [*nested, (folder, own)] if own is not None else nested
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name in _NEVER:
            continue
        path, is_folder = Path(entry.path), entry.is_dir(follow_symlinks=False)
        if _ignored(path, root, whole, nested, is_folder):
            continue
        if is_folder:
            yield from _walk(root, path, whole, nested)
        elif entry.is_file() or entry.is_symlink():
            yield path


def _ignored(
    path: Path,
    root: Path,
    whole: pathspec.GitIgnoreSpec,
    nested: list[tuple[Path, pathspec.GitIgnoreSpec]],
    is_folder: bool,
) -> bool:
    def name(base: Path) -> str:
        return path.relative_to(base).as_posix() + ("/" if is_folder else "")

    if whole.match_file(name(root)):
        return True
    # The innermost file that says something about it decides, as in Git.
    for base, spec in reversed(nested):
        verdict = spec.check_file(name(base)).include
        if verdict is not None:
            return verdict
    return False


def _spec_of(path: Path) -> pathspec.GitIgnoreSpec | None:
    lines = _lines(path)
    return _spec(lines) if lines else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        return []


def _spec(lines: list[str]) -> pathspec.GitIgnoreSpec:
    return pathspec.GitIgnoreSpec.from_lines(lines)
