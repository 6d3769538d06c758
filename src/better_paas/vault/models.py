"""The table of keys: which ones this data was sealed with. The keys themselves are not in the database."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class StoredSecret(Base):
    """A secret of the platform itself, such as a token for DNS. id: its name. value: sealed."""

    __tablename__ = "stored_secrets"

    id: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class SealingKey(Base):
    """proof: a known text sealed with the key, by which a wrong key is told before it does harm."""

    __tablename__ = "sealing_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    proof: Mapped[str]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
