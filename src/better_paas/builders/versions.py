"""Where the versions of all languages are kept: .tool-versions and mise.toml, at the app or at the top of its tree."""

import re

from better_paas.builders.files import Files, read_toml, table
from better_paas.builders.plan import NoPlan

_MISE = ("mise.toml", ".mise.toml", "mise/config.toml", ".config/mise.toml")
# More is no version.
_LONGEST = 200


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
