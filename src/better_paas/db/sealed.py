"""Secret values in rows: sealed when they are set, opened when they are used, bound to their row and column."""

import json
from typing import Any

from sqlalchemy.orm import Session

from better_paas.errors import SecretUnreadable
from better_paas.kit.crypto import CannotOpen, Keyring

KEYRING = "keyring"


def keyring_of(session: Session) -> Keyring:
    ring = session.info[KEYRING]
    assert isinstance(ring, Keyring)
    return ring


def place(table: str, row: str, column: str) -> str:
    return f"{table}/{row}/{column}"


def seal(session: Session, where: str, text: str) -> str:
    """The form in which `text` is stored at `where`. Nothing is sealed as nothing."""
    return keyring_of(session).seal(text, where) if text else ""


def unseal(session: Session, where: str, stored: str) -> str:
    """What is stored at `where`; clear text from before is read as it is. Errors: SecretUnreadable."""
    try:
        return keyring_of(session).open(stored, where)
    except CannotOpen as error:
        raise SecretUnreadable(str(error)) from error


def seal_mapping(session: Session, where: str, values: dict[str, str]) -> str:
    """All of a mapping in one sealed value: its names are nobody's business either."""
    return seal(session, where, mapping_text(values))


def mapping_text(values: dict[str, str]) -> str:
    """The text of a mapping that is sealed as a whole."""
    return json.dumps(values, ensure_ascii=False)


def unseal_mapping(session: Session, where: str, stored: Any) -> dict[str, str]:
    """Errors: SecretUnreadable."""
    if isinstance(stored, dict):
        return {str(name): str(value) for name, value in stored.items()}
    if not stored:
        return {}
    found = json.loads(unseal(session, where, str(stored)))
    return dict(found)
