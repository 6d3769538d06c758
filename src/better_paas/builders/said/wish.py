"""What one file says, and how its values are taken."""

import re
from dataclasses import dataclass, field
from typing import Any

from better_paas.builders.plan import Overrides

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_LONGEST = 10_000
_MOST = 200
# What the platform itself says to the app.
_OF_THE_PLATFORM = ("PORT", "HOST", "HOSTNAME", "PATH", "HOME")


@dataclass(frozen=True)
class Said:
    """overrides: what the file asks for. notes: what of it is not read."""

    overrides: Overrides = field(default_factory=Overrides)
    notes: tuple[str, ...] = ()


def text(value: Any) -> str:
    """One line of a command or a path, or ""."""
    return value.strip() if isinstance(value, str) and len(value) <= _LONGEST and "\0" not in value else ""


def texts(value: Any) -> tuple[str, ...]:
    return tuple(found for each in value[:_MOST] if (found := text(each))) if isinstance(value, list) else ()


def commands(value: Any) -> str:
    """Of a text, or a list of texts that are run one after the other."""
    return " && ".join(texts(value)) if isinstance(value, list) else text(value)


def by_name(value: Any) -> dict[str, str]:
    """Commands by the names of their processes."""
    if not isinstance(value, dict):
        return {}
    return {str(name): found for name, each in list(value.items())[:_MOST] if (found := text(each))}


def variables(value: Any) -> dict[str, str]:
    """Plain ones: those with one line of text whose name is not the platform's."""
    if not isinstance(value, dict):
        return {}
    found: dict[str, str] = {}
    for name, each in list(value.items())[:_MOST]:
        plain = (
            str(each).lower() if isinstance(each, bool) else str(each) if isinstance(each, (str, int, float)) else None
        )
        if plain is None or name in _OF_THE_PLATFORM or not _NAME.fullmatch(name):
            continue
        if len(plain) <= _LONGEST and not re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", plain):
            found[name] = plain
    return found


def number(value: Any) -> int | None:
    """A port."""
    is_port = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
    return value if is_port else None


def unread(file: str, data: dict[str, Any], *known: str) -> tuple[str, ...]:
    """The note about keys that mean nothing here."""
    others = [str(key)[:60] for key in data if key not in known and not str(key).startswith("$")]
    return (f"{file}: not read: {', '.join(others[:12])}",) if others else ()
