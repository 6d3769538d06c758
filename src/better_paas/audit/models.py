"""The tables of the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Computed, Index, LargeBinary
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base

# What lists can be filtered by. Taken from the record by the database itself: there is no second truth to change.
FILTERED = {
    "created_at": "createdAt",
    "actor_id": "actorId",
    "action": "action",
    "outcome": "outcome",
    "resource_id": "resourceId",
    "request_id": "requestId",
}


class _Taken(ColumnElement[str]):
    """A field of the record."""

    inherit_cache = True

    def __init__(self, field: str) -> None:
        self.field = field


@compiles(_Taken)
def _in_sqlite(element: _Taken, compiler: Any, **options: Any) -> str:
    return f"json_extract(record, '$.{element.field}')"


@compiles(_Taken, "postgresql")
def _in_postgres(element: _Taken, compiler: Any, **options: Any) -> str:
    # The one escape that PostgreSQL can't read as text; none of these fields ever has it.
    return f"replace(record, '\\u0000', '\\ufffd')::json ->> '{element.field}'"


@compiles(Computed, "postgresql")
def _stored(element: Computed, compiler: Any, **options: Any) -> str:
    """Before version 18 PostgreSQL has no columns that are computed when they are read."""
    return f"GENERATED ALWAYS AS ({compiler.sql_compiler.process(element.sqltext)}) STORED"


def _taken(field: str) -> Any:
    return mapped_column(Computed(_Taken(field), persisted=False), nullable=True)


class AuditEntry(Base):
    """One line: an intent before an effect, an outcome after it, a denial, a sign-in, a sensitive read.

    record: canonical JSON, the truth; None once it was pruned. leaf: its RFC 6962 leaf hash, kept for ever.
    """

    __tablename__ = "audit_entries"
    __table_args__ = tuple(Index(f"ix_audit_entries_{column}", column) for column in FILTERED)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    record: Mapped[str | None]
    leaf: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[str | None] = _taken("createdAt")
    actor_id: Mapped[str | None] = _taken("actorId")
    action: Mapped[str | None] = _taken("action")
    outcome: Mapped[str | None] = _taken("outcome")
    resource_id: Mapped[str | None] = _taken("resourceId")
    request_id: Mapped[str | None] = _taken("requestId")


class AuditCheckpoint(Base):
    """A signed statement of the log's size and root. frontier: where the tree goes on, hex; only a short cut."""

    __tablename__ = "audit_checkpoints"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str]
    frontier: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime]


class AuditSink(Base):
    """How far a copy of the log got outside: `position` entries or checkpoints are there."""

    __tablename__ = "audit_sinks"

    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    problem: Mapped[str] = mapped_column(default="")
    changed_at: Mapped[datetime]
