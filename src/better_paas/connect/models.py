"""Tables of consents, device logins, trust rules and used identities."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class Consent(Base):
    """A person's yes to one client, until the client fetches its token. id: digest of the code.

    wish: what the token is to allow. agent_id: of the token that was made of it; a second use of the code ends it.
    """

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    redirect_uri: Mapped[str]
    challenge: Mapped[str]
    wish: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    agent_id: Mapped[str | None]


class DeviceLogin(Base):
    """A terminal without a browser that waits for a person. id: digest of its code.

    status: pending, approved, denied, used. words: what its terminal shows; the person has to pick them out of three.
    """

    __tablename__ = "device_logins"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    machine: Mapped[str]
    address: Mapped[str] = mapped_column(index=True)
    words: Mapped[str]
    choices: Mapped[list[str]]
    status: Mapped[str]
    wish: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_by: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    agent_id: Mapped[str | None]


class TrustRule(Base):
    """CI jobs that get a token for what they are. claims: patterns that the identity's claims have to match."""

    __tablename__ = "trust_rules"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    issuer: Mapped[str] = mapped_column(index=True)
    audience: Mapped[str]
    claims: Mapped[dict[str, str]]
    wish: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    uses: Mapped[int] = mapped_column(default=0)


class UsedIdentity(Base):
    """An identity token that was exchanged: it works once. id: digest of it."""

    __tablename__ = "used_identities"

    id: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
