"""What goes to the terminal. Everything that came from elsewhere is made plain first."""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from unicodedata import combining, east_asian_width

from better_paas.kit.plain import one_line, plain

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_COLOURS = {"running": "green", "success": "green", "failed": "red", "building": "yellow", "queued": "yellow"}


def is_terminal() -> bool:
    return sys.stdout.isatty()


def style(text: str, *names: str) -> str:
    """`text` in colours, where there is somebody to see them."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return "".join(f"\033[{_STYLES[name]}m" for name in names) + text + "\033[0m"


# With --json nothing but JSON goes to standard output.
quiet = False


def say(text: str = "") -> None:
    print(text, file=sys.stderr if quiet else sys.stdout, flush=True)


def tell(text: str) -> None:
    """For the person alone: progress and remarks, beside the output that a script reads."""
    print(text, file=sys.stderr, flush=True)


def as_json(value: Any) -> None:
    """For a terminal without anything that could steer it; for a program as it is."""
    print(json.dumps(value, indent=2, ensure_ascii=is_terminal() or sys.stdout.encoding.lower() != "utf-8"))


def status(word: str) -> str:
    return style(word, _COLOURS[word]) if word in _COLOURS else word


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as what is in them; a status column is coloured."""
    cells = [[one_line(str(cell if cell is not None else "")) for cell in row] for row in rows]
    widths = [max([len(name), *(_width(row[index]) for row in cells)]) for index, name in enumerate(names)]
    say(style("  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip(), "bold"))
    for row in cells:
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        shown = [status(cell.strip()) + cell[len(cell.strip()) :] for cell in padded]
        say("  ".join(shown).rstrip())


def _width(text: str) -> int:
    """Columns that a terminal gives it."""
    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def log_line(line: dict[str, Any]) -> None:
    """A line of a deployment's log."""
    kind, text = line.get("kind") or line.get("level") or "", plain(str(line.get("message", ""))).replace("\n", " ")
    styles = {"step": ("bold",), "error": ("red",), "hint": ("yellow",), "warning": ("yellow",)}
    say(style(text, *styles[kind]) if kind in styles else text)


def quotation(said: Any) -> str:
    """What a stranger said, on a line of its own that shows as a quotation; empty for nothing."""
    line = one_line(str(said or ""))
    return f"  it said: “{line}”" if line else ""


def with_quotation(text: str, said: Any) -> str:
    """The same behind the platform's own words."""
    return f"{text}\n{shown}" if (shown := quotation(said)) else text


def ago(moment: str | None) -> str:
    """How long ago, in the largest unit."""
    if not moment:
        return ""
    return _span((datetime.now(UTC) - _parse(moment)).total_seconds()) + " ago"


def until(moment: str | None) -> str:
    if not moment:
        return "never"
    seconds = (_parse(moment) - datetime.now(UTC)).total_seconds()
    return f"in {_span(seconds)}" if seconds > 0 else "expired"


def _parse(moment: str) -> datetime:
    return datetime.fromisoformat(moment.replace("Z", "+00:00"))


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{max(0, int(seconds))} s"
