"""Keeps secret values out of text that people and machines read."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@:]+(:[^/\s@]*)?@", re.IGNORECASE)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}")
_AGENT_TOKEN = re.compile(r"\bbpagt_[A-Za-z0-9_-]{8,}")
_QUERY_SECRET = re.compile(r"(?i)\b(token|ticket|access_token|password|secret)=([^&\s\"']+)")
_SECRET_NAME = re.compile(r"(?i)(token|secret|password|passwd|authorization|cookie|private_?key|api_?key|env_?vars)")

# A shorter value would mask ordinary words.
_SHORTEST_SECRET = 4
_SHORTEST_ENCODED = 8


class Redactor:
    """Masks a known set of secret values, as they are and encoded, besides the forms that always look like secrets."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        # A log has lines: each line of a value is as secret as the whole.
        parts = {part.strip() for value in values for part in (value, *value.splitlines())}
        known = {form for part in parts if len(part) >= _SHORTEST_SECRET for form in _forms(part)}
        self._known = sorted(known, key=len, reverse=True)

    def text(self, text: str) -> str:
        """`text` without secret values; line structure is kept."""
        # Searching for one after the other is quicker here than one expression with thousands of branches.
        for form in self._known:
            if form in text:
                text = text.replace(form, MASK)
        return redact_text(text)


def _forms(value: str) -> Iterator[str]:
    """A secret as it is, and as programs write it: in JSON, in an address, in hex and in base64."""
    yield value
    yield json.dumps(value)[1:-1]
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


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable's name or its value's form says that it is a secret."""
    return _SECRET_NAME.search(name) is not None or redact_text(value) != value


def redact_text(text: str) -> str:
    """Mask credentials that can be recognised by their form alone."""
    text = _USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _AGENT_TOKEN.sub(f"bpagt_{MASK}", text)
    return _QUERY_SECRET.sub(rf"\1={MASK}", text)


def redact_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A copy for logs: values under secret-looking names masked, text scrubbed."""
    result: dict[str, Any] = {}
    for name, value in fields.items():
        if _SECRET_NAME.search(name) and value not in (None, "", False, True):
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
