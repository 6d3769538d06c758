"""The audit log's table."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class AuditEntry(Base):
    """One line: an intent before an effect, an outcome after it, a denial, or a sign-in that failed."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_request", "request_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    created_at: Mapped[datetime]
    actor_type: Mapped[str]
    actor_id: Mapped[str]
    action: Mapped[str]
    outcome: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str | None]
    request_id: Mapped[str]
    source: Mapped[str]
    ip_address: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    error: Mapped[str | None]
    duration_ms: Mapped[int | None]
