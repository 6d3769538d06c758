"""Packs a build's context: the source tree less what .dockerignore names, and the platform's own files."""

import io
import posixpath
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import re2

from better_paas.builders.plan import NoPlan
from better_paas.kit.filetimes import EARLIEST

# Never part of an app, wherever it comes from.
_ALWAYS_IGNORED = (".git", "**/node_modules", "**/.venv", "**/__pycache__")
_MOST_RULES, _LONGEST_RULE = 1_000, 1_000
_MATCHER_BYTES = 64 * 2**20
_CLASS = re.compile(r"\[\^?[^\]\\\[^]+\]")


@dataclass(frozen=True)
class Chosen:
    """What of the tree is packed below another folder once more. paths: of files, and of folders with a final slash."""

    folder: str
    paths: tuple[str, ...]


def pack(
    target: Path, tree: Path, prefix: str, ignore: str, extra: Mapping[str, str], chosen: Chosen | None = None
) -> None:
    """Write the tar archive `target`: `tree` below `prefix`, then `extra` files, which win over those of the tree.

    Links are packed as links, so nothing outside the tree is read; owners are dropped; devices and sockets left out.
    """
    ignored = ignore_rule(ignore)
    with tarfile.open(target, "w") as archive:
        _add_folder(archive, tree, tree, prefix, ignored, set(extra))
        if chosen:
            _add_chosen(archive, tree, chosen, ignored)
        for path, content in extra.items():
            data = content.encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(data), 0o644, EARLIEST
            archive.addfile(entry, io.BytesIO(data))


def _add_folder(
    archive: tarfile.TarFile, tree: Path, folder: Path, prefix: str, ignored: Callable[[str], bool], taken: set[str]
) -> None:
    for path in sorted(folder.iterdir()):
        relative = path.relative_to(tree).as_posix()
        name = f"{prefix}/{relative}" if prefix else relative
        is_folder = path.is_dir() and not path.is_symlink()
        # A folder is walked even if it is ignored: a later `!` rule may bring back a file in it.
        if is_folder:
            if not ignored(relative):
                archive.addfile(_entry(archive, path, name))
            _add_folder(archive, tree, path, prefix, ignored, taken)
        elif not ignored(relative) and name not in taken and (path.is_symlink() or path.is_file()):
            entry = _entry(archive, path, name)
            if entry.isreg():
                with path.open("rb") as handle:
                    archive.addfile(entry, handle)
            else:
                archive.addfile(entry)


def _add_chosen(archive: tarfile.TarFile, tree: Path, chosen: Chosen, ignored: Callable[[str], bool]) -> None:
    top = tarfile.TarInfo(chosen.folder)
    top.type, top.mode, top.mtime = tarfile.DIRTYPE, 0o755, EARLIEST
    archive.addfile(top)  # there even if all of it is ignored
    for path in chosen.paths:
        # A link stands for what it leads to, as where a Dockerfile names it, and only inside the tree.
        place = (tree / path).resolve()
        if not place.is_relative_to(tree.resolve()):
            continue
        name = f"{chosen.folder}/{path}".rstrip("/")
        if place.is_dir():
            archive.addfile(_entry(archive, place, name))
            _add_folder(archive, place, place, name, _below(ignored, path), set())
        elif place.is_file() and not ignored(path):
            with place.open("rb") as handle:
                archive.addfile(_entry(archive, place, name), handle)


def _below(ignored: Callable[[str], bool], folder: str) -> Callable[[str], bool]:
    return lambda path: ignored(f"{folder.rstrip('/')}/{path}")


def _entry(archive: tarfile.TarFile, path: Path, name: str) -> tarfile.TarInfo:
    entry = archive.gettarinfo(path, arcname=name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    # As git knows them: executable or not. The umask of this process is nobody's business in an image,
    # and no set-user bit comes along. The times are those of the source: builders don't look at them for their caches.
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    entry.mtime = int(entry.mtime)
    if entry.islnk():  # the second name of a hard-linked file: pack it as a file of its own
        entry.type, entry.size = tarfile.REGTYPE, path.stat().st_size
    return entry


def ignore_rule(text: str) -> Callable[[str], bool]:
    """Whether a path is ignored, by the rules of .dockerignore: the last matching line decides. Errors: NoPlan.

    Takes time that is linear in the path, whatever the rules are. Source: the Dockerfile reference, section
    ".dockerignore file" (Go's filepath.Clean and Match, and `**`).
    """
    options = re2.Options()
    options.max_mem, options.log_errors = _MATCHER_BYTES, False
    rules = re2.Set.FullMatchSet(options)
    ignores: list[bool] = []
    for line in [*_ALWAYS_IGNORED, *text.splitlines()]:
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        if len(ignores) >= _MOST_RULES or len(pattern) > _LONGEST_RULE:
            raise NoPlan(
                f".dockerignore has more than {_MOST_RULES} rules, or one of more than {_LONGEST_RULE} characters",
                "Name folders instead of the files in them.",
            )
        keeps = pattern.startswith("!")
        pattern = posixpath.normpath(pattern.removeprefix("!").strip()).strip("/")
        if pattern not in ("", "."):
            _add(rules, pattern)
            ignores.append(not keeps)
    try:
        rules.Compile()
    except re2.error:
        raise NoPlan(".dockerignore has rules that are too much together", "Name folders instead.") from None

    def ignored(path: str) -> bool:
        # A name that is no text is compared as what is shown of it.
        found = rules.Match(path.encode("utf-8", "replace").decode())
        return ignores[max(found)] if found else False

    return ignored


def _add(rules: Any, pattern: str) -> None:
    try:
        rules.Add(f"(?s){_expression(pattern)}(/.*)?")
    except re2.error:  # such as [z-a]: it names itself
        rules.Add(f"(?s){re2.escape(pattern)}(/.*)?")


def _expression(pattern: str) -> str:
    """The pattern in the syntax of RE2."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**", position):
            while pattern.startswith("**", position):  # several are no more than one
                is_folders = pattern.startswith("**/", position)
                position += 3 if is_folders else 2
            parts.append("(?:.*/)?" if is_folders else ".*")
        elif pattern[position] == "*":
            parts.append("[^/]*")
            position += 1
        elif pattern[position] == "?":
            parts.append("[^/]")
            position += 1
        elif match := _CLASS.match(pattern, position):
            parts.append(match[0])
            position = match.end()
        else:
            parts.append(re2.escape(pattern[position]))
            position += 1
    return "".join(parts)
