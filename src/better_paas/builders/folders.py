"""Folders of a repository by their paths: what is above one, and what has several in it."""

import posixpath
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

# So many are followed; whoever names more has them all in one place.
_MOST_NEIGHBOURS = 200


def parents(folder: str) -> Iterator[str]:
    """The folders above it, the nearest first; "" is the repository itself."""
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def all_above(paths: Iterable[str]) -> set[str]:
    """All folders that the files are in, at any depth."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def neighbours(folder: str, named: Callable[[str], Iterable[str]]) -> list[str]:
    """What `folder`, or one of those, names outside of itself by relative paths.

    named: the paths that a folder names. [] if it names nothing there, or something outside of the repository.
    """
    found = [folder]
    for place in found:
        outside = (path for path in dict.fromkeys(named(place)) if path.startswith(".."))
        for path in islice(outside, _MOST_NEIGHBOURS):
            if len(found) > _MOST_NEIGHBOURS:
                break
            target = posixpath.normpath(posixpath.join(place, path))
            if target.startswith(".."):
                return []
            target = "" if target == "." else target
            if target not in found:
                found.append(target)
    return found[1:]


def with_neighbours(folder: str, named: Callable[[str], Iterable[str]]) -> str | None:
    """The folder that has `folder` and its neighbours in it; None if it has none."""
    found = neighbours(folder, named)
    return posixpath.commonpath([folder, *found]) if found else None


def within(folder: str, command: str) -> str:
    """A command of an app's own folder, for a step that is run at the top."""
    return f"cd {folder} && {command}" if folder and command else command
