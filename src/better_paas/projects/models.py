"""The table of projects."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class Project(Base):
    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(default="")
    server_id: Mapped[str] = mapped_column(default="localhost")
    created_at: Mapped[datetime]
    # Set while all that it has is in the trash.
    deleted_at: Mapped[datetime | None]
