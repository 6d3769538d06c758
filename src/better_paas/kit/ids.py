"""Random identifiers and secrets."""

import secrets

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id(length: int = 10) -> str:
    """A random identifier of `length` characters a-z0-9, the first a letter so that it can name anything."""
    return secrets.choice(_ALPHABET[:26]) + "".join(secrets.choice(_ALPHABET) for _ in range(length - 1))


def new_secret() -> str:
    """256 random bits as 64 hex digits."""
    return secrets.token_hex(32)
