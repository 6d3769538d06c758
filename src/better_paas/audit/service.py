"""Writes and reads the audit log. Entries ride in the transaction of the unit that leaves them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import Session

from better_paas.audit.models import AuditEntry
from better_paas.db.database import append_row
from better_paas.kit.clock import now

Outcome = Literal["intent", "success", "failure", "denied"]


@dataclass(frozen=True)
class Entry:
    """What one line says. payload: only fields that the action's policy row allows."""

    actor_type: str
    actor_id: str
    action: str
    outcome: Outcome
    request_id: str
    source: str = "api"
    resource_type: str = ""
    resource_id: str | None = None
    ip_address: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    duration_ms: int | None = None
    created_at: datetime = field(default_factory=now)


def record(session: Session, entry: Entry) -> None:
    """Leave `entry` in this unit. It is on disk when the unit is, and not at all if the unit fails."""
    append_row(session, entry)


def append(connection: Connection, entries: list[Entry]) -> None:
    """The database's appender: all entries of a group by one statement, in their order."""
    connection.execute(insert(AuditEntry), [asdict(entry) for entry in entries])


def newest(session: Session, limit: int, before: int | None) -> Sequence[AuditEntry]:
    """Entries with an id below `before`, newest first."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return session.scalars(query).all()
