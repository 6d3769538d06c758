"""The table of the volumes that apps have written to."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class KnownVolume(Base):
    """A volume that was there once. One of these that is missing is a loss, and no reason to begin with an empty one.

    project_id: also that of a project that is gone, since its volumes stay.
    """

    __tablename__ = "volumes"

    project_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
