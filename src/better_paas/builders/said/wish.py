"""What one file says, and how its values are taken."""

import re
from dataclasses import dataclass, field
from typing import Any

from better_paas.builders.going_on import FOUND
from better_paas.builders.plan import Overrides

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_LONGEST = 10_000
MOST = 200
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
    return tuple(found for each in value[:MOST] if (found := text(each))) if isinstance(value, list) else ()


def commands(value: Any) -> str:
    """Of a text, or a list of texts that are run one after the other."""
    return " && ".join(texts(value)) if isinstance(value, list) else text(value)


def packages(*lists: Any) -> tuple[str, ...]:
    """Of Debian, out of several lists. What was found is had anyway."""
    return tuple(dict.fromkeys(name for each in lists for name in texts(each) if name != FOUND))


def by_name(value: Any) -> dict[str, str]:
    """Commands by the names of their processes; each may be the `command` of a table."""
    if not isinstance(value, dict):
        return {}
    said = {str(name): each.get("command") if isinstance(each, dict) else each for name, each in value.items()}
    return {name: found for name, each in list(said.items())[:MOST] if (found := commands(each))}


def variables(value: Any) -> dict[str, str]:
    """The plain ones among them."""
    if not isinstance(value, dict):
        return {}
    plain = {
        str(name): str(each).lower() if isinstance(each, bool) else str(each)
        for name, each in list(value.items())[:MOST]
        if isinstance(each, (str, int, float))
    }
    return {name: each for name, each in plain.items() if not not_plain(name, each)}


def not_plain(name: str, value: str) -> str:
    """Why this is no plain variable; "" if it is one."""
    if name in _OF_THE_PLATFORM:
        return "the platform sets this variable itself"
    if not _NAME.fullmatch(name):
        return "a variable's name has letters, digits and '_'"
    if len(value) > _LONGEST or _CONTROL.search(value):
        return f"a variable's value is one line of at most {_LONGEST} characters"
    return ""


def to_be_set(file: str, values: dict[str, Any]) -> tuple[str, ...]:
    """The note about variables that have no value there."""
    known = {*variables(values), *_OF_THE_PLATFORM}
    missing = [name[:60] for name in values if name not in known]
    return (f"{file} asks for variables that have to be set: {', '.join(missing[:20])}",) if missing else ()


def number(value: Any) -> int | None:
    """A port."""
    is_port = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536
    return value if is_port else None


def unread(file: str, data: dict[str, Any], *known: str) -> tuple[str, ...]:
    """The note about keys that mean nothing here."""
    others = [str(key)[:60] for key in data if key not in known and not str(key).startswith("$")]
    return (f"{file}: not read: {', '.join(others[:12])}",) if others else ()
