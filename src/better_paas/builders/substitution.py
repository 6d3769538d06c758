"""Variables in a Dockerfile's FROM lines, by BuildKit's rules (moby/buildkit, frontend/dockerfile/shell)."""

import re
from collections.abc import Mapping

from better_paas.builders.instructions import GO_SPACE
from better_paas.kit.quoted import Told

_LONGEST_VALUE = 1024
_LONGEST_PATTERN = 64
_MOST_TEXT = 16 * 1024
_MOST_PATTERNS = 50
_DEEPEST = 8
_NAME = re.compile(r"[@*#?\-$!0]|[0-9]+|[^\W\d]\w*")
_PLAIN = re.compile(r"""[^$'"\\`}/]+""")
_MODIFIER = re.compile(r":?[-+?]|[#%]")
_WORD_END = re.compile(rf"[{GO_SPACE}'\"\\`]")


class SubstitutionFailed(Told):
    """The text can't be read; the message says why."""


def words(text: str, variables: "Variables") -> list[str]:
    """The words of ARG, which keep their quotes. Errors: SubstitutionFailed."""
    variables.spend(text)
    escape = variables.escape
    found: list[str] = []
    start = position = 0
    while match := _WORD_END.search(text, position):
        position = match.end()
        if match[0] in GO_SPACE:
            found.append(text[start : match.start()])
            start = position
        elif match[0] == escape:
            position += 1
        elif match[0] in "'\"":
            position = _after_quote(text, position, match[0], escape)
    return [word for word in [*found, text[start:]] if word]


def _after_quote(text: str, position: int, quote: str, escape: str) -> int:
    ends = re.compile(re.escape(quote) if quote == "'" else f'["{re.escape(escape)}]')
    while match := ends.search(text, position):
        position = match.end()
        if match[0] == quote:
            return position
        position += 1
    return len(text)


class Variables:
    """Names and values, and what may still be done with them: each Dockerfile has one."""

    def __init__(self, values: Mapping[str, str], escape: str) -> None:
        self.values, self.escape = dict(values), escape
        self._text_left, self.patterns_left = _MOST_TEXT, _MOST_PATTERNS

    def spend(self, text: str) -> None:
        """Errors: SubstitutionFailed if all the text with variables is too long."""
        self._text_left -= len(text)
        if self._text_left < 0:
            raise SubstitutionFailed("the text with variables is too long")

    def expand(self, text: str) -> str:
        """`text` with the variables' values and without its quotes. Errors: SubstitutionFailed."""
        self.spend(text)
        result = _Reader(text, self).until("", False, 0)
        if len(result) > _LONGEST_VALUE:
            raise SubstitutionFailed(f"a value is longer than {_LONGEST_VALUE} characters")
        return result


class _Reader:
    def __init__(self, text: str, variables: Variables) -> None:
        self._text, self._variables, self._escape, self._position = text, variables, variables.escape, 0

    def until(self, stop: str, keep_escapes: bool, depth: int) -> str:
        """What comes before the character `stop`, which is passed; "" for the end."""
        result: list[str] = []
        while self._position < len(self._text):
            character = self._text[self._position]
            if character == stop:
                self._position += 1
                return "".join(result)
            result.append(self._piece(character, keep_escapes, depth))
        if stop:
            raise SubstitutionFailed(f"a '{stop}' is missing")
        return "".join(result)

    def _piece(self, character: str, keep_escapes: bool, depth: int) -> str:
        if match := _PLAIN.match(self._text, self._position):
            self._position = match.end()
            return match[0]
        self._position += 1
        if character == "$":
            return self._variable(depth)
        if character == "'":
            return self._single()
        if character == '"':
            return self._double(keep_escapes, depth)
        if character == self._escape:
            kept = character if keep_escapes else ""
            self._position += 1
            return kept + self._text[self._position - 1 : self._position]
        return character

    def _single(self) -> str:
        end = self._text.find("'", self._position)
        if end < 0:
            raise SubstitutionFailed("a quote does not end")
        text, self._position = self._text[self._position : end], end + 1
        return text

    def _double(self, keep_escapes: bool, depth: int) -> str:
        result: list[str] = []
        while self._position < len(self._text):
            character = self._text[self._position]
            self._position += 1
            if character == '"':
                return "".join(result)
            if character == "$":
                result.append(self._variable(depth))
                continue
            following = self._text[self._position : self._position + 1]
            if character == self._escape and following in ('"', "$", self._escape):
                self._position += 1
                character = (character if keep_escapes else "") + following
            result.append(character)
        raise SubstitutionFailed("a quote does not end")

    def _variable(self, depth: int) -> str:
        """Its value, from behind the dollar sign."""
        is_braced = self._text.startswith("{", self._position)
        self._position += is_braced
        match = _NAME.match(self._text, self._position)
        if match is None and not is_braced:
            return "$"
        if match is None or depth >= _DEEPEST:
            raise SubstitutionFailed("a variable in ${…} can't be read")
        self._position = match.end()
        value = self._variables.values.get(match[0])
        return self._modified(match[0], value, depth + 1) if is_braced else value or ""

    def _modified(self, name: str, value: str | None, depth: int) -> str:
        if self._text.startswith("}", self._position):
            self._position += 1
            return value or ""
        match = _MODIFIER.match(self._text, self._position)
        if match is None:
            raise SubstitutionFailed("a variable has a form that is not known here", quoted=name)
        self._position = match.end()
        word = self.until("}", match[0] in "#%", depth)
        is_set = value is not None and (value != "" or not match[0].startswith(":"))
        if match[0] in "#%":
            self._variables.patterns_left -= 1
            if self._variables.patterns_left < 0 or len(word) > _LONGEST_PATTERN:
                raise SubstitutionFailed("too many patterns, or too long ones, in ${…}")
            return _trimmed(value or "", word, match[0])
        if match[0].endswith("-"):
            return value or "" if is_set else word
        if match[0].endswith("+"):
            return word if is_set else ""
        if not is_set:
            raise SubstitutionFailed("a variable has no value", quoted=f"{name}: {word}")
        return value or ""


def _trimmed(value: str, pattern: str, side: str) -> str:
    """`${name#pattern}` and its kind: without the shortest or longest text at that side that the pattern fits."""
    is_longest, pattern = pattern.startswith(side), pattern.removeprefix(side)
    if re.search(r"\\(?![*?])", pattern):
        raise SubstitutionFailed("a pattern has an escape that is not known here")
    atoms = re.findall(r"\\.|.", pattern, re.DOTALL)
    if side == "%":
        value, atoms = value[::-1], atoms[::-1]
    match = _pattern(atoms, is_longest).match(value)
    rest = value[match.end() :] if match else value
    return rest[::-1] if side == "%" else rest


def _pattern(atoms: list[str], is_longest: bool) -> re.Pattern[str]:
    """A star takes the least that it can, which never has to be taken back; the last one of the longest fit all."""
    segments = [""]
    for atom in atoms:
        if atom == "*":
            segments.append("")
        else:
            segments[-1] += "." if atom == "?" else re.escape(atom[-1])
    first, *middle = segments
    last = middle.pop() if middle and is_longest else None
    expression = first + "".join(f"(?>.*?{segment})" for segment in middle)
    return re.compile(expression + (f".*{last}" if last is not None else ""), re.DOTALL)
