"""Changes one member of a JSON file with comments, and leaves every other byte as it is."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?>[^"\\\x00-\x1f]++|\\.)*+"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_DEEPEST = 200


class NotJson(ValueError):
    """The text can't be read; the message says where."""


@dataclass
class _Member:
    """start: of its name. end: behind its value."""

    name: str
    start: int
    end: int
    value: "_Value"


@dataclass
class _Value:
    """start, end: where it stands. members: of an object, else None. comma: whether one follows the last member."""

    start: int
    end: int
    members: list[_Member] | None = None
    comma: bool = False
    items: list["_Value"] = field(default_factory=list)


def get(text: str, path: tuple[str, ...]) -> Any:
    """The value at `path`, or None. Errors: NotJson."""
    found = _find(_parse(text), path)
    return None if found is None else _plain(text, found)


def put(text: str, path: tuple[str, ...], value: Any) -> str:
    """The text with `value` at `path`; objects on the way are made. Errors: NotJson."""
    if "\r\n" in text:  # as it was, to the end of each line
        return put(text.replace("\r\n", "\n"), path, value).replace("\n", "\r\n")
    if not text.strip():
        text = "{}\n"
    root = _parse(text)
    present = _find(root, path)
    if present is not None:
        if _plain(text, present) == value:
            return text
        return (
            text[: present.start] + _written(value, _indent_at(text, present.start), _unit(text)) + text[present.end :]
        )
    inner, depth = root, 0
    while depth < len(path) - 1 and (member := _member(inner, path[depth])) is not None:
        inner, depth = member.value, depth + 1
    if inner.members is None:
        raise NotJson(f"{'.'.join(path[:depth]) or 'the file'} is no object")
    for name in reversed(path[depth + 1 :]):
        value = {name: value}
    return _insert(text, inner, path[depth], value)


def drop(text: str, path: tuple[str, ...]) -> str:
    """The text without the member at `path`; an object that held nothing else stays, empty. Errors: NotJson."""
    parent = _find(_parse(text), path[:-1])
    member = _member(parent, path[-1]) if parent is not None else None
    if parent is None or member is None or parent.members is None:
        return text
    index = parent.members.index(member)
    if index + 1 < len(parent.members):
        # With the comma behind it, up to where the next one begins.
        return text[: member.start] + text[parent.members[index + 1].start :]
    end = member.end
    if parent.comma:
        end = text.index(",", _skip(text, end)) + 1
    if index:
        before = _line_before(text, member.start)
        if parent.comma:
            return text[:before] + text[end:]
        last = parent.members[index - 1].end
        comma = _after_comma(text, last)
        return text[:last] + text[comma : max(comma, before)] + text[end:]
    return text[: parent.start + 1] + (text[end:].lstrip() if text[end : parent.end - 1].strip() == "" else text[end:])


def _insert(text: str, parent: _Value, name: str, value: Any) -> str:
    unit = _unit(text)
    outer = _indent_at(text, parent.start)
    inner = outer + unit
    entry = f"{json.dumps(name)}: {_written(value, inner, unit)}"
    assert parent.members is not None
    if not parent.members:
        body = text[parent.start + 1 : parent.end - 1].rstrip()
        return f"{text[: parent.start + 1]}{body}\n{inner}{entry}\n{outer}{text[parent.end - 1 :]}"
    last = parent.members[-1]
    if "\n" not in text[parent.start : parent.end]:
        glue = " " if parent.comma else ", "
        end = _after_comma(text, last.end) if parent.comma else last.end
        return f"{text[:end]}{glue}{json.dumps(name)}: {json.dumps(value)}{text[end:]}"
    inner = _indent_at(text, last.start)
    entry = f"{json.dumps(name)}: {_written(value, inner, unit)}"
    # A comment behind the last member belongs to it.
    if parent.comma:
        end = _after_comment(text, _after_comma(text, last.end))
        return f"{text[:end]}\n{inner}{entry},{text[end:]}"
    end = _after_comment(text, last.end)
    return f"{text[: last.end]},{text[last.end : end]}\n{inner}{entry}{text[end:]}"


def _written(value: Any, indent: str, unit: str) -> str:
    return json.dumps(value, indent=unit or None, ensure_ascii=False).replace("\n", f"\n{indent}")


def _indent_at(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    """What one level is indented by in this file."""
    found = re.search(r"\n([ \t]+)\S", text)
    return ("\t" if found[1].startswith("\t") else found[1][:8]) if found else "  "


def _line_before(text: str, position: int) -> int:
    """Where the blank before `position` begins, line end included."""
    while position and text[position - 1] in " \t":
        position -= 1
    return position - 1 if position and text[position - 1] == "\n" else position


def _after_comment(text: str, position: int) -> int:
    """Behind a comment on the rest of the line, if there is one."""
    found = re.compile(r"[ \t]*(?://[^\n]*|/\*[^\n]*?\*/)(?=[ \t]*(?:\n|$))").match(text, position)
    return found.end() if found else position


def _after_comma(text: str, position: int) -> int:
    return text.index(",", _skip(text, position)) + 1


def _find(value: _Value, path: tuple[str, ...]) -> _Value | None:
    for name in path:
        member = _member(value, name)
        if member is None:
            return None
        value = member.value
    return value


def _member(value: _Value, name: str) -> _Member | None:
    # As parsers do: of two members with one name the last one counts.
    return next((member for member in reversed(value.members or []) if member.name == name), None)


def _plain(text: str, value: _Value) -> Any:
    if value.members is not None:
        return {member.name: _plain(text, member.value) for member in value.members}
    if text[value.start] == "[":
        return [_plain(text, item) for item in value.items]
    return _loaded(text, value.start, value.end)


def _parse(text: str) -> _Value:
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    value = _read(text, start, 0)
    if _skip(text, value.end) != len(text):
        raise _error(text, _skip(text, value.end))
    return value


def _skip(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _read(text: str, position: int, depth: int) -> _Value:
    letter = text[position : position + 1]
    if depth > _DEEPEST:
        raise NotJson("it is nested too deeply")
    if letter == "{":
        return _read_object(text, position, depth)
    if letter == "[":
        return _read_list(text, position, depth)
    found = _STRING.match(text, position) or _SCALAR.match(text, position)
    if not found:
        raise _error(text, position)
    return _Value(position, found.end())


def _read_object(text: str, start: int, depth: int) -> _Value:
    members: list[_Member] = []
    position, comma = _skip(text, start + 1), False
    while text[position : position + 1] != "}":
        name = _STRING.match(text, position)
        if not name or (members and not comma):
            raise _error(text, position)
        colon = _skip(text, name.end())
        if text[colon : colon + 1] != ":":
            raise _error(text, colon)
        value = _read(text, _skip(text, colon + 1), depth + 1)
        members.append(_Member(_loaded(text, position, name.end()), position, value.end, value))
        position = _skip(text, value.end)
        comma = text[position : position + 1] == ","
        position = _skip(text, position + 1) if comma else position
    return _Value(start, position + 1, members, comma)


def _read_list(text: str, start: int, depth: int) -> _Value:
    items: list[_Value] = []
    position, comma = _skip(text, start + 1), False
    while text[position : position + 1] != "]":
        if items and not comma:
            raise _error(text, position)
        items.append(_read(text, position, depth + 1))
        position = _skip(text, items[-1].end)
        comma = text[position : position + 1] == ","
        position = _skip(text, position + 1) if comma else position
    return _Value(start, position + 1, None, comma, items)


def _loaded(text: str, start: int, end: int) -> Any:
    """A text or a number that looks like one."""
    try:
        return json.loads(text[start:end])
    except ValueError:
        raise _error(text, start) from None


def _error(text: str, position: int) -> NotJson:
    return NotJson(f"line {text.count(chr(10), 0, position) + 1} is no JSON")
