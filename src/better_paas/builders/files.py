"""A read-only view of a source tree: what detection may look at."""

import codecs
import json
import os
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from better_paas.builders import relaxed
from better_paas.builders.plan import NoPlan

LARGEST_FILE = 1024 * 1024
# So much of a lock is looked into; what is wrong with one its own program says better.
LARGEST_LOCK = 4 * LARGEST_FILE
# The shallow ones come first: what lies deeper than that many files says nothing of how to build.
_MOST_FILES = 20_000
# So many letters of whole files are remembered.
_MOST_KEPT = 16 * LARGEST_FILE
_CORRECT = "Correct the file and push again."
_MOST_PARTS = 500
_SKIPPED = {
    ".git",
    "node_modules",
    ".venv",
    "venv",
    "__pycache__",
    "dist",
    "build",
    "vendor",
    "target",
    "_build",
    "deps",
}


class Files(Protocol):
    def names(self) -> list[str]:
        """Paths of the files, relative and with `/`, the shallow ones first."""
        ...

    def read(self, path: str) -> str | None:
        """Text of a file that has to be understood as a whole, or None if there is no such file.

        Errors: NoPlan if it is too large for that.
        """
        ...

    def head(self, path: str, most: int = LARGEST_FILE) -> str | None:
        """The first `most` bytes as text, of what is only looked into: locks and sources may be of any size."""
        ...

    def below(self, folder: str) -> "Files":
        """The same for a folder of this tree; "" is the tree itself."""
        ...


class MemoryFiles:
    """For tests: a tree as a mapping."""

    def __init__(self, contents: Mapping[str, str]) -> None:
        self._contents = contents

    def names(self) -> list[str]:
        return sorted(self._contents, key=lambda path: (path.count("/"), path))

    def read(self, path: str) -> str | None:
        return self._contents.get(path)

    def head(self, path: str, most: int = LARGEST_FILE) -> str | None:
        text = self._contents.get(path)
        return None if text is None else text[:most]

    def below(self, folder: str) -> "MemoryFiles":
        if not folder:
            return self
        inside = f"{folder}/"
        return MemoryFiles(
            {path[len(inside) :]: text for path, text in self._contents.items() if path.startswith(inside)}
        )


class _Seen:
    """What of a tree has been read: all views of it ask for the same files again and again."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self._texts: dict[str, str] = {}
        self._left = _MOST_KEPT

    def text(self, path: str) -> str | None:
        return self._texts.get(path)

    def keep(self, path: str, text: str) -> None:
        if len(text) <= self._left:
            self._left -= len(text)
            self._texts[path] = text


class TreeFiles:
    """A folder on disk. Links are followed within it alone: a repository can't make us read the host's files.

    What has been read once is not read again: a tree does not change under this.
    """

    def __init__(self, root: Path, folder: str = "", seen: _Seen | None = None) -> None:
        """folder: what of the tree below `root` this shows."""
        self.root, self._folder = root, folder
        self._seen = seen or _Seen()

    def below(self, folder: str) -> "TreeFiles":
        if not folder:
            return self
        return TreeFiles(self.root, "/".join(part for part in (self._folder, folder) if part), self._seen)

    def names(self) -> list[str]:
        listed = self._seen.names.get(self._folder)
        if listed is None:
            reached = self._reach(self._folder)
            listed = self._seen.names[self._folder] = self._list() if reached and Path(reached).is_dir() else []
        return listed

    def _list(self) -> list[str]:
        """Folder by folder, the shallow ones first."""
        found: list[str] = []
        level = [""]
        while level:
            deeper: list[str] = []
            for prefix in level:
                with os.scandir(f"{self.root}/{self._folder}/{prefix}") as entries:
                    listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
                found += [prefix + name for name, is_folder in listed if not is_folder]
                deeper += [f"{prefix}{name}/" for name, is_folder in listed if is_folder and name not in _SKIPPED]
                if len(found) >= _MOST_FILES:
                    return found[:_MOST_FILES]
            level = deeper
        return found

    def _reach(self, path: str) -> str | None:
        """The file or folder, if no part of its path leads out of the tree."""
        current = str(self.root)
        for part in path.split("/"):
            if part in ("", "."):
                continue
            current = f"{current}/{part}"
            # A Path for each part would be most of the time that planning takes.
            if part == "..":
                return None
            if os.path.islink(current):  # noqa: PTH114
                current = os.path.realpath(current)
                if not f"{current}/".startswith(f"{os.path.realpath(self.root)}/"):
                    return None
        return current

    def read(self, path: str) -> str | None:
        full = f"{self._folder}/{path}".lstrip("/")
        if (known := self._seen.text(full)) is not None:
            return known
        data = self._bytes(path, LARGEST_FILE + 1)
        if data is None:
            return None
        if len(data) > LARGEST_FILE:
            raise NoPlan("a file is larger than 1 MiB", "This is not the file that its name says.", path)
        text = _text(data)
        self._seen.keep(full, text)
        return text

    def head(self, path: str, most: int = LARGEST_FILE) -> str | None:
        data = self._bytes(path, most)
        return None if data is None else _text(data)

    def _bytes(self, path: str, most: int) -> bytes | None:
        current = self._reach(f"{self._folder}/{path}")
        if current is None:
            return None
        try:
            descriptor = os.open(current, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        # A folder may have the name of a file that is looked for, and can't be opened as one.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as handle:
            return handle.read(most)


class Without:
    """A tree of which some folders are not listed: what is in them is looked for there."""

    def __init__(self, files: Files, folders: Iterable[str]) -> None:
        inside = tuple(f"{folder}/" for folder in folders)
        self._files, self._names = files, [name for name in files.names() if not name.startswith(inside)]

    def names(self) -> list[str]:
        return self._names

    def read(self, path: str) -> str | None:
        return self._files.read(path)

    def head(self, path: str, most: int = LARGEST_FILE) -> str | None:
        return self._files.head(path, most)

    def below(self, folder: str) -> Files:
        return self._files.below(folder)


def _text(data: bytes) -> str:
    # Some editors put a mark in front, which is no part of the text; some write two bytes for each letter, and it.
    encoding = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    return data.decode(encoding, errors="replace")


def exists(files: Files, path: str) -> bool:
    """Whether there is such a file, also among those that are no names of the tree (see _SKIPPED)."""
    return files.head(path, 1) is not None


def read_json(files: Files, path: str) -> dict[str, Any]:
    """A JSON object, which may have comments; {} if the file is missing. Errors: NoPlan if it is broken."""
    text = files.read(path)
    if text is None:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            data = relaxed.loads(text)
        except (ValueError, RecursionError):
            raise NoPlan("a file is not valid JSON", _CORRECT, f"{path}: {error}") from error
    if not isinstance(data, dict):
        raise NoPlan("a file is not a JSON object", _CORRECT, path)
    return data


def read_lock(files: Files, path: str) -> dict[str, Any]:
    """A lock that is JSON; {} if it is missing, broken, or too large to be looked into."""
    try:
        data = json.loads(files.head(path, LARGEST_LOCK) or "")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def read_yaml(files: Files, path: str) -> dict[str, Any]:
    """A YAML mapping (see relaxed.yaml); {} if the file is missing. Errors: NoPlan if it can't be read."""
    try:
        data = relaxed.yaml(files.read(path) or "")
    except (ValueError, RecursionError) as error:
        raise NoPlan(
            "a file can't be read as YAML", "Write it without anchors, tags and braces.", f"{path}: {error}"
        ) from error
    return data if isinstance(data, dict) else {}


def read_toml(files: Files, path: str) -> dict[str, Any]:
    """A TOML table; {} if the file is missing. Errors: NoPlan if it is broken."""
    text = files.read(path)
    if text is None:
        return {}
    # Reading a key takes as long as the square of its parts.
    if any(line.partition("=")[0].count(".") > _MOST_PARTS for line in text.splitlines()):
        raise NoPlan(f"a line of a TOML file has more than {_MOST_PARTS} dots in its key", _CORRECT, path)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number that is too long for Python
        raise NoPlan("a file is not valid TOML", _CORRECT, f"{path}: {error}") from error


def table(data: Any, *keys: str) -> dict[str, Any]:
    """A nested table, or {} where something on the way is missing or of another kind."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
