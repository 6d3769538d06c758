"""The table of custom domains."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class Domain(Base):
    """name: a host, or a host with the path below which it leads to the app (`example.com/api`)."""

    __tablename__ = "domains"

    name: Mapped[str] = mapped_column(primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), index=True)
    # Its visitors are sent to this host instead; empty for serving the app.
    redirect_to: Mapped[str] = mapped_column(default="")
    # The app does not see the path.
    strip_path: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
