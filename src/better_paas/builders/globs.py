"""Patterns of folders, as workspaces of all languages write them."""

import fnmatch


def matches(folder: str, wanted: list[str]) -> bool:
    """Whether the last pattern that speaks of the folder takes it in."""
    taken = False
    for pattern in wanted:
        if _matches(folder.split("/"), pattern.removeprefix("!").removeprefix("./").strip("/").split("/")):
            taken = not pattern.startswith("!")
    return taken


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """`**` stands for any number of folders. By a table of what matches so far: linear in each pattern's length."""
    reached = {0}
    for word in pattern:
        if word == "**":
            reached = set(range(min(reached, default=len(parts) + 1), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and (word == "*" or _is_like(parts[at], word))}
    return len(parts) in reached


def _is_like(part: str, word: str) -> bool:
    return part == word or (any(sign in word for sign in "*?[") and fnmatch.fnmatchcase(part, word))
