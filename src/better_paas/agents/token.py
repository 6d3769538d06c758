"""The form of an agent token: `bpagt_`, an id, a secret of 256 bits, and a checksum of all before it.

Pure. The id may be logged; the secret is stored as its SHA-256 alone, which is enough for 256 random bits
(OWASP ASVS 5.0, 6.5.2). The checksum tells a typing mistake from a guess before anything is looked up.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass

from better_paas.kit.ids import new_id

PREFIX = "bpagt_"
PATTERN = r"bpagt_[a-z][a-z0-9]{9}[0-9A-Za-z]{49}"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(PATTERN)
_ID, _SECRET, _CHECK = 10, 43, 6
LENGTH = len(PREFIX) + _ID + _SECRET + _CHECK


@dataclass(frozen=True)
class Parsed:
    """id: of the agent. digest: SHA-256 of the secret, in hex."""

    id: str
    digest: str


def make(agent_id: str) -> str:
    """A new token of the agent. Its digest is `parse(token).digest`."""
    # 43 digits of base 62 hold 256 bits.
    secret = _base62(secrets.randbits(256), _SECRET)
    body = f"{PREFIX}{agent_id}{secret}"
    return body + _checksum(body)


def parse(text: str) -> Parsed | None:
    """The parts of a well-formed token, or None: it can't be one of ours then."""
    if len(text) != LENGTH or _FORM.fullmatch(text) is None:
        return None
    body = text[:-_CHECK]
    if _checksum(body) != text[-_CHECK:]:
        return None
    start = len(PREFIX)
    return Parsed(body[start : start + _ID], hashlib.sha256(body[start + _ID :].encode()).hexdigest())


def new_agent_id() -> str:
    return new_id(_ID)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
