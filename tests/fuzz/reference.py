"""Slow and plain readings of the same rules, to compare the product's quick ones with."""

import functools
import re

_CLASS = re.compile(r"\[\^?(?:[\w.]+|[a-z]-[a-z])\]")


def ignored(rules: list[str], path: str) -> bool | None:
    """As .dockerignore says it, letter by letter; None for rules that this reading does not know.

    rules: without comments and blanks. Each that matches the path, or a folder that it is in, decides anew.
    """
    answer = False
    parts = path.split("/")
    for rule in rules:
        keeps, pattern = rule.startswith("!"), rule.removeprefix("!").strip()
        if "//" in pattern or any(part in (".", "..") for part in pattern.strip("/").split("/")):
            return None
        pattern = pattern.strip("/")
        if not pattern:
            continue
        atoms = _atoms(pattern)
        if atoms is None:
            return None
        if any(_matches(atoms, "/".join(parts[: end + 1])) for end in range(len(parts))):
            answer = not keeps
    return answer


def _atoms(pattern: str) -> tuple[str, ...] | None:
    """`**/`, `**`, `*`, `?`, a class or a letter."""
    atoms: list[str] = []
    while pattern:
        if stars := re.match(r"(?:\*\*/?)+", pattern):
            # Several are no more than one; what the last one says counts.
            atoms.append("**/" if stars[0].endswith("/") else "**")
            pattern = pattern[stars.end() :]
        elif pattern.startswith("["):
            found = _CLASS.match(pattern)
            if found is None or any(first > last for first, last in re.findall("(.)-(.)", found[0])):
                return None
            atoms.append(found[0])
            pattern = pattern[found.end() :]
        else:
            atoms.append(pattern[0])
            pattern = pattern[1:]
    return tuple(atoms)


def _matches(atoms: tuple[str, ...], path: str) -> bool:
    @functools.cache
    def rest(atom: int, at: int) -> bool:
        if atom == len(atoms):
            return at == len(path)
        match atoms[atom]:
            case "**":
                return any(rest(atom + 1, end) for end in range(at, len(path) + 1))
            case "**/":
                ends = [at, *(end + 1 for end in range(at, len(path)) if path[end] == "/")]
                return any(rest(atom + 1, end) for end in ends)
            case "*":
                stop = path.find("/", at)
                return any(rest(atom + 1, end) for end in range(at, (len(path) if stop < 0 else stop) + 1))
            case "?":
                return at < len(path) and path[at] != "/" and rest(atom + 1, at + 1)
            case letter if len(letter) > 1:
                return at < len(path) and re.fullmatch(letter, path[at]) is not None and rest(atom + 1, at + 1)
            case letter:
                return path[at : at + 1] == letter and rest(atom + 1, at + 1)

    return rest(0, 0)


def is_ref(text: str) -> bool:
    """Whether Git takes `refs/heads/<text>` for a name: `git help check-ref-format`."""
    return not (
        not text
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in text.split("/"))
        or any(ord(letter) < 32 or letter in "\x7f ~^:?*[\\" for letter in text)
        or ".." in text
        or text.endswith(".")
        or "@{" in text
    )
