"""A read-only view of a source tree: what detection may look at."""

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from better_paas.builders.plan import NoPlan

_LARGEST_FILE = 1024 * 1024
_MOST_FILES = 5000
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
        """Text of a file, or None if there is no such file."""
        ...


class MemoryFiles:
    """For tests: a tree as a mapping."""

    def __init__(self, contents: Mapping[str, str]) -> None:
        self._contents = contents

    def names(self) -> list[str]:
        return sorted(self._contents, key=lambda path: (path.count("/"), path))

    def read(self, path: str) -> str | None:
        return self._contents.get(path)


class TreeFiles:
    """A folder on disk. Links are not followed: a repository can't make us read the host's files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: list[str] | None = None

    def names(self) -> list[str]:
        if self._names is None:
            found: list[str] = []
            for folder, folders, files in os.walk(self.root):
                folders[:] = sorted(name for name in folders if name not in _SKIPPED)
                relative = Path(folder).relative_to(self.root)
                found.extend(str(relative / name) for name in files)
                if len(found) > _MOST_FILES:
                    break
            self._names = sorted(found, key=lambda path: (path.count("/"), path))
        return self._names

    def read(self, path: str) -> str | None:
        """Errors: NoPlan if the file is too large to be what it is named for."""
        current = self.root
        for part in Path(path).parts:
            current = current / part
            if current.is_symlink():
                return None
        try:
            descriptor = os.open(current, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as handle:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            data = handle.read(_LARGEST_FILE + 1)
        if len(data) > _LARGEST_FILE:
            raise NoPlan(f"{path} is larger than 1 MiB", "This is not the file that its name says.")
        return data.decode(errors="replace")


def read_json(files: Files, path: str) -> dict[str, Any]:
    """A JSON object; {} if the file is missing. Errors: NoPlan if it is broken."""
    text = files.read(path)
    if text is None:
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoPlan(f"{path} is not valid JSON: {error}"[:300], f"Correct {path} and push again.") from error
    if not isinstance(data, dict):
        raise NoPlan(f"{path} is not a JSON object", f"Correct {path} and push again.")
    return data


def read_toml(files: Files, path: str) -> dict[str, Any]:
    """A TOML table; {} if the file is missing. Errors: NoPlan if it is broken."""
    text = files.read(path)
    if text is None:
        return {}
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise NoPlan(f"{path} is not valid TOML: {error}"[:300], f"Correct {path} and push again.") from error


def table(data: Any, *keys: str) -> dict[str, Any]:
    """A nested table, or {} where something on the way is missing or of another kind."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
