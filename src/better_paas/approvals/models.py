"""The table of approvals."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base
from better_paas.kit.quoted import Statement


class Approval(Base):
    """One call that waits for a person. status: pending, approved, denied, used.

    digest: of the exact arguments. version: of the resource at that moment. Both have to be the same when it runs.
    """

    __tablename__ = "approvals"
    __table_args__ = (Index("ix_approvals_digest", "agent_id", "digest"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    agent_name: Mapped[str]
    action: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    resource_name: Mapped[str]
    digest: Mapped[str]
    version: Mapped[str]
    # As Statement.stored() gives it: see `asked`.
    summary: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    # What the person who refused it wants the agent to know.
    reason: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]

    @property
    def asked(self) -> Statement:
        """What the call would do; quoted: the names of others that it is about."""
        return Statement.read(self.summary, "Runs a call.")
