"""Which Node an app wants."""

import re
from collections.abc import Mapping
from typing import Any

from better_paas.builders import versions
from better_paas.builders.files import Files, table

DEFAULT = "22"
# Older ones have no image, and no npm that reads today's registry.
_OLDEST = 14
# The last that is still mended.
_SUPPORTED = 20
# Of what asks for a version no more is read.
_LONGEST = 200
# Lines of long-term support, by the names that they bear; the newest is what `lts/*` and `lts` mean.
_LINES = {"fermium": 14, "gallium": 16, "hydrogen": 18, "iron": 20, "jod": 22, "krypton": 24}
_NEWEST_LINE = 24
_NEWEST = 26


def wanted(package: Mapping[str, Any], *places: Files) -> tuple[str, str]:
    """(major version, note): of `engines.node`, `volta`, .nvmrc, .node-version, mise.toml or .tool-versions.

    places: where those files may lie, the app's own folder first.
    """
    text = _text(package, *places).strip().lower()[:_LONGEST]
    chosen, lowest = _major(text)
    if not chosen:
        return DEFAULT, ""
    if lowest < _OLDEST and chosen < _OLDEST:
        return DEFAULT, f"There is no image of Node {chosen} ({text}); {DEFAULT} is used."
    ended = (
        f"Node {chosen} ({text}) has reached its end of life: nobody mends its faults." if chosen < _SUPPORTED else ""
    )
    return str(chosen), ended


def _text(package: Mapping[str, Any], *places: Files) -> str:
    engines, volta = table(package, "engines").get("node"), table(package, "volta").get("node")
    if isinstance(engines, str) and re.search(r"\d|lts|latest|current", engines):
        return engines
    if isinstance(volta, str):
        return volta
    for files in places:
        found = versions.own_file(".nvmrc", files) or versions.own_file(".node-version", files)
        if found := found or versions.pinned("node|nodejs", files):
            return found
    return ""


def _major(text: str) -> tuple[int, int]:
    """(what is chosen of what fits, the lowest that fits); (0, 0) if it does not matter."""
    if text in ("node", "latest", "current", "stable"):
        return _NEWEST, _NEWEST
    if text.startswith("lts"):
        line = _LINES.get(text.rpartition("/")[2].rpartition("-")[2], _NEWEST_LINE)
        return line, line
    default = int(DEFAULT)
    majors = [int(number) for number in re.findall(r"(?<![\d.])(\d{1,2})(?=[.\sx*|<>=-]|$)", text)]
    if not majors:
        return 0, 0
    lowest = min(majors)
    open_ended = ">" in text and "<" not in text
    return max(lowest, default) if open_ended else max(majors) if "||" in text else lowest, lowest
