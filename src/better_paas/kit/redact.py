"""Keeps secret values out of text that people and machines read.

Every step is linear in the text, whatever that holds: it may be a line of 64 KiB, made to hold up whoever reads it.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

import re2
from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from better_paas.kit.secret_forms import FORMS, Form

MASK = "***"

# A shorter value would mask ordinary words.
_SHORTEST_SECRET = 4
_SHORTEST_ENCODED = 8
# What of a form is searched for; where it is found, as much is masked as goes on like the form.
_SOUGHT = 32
# A text with more than this many hits, and one for so many characters, is a dump of secrets: it is hidden as a whole.
_MOST_HITS, _CHARACTERS_A_HIT = 8, 128
# So is one with which so many times its length would have to be compared: parts of secrets that are longer than it.
_COMPARED = 64
_SECRET_WORDS = (
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "cookie",
    "privatekey",
    "private_key",
    "apikey",
    "api_key",
    "envvars",
    "env_vars",
)


class Redactor:
    """Masks a known set of secret values, as they are and encoded, besides the forms that always look like secrets."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: dict[str, list[str]] = {}
        for form in {_encodable(form) for value in values for form in _forms(value)}:
            self._forms.setdefault(form[:_SOUGHT], []).append(form)
        self._sought = list(self._forms)
        self._finder = (
            AhoCorasick(self._sought, matchkind=MatchKind.LeftmostLongest, implementation=Implementation.ContiguousNFA)
            if self._sought
            else None
        )

    def text(self, text: str) -> str:
        """`text` without secret values; line structure is kept."""
        return _RECOGNISER.mask(self._without_known(_encodable(text)))

    def lines(self, lines: Sequence[str]) -> list[str]:
        """The same for many lines at once, which is several times quicker."""
        masked = self.text("\n".join(lines)).split("\n")
        # One that was hidden as a whole must not take the others along.
        return masked if len(masked) == len(lines) else [self.text(line) for line in lines]

    def _without_known(self, text: str) -> str:
        found = self._finder.find_matches_as_indexes(text) if self._finder is not None else ()
        if not found:
            return text
        if len(found) > _most_hits(text):
            return MASK
        parts, position = [], 0
        left = _COMPARED * (len(text) + _SOUGHT)
        for index, start, _ in found:
            left -= sum(min(len(form), len(text) - start) for form in self._forms[self._sought[index]])
            if left < 0:
                return MASK
            if start >= position:  # else it begins inside of what is masked already
                parts += [text[position:start], MASK]
            forms = self._forms[self._sought[index]]
            position = max(position, start + max(_agreement(form, text[start : start + len(form)]) for form in forms))
        return "".join([*parts, text[position:]])


def _forms(value: str) -> Iterator[str]:
    """A secret as it is, and as programs write it: in JSON, in an address, in hex and in base64; each on one line."""
    value = value.strip()
    # A log has lines: each line of a value is as secret as the whole.
    lines = [line.strip() for line in value.splitlines()]
    yield from (line for line in lines if len(line) >= _SHORTEST_SECRET)
    if len(value) < _SHORTEST_SECRET:
        return
    yield json.dumps(value)[1:-1]
    if len(lines) == 1:
        yield json.dumps(value, ensure_ascii=False)[1:-1]
    if len(value) < _SHORTEST_ENCODED:
        return
    raw = value.encode("utf-8", "surrogatepass")
    yield quote(raw)
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield raw.hex()
    yield raw.hex().upper()
    # Inside of a longer text base64 shows a value in one of three alignments; only what depends on the value alone
    # is looked for, so the first and last digits may stay.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        start = -(-before * 8 // 6)
        end = (before + len(raw)) * 8 // 6
        inner = encoded[start:end].decode()
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def _agreement(form: str, text: str) -> int:
    """How many characters both begin with."""
    if text.startswith(form):
        return len(form)
    least, most = 0, min(len(form), len(text))
    while least < most:  # by halves, each of which is compared at once
        middle = (least + most + 1) // 2
        if form.startswith(text[:middle]):
            least = middle
        else:
            most = middle - 1
    return least


class _Recogniser:
    """Finds out by one pass of a linear-time matcher which forms are there; only those are then looked for again."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self._set = re2.Set.SearchSet()
        self._masks = []
        for form in forms:
            self._set.Add(form.sign)
            self._masks.append((re.compile(form.expression), f"{form.before}{MASK}{form.behind}"))
        self._set.Compile()

    def mask(self, text: str) -> str:
        for index in self._set.Match(text) or ():
            expression, mask = self._masks[index]
            most = _most_hits(text)
            text, hits = expression.subn(mask, text, most)
            if hits == most:
                return MASK
        return text


_RECOGNISER = _Recogniser(FORMS)


def _most_hits(text: str) -> int:
    return _MOST_HITS + len(text) // _CHARACTERS_A_HIT


def _encodable(text: str) -> str:
    """Half characters, which no output can carry, are no part of any secret."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def redact_text(text: str) -> str:
    """Mask credentials that can be recognised by their form alone."""
    return _RECOGNISER.mask(_encodable(text))


def _is_secret_name(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in _SECRET_WORDS)


def redact_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A copy for logs: values under secret-looking names masked, text scrubbed."""
    result: dict[str, Any] = {}
    for name, value in fields.items():
        if _is_secret_name(name) and value not in (None, "", False, True):
            result[name] = MASK
        elif isinstance(value, str):
            result[name] = redact_text(value)
        elif isinstance(value, Mapping):
            result[name] = redact_fields(value)
        else:
            result[name] = value
    return result


def structlog_processor(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The same for each structured log line."""
    return redact_fields(event)
