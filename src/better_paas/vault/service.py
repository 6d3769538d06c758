"""Rules of the key ring: which keys the data needs, and what is still sealed with an old one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.db.sealed import keyring_of, mapping_text, place
from better_paas.errors import StartRefused
from better_paas.kit.clock import now
from better_paas.kit.crypto import CannotOpen, Keyring, is_sealed, key_id_of
from better_paas.vault.models import SealingKey

_PROOF = "better-paas"


@dataclass(frozen=True)
class Slot:
    """A column that holds secrets. read gives the stored value of a row, write puts another one in its stead."""

    table: str
    column: str
    model: type[Any]
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]


@dataclass
class Inventory:
    """What is stored. keys: how many values each key sealed. faults: places that can't be opened."""

    keys: dict[str, int] = field(default_factory=dict)
    clear: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def values(self) -> int:
        return sum(self.keys.values()) + self.clear


def check(session: Session, ring: Keyring) -> None:
    """At start: the ring must have every key that the data was sealed with. Errors: StartRefused."""
    known = session.scalars(select(SealingKey).where(SealingKey.retired_at.is_(None))).all()
    missing = [key.id for key in known if key.id not in ring.ids]
    if missing:
        raise StartRefused(
            f"the secret key is not the one that this data was sealed with (key {missing[0]} is needed)",
            "Give back the earlier key: secret.key in the data directory, BETTER_PAAS_SECRET_KEY, or, while a new key "
            "takes over, BETTER_PAAS_SECRET_KEY_PREVIOUS.",
        )
    for key in known:
        try:
            ring.open(key.proof, place("sealing_keys", key.id, "proof"))
        except CannotOpen as error:
            raise StartRefused(
                f"the secret key can't be proven: {error}", "Restore the database or the key."
            ) from error


def enrol(session: Session) -> None:
    """Note the active key, so that a later start asks for it."""
    ring = keyring_of(session)
    key = session.get(SealingKey, ring.active.id)
    if key is None:
        proof = ring.seal(_PROOF, place("sealing_keys", ring.active.id, "proof"))
        session.add(SealingKey(id=ring.active.id, proof=proof, created_at=now(), retired_at=None))
    else:
        key.retired_at = None


def is_new(session: Session) -> bool:
    """Whether nothing was ever sealed here."""
    return session.scalars(select(SealingKey.id)).first() is None


def is_changing(session: Session) -> bool:
    """Whether values may be sealed with another key than the active one."""
    ring = keyring_of(session)
    others = select(SealingKey.id).where(SealingKey.retired_at.is_(None), SealingKey.id != ring.active.id)
    return session.scalars(others).first() is not None


def known_keys(session: Session) -> list[SealingKey]:
    return list(session.scalars(select(SealingKey).order_by(SealingKey.created_at.desc(), SealingKey.id)))


def inventory(session: Session, slots: tuple[Slot, ...]) -> Inventory:
    """Open every stored secret, and count them by key."""
    ring, found = keyring_of(session), Inventory()
    for number, row in _rows(session, slots):
        slot = slots[number]
        stored = slot.read(row)
        if not stored:
            continue
        if not isinstance(stored, str) or not is_sealed(stored):
            found.clear += 1
            continue
        key_id = key_id_of(stored)
        found.keys[key_id] = found.keys.get(key_id, 0) + 1
        try:
            ring.open(stored, place(slot.table, row.id, slot.column))
        except CannotOpen as error:
            found.faults.append(str(error))
    return found


def stale_rows(session: Session, slots: tuple[Slot, ...]) -> list[tuple[int, str]]:
    """(slot, row id) of what is not sealed with the active key."""
    ring = keyring_of(session)
    return [
        (number, row.id)
        for number, row in _rows(session, slots)
        if (stored := slots[number].read(row)) and not (isinstance(stored, str) and ring.is_current(stored))
    ]


def reseal(session: Session, slots: tuple[Slot, ...], rows: list[tuple[int, str]]) -> None:
    """Seal these rows with the active key; a mapping in the clear becomes its text. Errors: CannotOpen."""
    ring = keyring_of(session)
    for number, row_id in rows:
        slot = slots[number]
        row = session.get(slot.model, row_id)
        stored = slot.read(row) if row is not None else None
        if not stored or (isinstance(stored, str) and ring.is_current(stored)):
            continue
        where = place(slot.table, row_id, slot.column)
        text = ring.open(stored, where) if isinstance(stored, str) else mapping_text(stored)
        slot.write(row, ring.seal(text, where))


def retire(session: Session, keep: str) -> None:
    """Note that no value needs another key than `keep`."""
    for key in session.scalars(select(SealingKey).where(SealingKey.retired_at.is_(None), SealingKey.id != keep)):
        key.retired_at = now()


def _rows(session: Session, slots: tuple[Slot, ...]) -> Iterator[tuple[int, Any]]:
    """(slot, row) of every row that may hold a secret."""
    for number, slot in enumerate(slots):
        for row in session.scalars(select(slot.model).execution_options(yield_per=200)):
            yield number, row
