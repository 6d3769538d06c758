"""Folders of a repository by their paths: what is above one, and what has several in it."""

import posixpath
from collections.abc import Iterable, Iterator


def parents(folder: str) -> Iterator[str]:
    """The folders above it, the nearest first; "" is the repository itself."""
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def with_neighbours(folder: str, paths: Iterable[str]) -> str | None:
    """The folder that has `folder` and all that it names outside of itself by relative paths.

    None if it names nothing there, or something outside of the repository.
    """
    targets = [posixpath.normpath(f"{folder}/{path}") for path in paths if path.startswith("..")]
    if not targets or any(target.startswith("..") for target in targets):
        return None
    return posixpath.commonpath([folder, *targets])
