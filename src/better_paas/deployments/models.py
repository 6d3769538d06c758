"""The tables of deployments and releases."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base
from better_paas.kit.quoted import Statement


class Deployment(Base):
    """One attempt. status: queued, building, success, failed, cancelled."""

    __tablename__ = "deployments"
    __table_args__ = (Index("ix_deployments_app_created", "app_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    app_name: Mapped[str]
    job_id: Mapped[str] = mapped_column(index=True)
    status: Mapped[str] = mapped_column(index=True)
    trigger: Mapped[str]
    actor: Mapped[str]
    # Of the call that asked for it: its audit entries and log lines carry the same.
    request_id: Mapped[str] = mapped_column(default="")
    no_cache: Mapped[bool] = mapped_column(default=False)
    # A rollback names the deployment whose image it brings back.
    rollback_of: Mapped[str | None]
    commit: Mapped[str] = mapped_column(default="")
    commit_msg: Mapped[str] = mapped_column(default="")
    image: Mapped[str] = mapped_column(default="")
    plan: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # Why it failed and what to do, as Statement.stored() gives it: see `why` and `hint`.
    failure: Mapped[str] = mapped_column("error", default="")
    advice: Mapped[str] = mapped_column("hint", default="")
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    # Of one that went live: until then its watch may take it back.
    watched_until: Mapped[datetime | None]
    # Since when it has stayed up, once its first moments were seen; since when it is up again, if it ended in them.
    steady_since: Mapped[datetime | None]

    @property
    def why(self) -> Statement:
        """Why it failed; empty if it did not."""
        return Statement.read(self.failure, "it failed")

    @property
    def hint(self) -> str:
        """What to do about it."""
        return Statement.read(self.advice, "The end of its log says more.").sentence


class Release(Base):
    """An image plus settings that ran or runs. state: starting, live, held, draining, gone.

    held: it still is the live one, but was stopped to make way for a newer one at its volumes.
    """

    __tablename__ = "releases"

    id: Mapped[str] = mapped_column(primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), index=True)
    deployment_id: Mapped[str] = mapped_column(unique=True)
    image: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    # Where its main process listens; 0 if it serves no requests.
    container_port: Mapped[int]
    # On 127.0.0.1. Fixed for the release's life, so that an engine restart can't give it to another app.
    host_port: Mapped[int]
    # What it runs with, so that a rollback brings back the whole release and not only its image.
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
