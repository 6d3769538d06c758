"""Secrets of the platform itself: sealed, by name."""

from sqlalchemy.orm import Session

from better_paas.db.sealed import place, seal, unseal
from better_paas.vault.models import StoredSecret

# Under which Cloudflare's token is kept.
CLOUDFLARE = "cloudflare-token"


def _place(name: str) -> str:
    return place("stored_secrets", name, "value")


def put(session: Session, name: str, value: str) -> None:
    found = session.get(StoredSecret, name)
    if found is None:
        session.add(StoredSecret(id=name, value=seal(session, _place(name), value)))
    else:
        found.value = seal(session, _place(name), value)


def get(session: Session, name: str) -> str:
    """The value, or nothing. Errors: SecretUnreadable."""
    found = session.get(StoredSecret, name)
    return unseal(session, _place(name), found.value) if found is not None else ""


def delete(session: Session, name: str) -> None:
    found = session.get(StoredSecret, name)
    if found is not None:
        session.delete(found)
