"""Packs a build's context: the source tree less what .dockerignore names, and the platform's own files."""

import io
import re
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

# Never part of an app, wherever it comes from.
_ALWAYS_IGNORED = (".git", "**/node_modules", "**/.venv", "**/__pycache__")


def pack(target: Path, tree: Path, prefix: str, ignore: str, extra: Mapping[str, str]) -> None:
    """Write the tar archive `target`: `tree` below `prefix`, then `extra` files, which win over those of the tree.

    Links are packed as links, so nothing outside the tree is read; owners are dropped; devices and sockets left out.
    """
    ignored = ignore_rule(ignore)
    with tarfile.open(target, "w") as archive:
        _add_folder(archive, tree, tree, prefix, ignored, set(extra))
        for path, content in extra.items():
            data = content.encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o644
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


def _entry(archive: tarfile.TarFile, path: Path, name: str) -> tarfile.TarInfo:
    entry = archive.gettarinfo(path, arcname=name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    # As git knows them: executable or not. The umask of this process is nobody's business in an image,
    # and no set-user bit comes along. A clone's time must not change what the builder has cached.
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    entry.mtime = 0
    if entry.islnk():  # the second name of a hard-linked file: pack it as a file of its own
        entry.type, entry.size = tarfile.REGTYPE, path.stat().st_size
    return entry


def ignore_rule(text: str) -> Callable[[str], bool]:
    """Whether a path is ignored, by the rules of .dockerignore: the last matching line decides.

    Source: the Dockerfile reference, section ".dockerignore file" (Go's filepath.Match, and `**`).
    """
    rules: list[tuple[bool, re.Pattern[str]]] = []
    for line in [*_ALWAYS_IGNORED, *text.splitlines()]:
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        keeps = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip().strip("/")
        pattern = re.sub(r"^(\./)+", "", pattern)
        if pattern and pattern != ".":
            rules.append((not keeps, re.compile(_expression(pattern) + r"(/.*)?")))

    def ignored(path: str) -> bool:
        result = False
        for ignores, expression in rules:
            if expression.fullmatch(path):
                result = ignores
        return result

    return ignored


def _expression(pattern: str) -> str:
    result, position = "", 0
    while position < len(pattern):
        if pattern.startswith("**/", position):
            result, position = result + r"(?:.*/)?", position + 3
        elif pattern.startswith("**", position):
            result, position = result + ".*", position + 2
        elif pattern[position] == "*":
            result, position = result + "[^/]*", position + 1
        elif pattern[position] == "?":
            result, position = result + "[^/]", position + 1
        elif match := re.match(r"\[(\^?)([^\]\\\[]+)\]", pattern[position:]):
            result, position = result + f"[{match[1]}{match[2]}]", position + match.end()
        else:
            result, position = result + re.escape(pattern[position]), position + 1
    return result
