"""Keeps secret values out of text that people and machines read."""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

MASK = "***"

_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s@:]+(:[^/\s@]*)?@", re.IGNORECASE)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}")
_AGENT_TOKEN = re.compile(r"\bbpagt_[A-Za-z0-9_-]{8,}")
_QUERY_SECRET = re.compile(r"(?i)\b(token|ticket|access_token|password|secret)=([^&\s\"']+)")
_SECRET_NAME = re.compile(r"(?i)(token|secret|password|passwd|authorization|cookie|private_?key|api_?key|env_?vars)")

# A shorter value would mask ordinary words.
_SHORTEST_SECRET = 4


class Redactor:
    """Masks a known set of secret values besides the forms that always look like secrets."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        # A log has lines: each line of a value is as secret as the whole.
        parts = {part.strip() for value in values for part in (value, *value.splitlines())}
        known = sorted((part for part in parts if len(part) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """`text` without secret values; line structure is kept."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return redact_text(text)


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
