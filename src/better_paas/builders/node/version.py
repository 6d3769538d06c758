"""Which Node an app wants."""

import re
from collections.abc import Mapping
from typing import Any

from better_paas.builders import versions
from better_paas.builders.files import Files, table
from better_paas.builders.languages import OLDEST_NODE
from better_paas.builders.plan import Overrides

DEFAULT = "22"
# The last that is still mended.
_SUPPORTED = 20
# Of what asks for a version no more is read.
_LONGEST = 200
# Lines of long-term support, by the names that they bear; the newest is what `lts/*` and `lts` mean.
_LINES = {"gallium": 16, "hydrogen": 18, "iron": 20, "jod": 22, "krypton": 24}
_NEWEST_LINE = 24
_NEWEST = 26


def wanted(overrides: Overrides, package: Mapping[str, Any], *places: Files) -> tuple[str, str]:
    """(major version, note): of `engines.node`, `volta`, .nvmrc, .node-version, mise.toml or .tool-versions.

    places: where those files may lie, the app's own folder first.
    """
    said = overrides.versions.get("node") or _text(package, *places)
    text = said.strip().lower()[:_LONGEST]
    chosen = _chosen(text)
    if overrides.exact("node"):
        return chosen or DEFAULT, ""
    if not chosen:
        return DEFAULT, versions.no_image("Node", text, DEFAULT)
    ended = int(chosen) < _SUPPORTED
    return chosen, f"Node {chosen} ({text}) has reached its end of life: nobody mends its faults." if ended else ""


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


def _chosen(text: str) -> str:
    """The major version; "" if none fits."""
    if text in ("node", "latest", "current", "stable"):
        return str(_NEWEST)
    if text.startswith("lts"):
        line = _LINES.get(text.rpartition("/")[2].rpartition("-")[2])
        return str(_NEWEST_LINE) if text in ("lts", "lts/*") else str(line or "")
    fits = [int(line) for line in versions.fitting(text, map(str, range(OLDEST_NODE, _NEWEST + 1)))]
    if not fits:
        return ""
    is_open, is_bounded = fits[-1] == _NEWEST, fits[0] > OLDEST_NODE
    # Odd ones are supported for half a year.
    lines = [major for major in fits if major % 2 == 0] or fits
    if is_open or not is_bounded:
        return versions.nearest("", map(str, lines), DEFAULT)
    # Whoever names both ends runs the first one; of several he has tried the last as well.
    return str(max(lines) if "||" in text else min(lines))
