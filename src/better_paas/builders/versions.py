"""Where the versions of all languages are kept: .tool-versions and mise.toml, at the app or at the top of its tree.

And ranges of versions, as npm, PEP 440, Poetry, Composer and RubyGems write them.
"""

import re
from collections.abc import Iterable

from better_paas.builders.files import Files, read_toml, table
from better_paas.builders.plan import NoPlan
from better_paas.kit.quoted import quote

_MISE = ("mise.toml", ".mise.toml", "mise/config.toml", ".config/mise.toml")
# More is no version.
_LONGEST = 200

_BOUND = re.compile(
    r"(\^|~[=>]?|[<>]=?|={1,3}|!=)? ?v?(\d{1,5}|[xX*])(?:\.(\d{1,5}|[xX*]))?(?:\.(\d{1,5}|[xX*]))?[^\s,|]*+"
)
_HYPHEN = re.compile(r"(?<![\w.])([\w.]++) - ([\w.]++)")
_END = (10**6, 0, 0)


def pinned(tool: str, *places: Files) -> str:
    """What the first file that names the tool says; "" if none does, or if it wants whatever is newest.

    tool: its name, or names joined with `|`.
    """
    names = tool.split("|")
    for files in places:
        for path in _MISE:
            tools = table(_mise(files, path), "tools")
            for name in names:
                if found := _first(tools.get(name)):
                    return _numbered(found)
        for line in (files.read(".tool-versions") or "").splitlines():
            words = line.partition("#")[0].split()
            if len(words) > 1 and words[0] in names:
                return _numbered(words[1])
    return ""


def own_file(path: str, *places: Files) -> str:
    """The first line of a file that holds nothing but a version, without comments."""
    for files in places:
        for line in (files.read(path) or "").splitlines():
            if text := line.partition("#")[0].strip()[:_LONGEST]:
                return text
    return ""


def parts(version: str, most: int = 2) -> str:
    """The first numbers of a version, as in `3.12`; "" if it has none."""
    found = re.search(r"\d{1,9}(?:\.\d{1,9}){0,2}", version[:_LONGEST])
    return ".".join(found[0].split(".")[:most]) if found else ""


def fitting(wanted: str, offered: Iterable[str]) -> list[str]:
    """Of lines of versions such as 3.12 or 22 those that have a version in the range; all where it says nothing."""
    wanted = _HYPHEN.sub(r">=\1 <=\2", " ".join(wanted[:_LONGEST].split()))
    alternatives = [_BOUND.findall(part) for part in wanted.split("|") if part.strip()]
    ranges = [[(bound[0], _numbers(bound[1:])) for bound in bounds] for bounds in alternatives if bounds]
    return [line for line in offered if not ranges or any(_has(bounds, _numbers(line.split("."))) for bounds in ranges)]


def nearest(wanted: str, offered: Iterable[str], default: str) -> str:
    """The default if it fits, else the newest that fits and is older, else the oldest that fits; "" if none does."""
    fits = sorted(fitting(wanted, offered), key=lambda line: _numbers(line.split(".")))
    older = [line for line in fits if _numbers(line.split(".")) <= _numbers(default.split("."))]
    return older[-1] if older else fits[0] if fits else ""


def no_image(language: str, wanted: str, used: str) -> str:
    """The note about a version that can't be had."""
    return f"There is no image of {language} {quote(wanted, longest=100)}; {used} is used."


def _has(bounds: list[tuple[str, list[int]]], line: list[int]) -> bool:
    low, high = _full(line), _after(line, len(line) - 1)
    for operator, numbers in bounds:
        if operator == "!=":
            # Of a whole line; other patches of it are left where a single one is taken out.
            if numbers == line[: len(numbers)]:
                return False
            continue
        first, end = _interval(operator, numbers)
        low, high = max(low, first), min(high, end)
    return low < high


def _interval(operator: str, numbers: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(the first version, what comes after the last one)."""
    if not numbers:
        return (0, 0, 0), _END
    last = len(numbers) - 1
    if operator in (">=", ">"):
        return _full(numbers) if operator == ">=" else _after(numbers, last), _END
    if operator in ("<=", "<"):
        return (0, 0, 0), _full(numbers) if operator == "<" else _after(numbers, last)
    kept = {
        "^": next((at for at, number in enumerate(numbers) if number), last),
        "~": min(1, last),
        "~=": max(0, last - 1),
        "~>": max(0, last - 1),
    }
    return _full(numbers), _after(numbers, kept.get(operator, last))


def _numbers(texts: Iterable[str]) -> list[int]:
    """Up to the first one that may be anything."""
    found: list[int] = []
    for text in texts:
        if not text.isdecimal():
            break
        found.append(int(text))
    return found


def _full(numbers: list[int]) -> tuple[int, ...]:
    return (*numbers, 0, 0, 0)[:3]


def _after(numbers: list[int], at: int) -> tuple[int, ...]:
    return _full([*numbers[:at], numbers[at] + 1])


def _mise(files: Files, path: str) -> dict[str, object]:
    try:
        return read_toml(files, path)
    except NoPlan:  # its templates are no business of ours
        return {}


def _first(value: object) -> str:
    """Of a version, a list of them, or a table with options."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("version")
    return str(value)[:_LONGEST] if value else ""


def _numbered(version: str) -> str:
    return "" if version in ("latest", "system") else version
