"""Reads and writes `.env` files. docs/guides/variables.md has the rules, tests/dotenv.json the cases.

The dashboard reads and writes them too (dashboard/src/apps/dotenv.ts): the same cases and rules are true of both.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from better_paas.cli.errors import USAGE, CliError


class Fault(StrEnum):
    """What may be wrong with a line."""

    ASSIGNMENT = "this is no NAME=value"
    OPEN = "the quote that begins here is not closed"
    BEHIND = "text behind a closing quote; quote the whole value, or begin a comment with a blank and #"


class DotenvError(CliError):
    """A text that is no `.env`. line: counted from 1."""

    def __init__(self, fault: Fault, line: int) -> None:
        super().__init__(f"line {line}: {fault}", code=USAGE)
        self.fault, self.line = fault, line


# Blanks are spaces and tabs alone: whatever else looks like one, or like a line's end, belongs to the value.
_BETWEEN = re.compile(r"(?>[ \t\n]++|#[^\n]*+)*+")
_NAME = re.compile(r"(?>export[ \t]++(?=[A-Za-z_]))?+([A-Za-z_][A-Za-z0-9_]{0,127}+)[ \t]*+=")
_BLANKS = re.compile(r"[ \t]*+")
_COMMENT = re.compile(r"[ \t]#")
_PART = re.compile(r"""'([^']*+)'|"((?>[^"\\]++|\\.)*+)"|\\(['"])""", re.DOTALL)
_END = re.compile(r"[ \t]*+(?:\n|(?<=[ \t])#)")
_ESCAPE = re.compile(r"""\\([nrt\\"$])""")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,-]*+")


def parse(text: str) -> dict[str, str]:
    """The variables of a `.env`, the last value of each. Errors: DotenvError."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n") + "\n"
    found: dict[str, str] = {}
    at = _past(_BETWEEN, text, 0)
    while at < len(text):
        name = _NAME.match(text, at)
        if name is None:
            raise _error(Fault.ASSIGNMENT, text, at)
        begin = _past(_BLANKS, text, name.end())
        if text[begin] in "'\"":
            found[name[1]], begin = _quoted(text, begin)
        else:
            line = text[name.end() : text.index("\n", begin)]
            comment = _COMMENT.search(line)
            found[name[1]] = line[: comment.start() if comment else None].strip(" \t")
        at = _past(_BETWEEN, text, text.index("\n", begin))
    return found


def _quoted(text: str, begin: int) -> tuple[str, int]:
    """A value of quoted parts in a row, and where it ends."""
    parts, at = [], begin
    while part := _PART.match(text, at):
        single, double, escaped = part.groups()
        parts.append(
            _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), double) if double else single or escaped or ""
        )
        at = part.end()
    if text[at] in "'\"":
        raise _error(Fault.OPEN, text, at)
    if not _END.match(text, at):
        raise _error(Fault.BEHIND, text, at)
    return "".join(parts), at


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text)


def _past(blanks: re.Pattern[str], text: str, at: int) -> int:
    found = blanks.match(text, at)
    return found.end() if found else at


def _error(fault: Fault, text: str, at: int) -> DotenvError:
    return DotenvError(fault, text.count("\n", 0, at) + 1)


def format(variables: Mapping[str, str]) -> str:
    """Variables as a `.env`: `parse` finds the same values in it."""
    return "".join(f"{name}={_written(value)}\n" for name, value in variables.items())


def _written(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\r" not in value:
        return f"'{value}'"
    # A bare carriage return would be read as a line's end.
    escaped = re.sub(r"""[\\"$]""", r"\\\g<0>", value).replace("\r", r"\r")
    return f'"{escaped}"'
