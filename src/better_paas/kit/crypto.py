"""Sealing of secret values: AES-256-GCM under a ring of keys, bound to the place where the value is stored."""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_PREFIX = "sealed:1:"
_HEX = re.compile(r"[0-9a-fA-F]{64}")


class KeyRefused(ValueError):
    """The text is no key. The message says what a key looks like."""


class CannotOpen(Exception):
    """A sealed value was changed, moved to another place, or sealed with a key that is not in the ring."""


@dataclass(frozen=True)
class Key:
    """id: the first 8 hex digits of a digest of the key; it stands before each sealed value."""

    id: str
    raw: bytes


def parse_key(text: str) -> Key:
    """A key of 32 bytes in hex or base64 (RFC 4648, both alphabets). Errors: KeyRefused."""
    text = text.strip()
    refused = KeyRefused("must be 32 bytes, as 64 hex digits or as base64; 'openssl rand -hex 32' makes one")
    if _HEX.fullmatch(text):
        return _key(bytes.fromhex(text))
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise refused from None
    if len(raw) != KEY_BYTES:
        raise refused
    return _key(raw)


def new_key() -> Key:
    return _key(os.urandom(KEY_BYTES))


def _key(raw: bytes) -> Key:
    return Key(hashlib.sha256(b"better-paas key id\0" + raw).hexdigest()[:8], raw)


class Keyring:
    """Seals with the first key, opens with each. A place is `table/row/column`: a value opens nowhere else."""

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self.replace(keys)

    def replace(self, keys: Sequence[Key]) -> None:
        """Use these keys from now on, the first for sealing."""
        # One assignment of one value: other threads seal meanwhile, and must never mix two rings.
        self._ring = tuple((key, AESGCM(key.raw)) for key in keys)

    @property
    def active(self) -> Key:
        return self._ring[0][0]

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(key for key, _ in self._ring)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(key.id for key in self.keys)

    def seal(self, text: str, place: str) -> str:
        key, cipher = self._ring[0]
        nonce = os.urandom(_NONCE_BYTES)
        sealed = cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), place.encode())
        return f"{_PREFIX}{key.id}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def digest(self, data: bytes) -> str:
        """A keyed digest in hex: equal data can be told from it, the data itself can't be tried out."""
        return hmac.new(b"digest\0" + self.active.raw, data, hashlib.sha256).hexdigest()[:32]

    def open(self, stored: str, place: str) -> str:
        """The text behind `stored`; clear text is given as it is. Errors: CannotOpen."""
        if not is_sealed(stored):
            return stored
        key_id, _, body = stored.removeprefix(_PREFIX).partition(":")
        cipher = next((cipher for key, cipher in self._ring if key.id == key_id), None)
        if cipher is None:
            raise CannotOpen(f"the value at {place} was sealed with key {key_id}, which is not there")
        try:
            raw = base64.urlsafe_b64decode(body)
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode()).decode(
                "utf-8", "surrogatepass"
            )
        except (InvalidTag, ValueError):
            raise CannotOpen(f"the value at {place} was changed or moved") from None

    def is_current(self, stored: str) -> bool:
        """Whether `stored` is sealed with the active key."""
        return stored.startswith(f"{_PREFIX}{self.active.id}:")


def is_sealed(stored: str) -> bool:
    return stored.startswith(_PREFIX)


def key_id_of(stored: str) -> str:
    """The id of the key that sealed `stored`."""
    return stored.removeprefix(_PREFIX).partition(":")[0]
