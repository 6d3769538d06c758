"""The table of agents."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class Agent(Base):
    """A token's holder. The token itself is nowhere: only the digest of its secret."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    note: Mapped[str] = mapped_column(default="")
    profile: Mapped[str] = mapped_column(default="")
    scopes: Mapped[list[str]] = mapped_column(default=list)
    # All projects and apps, or those that are named by id: an app that is made anew under an old name is another one.
    all_resources: Mapped[bool] = mapped_column(default=True)
    project_ids: Mapped[list[str]] = mapped_column(default=list)
    app_ids: Mapped[list[str]] = mapped_column(default=list)
    expires_at: Mapped[datetime | None]
    addresses: Mapped[list[str]] = mapped_column(default=list)
    rate_per_minute: Mapped[int]
    deploys_per_hour: Mapped[int | None]
    require_approval: Mapped[str]
    # A child may do no more than its parent, and goes with it.
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    digest: Mapped[str]
    previous_digest: Mapped[str] = mapped_column(default="")
    previous_until: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_address: Mapped[str] = mapped_column(default="")
    uses: Mapped[int] = mapped_column(default=0)
    suspended_at: Mapped[datetime | None]
    suspended_reason: Mapped[str] = mapped_column(default="")


class Switch(Base):
    """One setting that people flip while the server runs."""

    __tablename__ = "switches"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    changed_at: Mapped[datetime]
