"""`Idempotency-Key`: a deployment that is asked for twice, because the first answer was lost, is made once.

The key is stored in the unit that queues the deployment: a killed server has both or neither.
"""

import hashlib
from datetime import datetime, timedelta

from fastapi import Request
from sqlalchemy import delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from better_paas.access.authenticate import caller_of, platform_of
from better_paas.db.base import Base
from better_paas.errors import Conflict, Invalid
from better_paas.kit.clock import now

HEADER = "idempotency-key"
_LONGEST = 200
_KEPT = timedelta(hours=24)


class AnsweredCall(Base):
    """id: digest of who asked, what, and the key. digest: of the arguments."""

    __tablename__ = "answered_calls"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    app_id: Mapped[str]
    deployment_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)


async def answered(request: Request) -> tuple[str, str] | None:
    """(app id, deployment id) of the same call before this one, or None. Errors: Invalid, Conflict."""
    identity = _identity(request)
    if identity is None:
        return None
    call = await platform_of(request).database.read(lambda session: session.get(AnsweredCall, identity))
    if call is None or call.created_at < now() - _KEPT:
        return None
    if call.digest != request.state.digest:
        raise Conflict(
            "this Idempotency-Key was used for another call",
            "Use a new key for a new call, and the same one only to repeat it.",
            code="idempotency_key_reused",
        )
    return call.app_id, call.deployment_id


def remember(session: Session, request: Request, app_id: str, deployment_id: str) -> None:
    """In the unit that does it. Errors: Conflict for the second of two at once."""
    identity = _identity(request)
    if identity is None:
        return
    session.execute(delete(AnsweredCall).where(AnsweredCall.created_at < now() - _KEPT))
    if session.get(AnsweredCall, identity) is not None:
        raise Conflict(
            "the same call is being answered at this moment",
            "Repeat it to get its answer.",
            code="idempotency_key_in_use",
        )
    session.add(
        AnsweredCall(
            id=identity,
            digest=request.state.digest,
            app_id=app_id,
            deployment_id=deployment_id,
            created_at=now(),
        )
    )
    session.flush()


def _identity(request: Request) -> str | None:
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST or not key.isprintable():
        raise Invalid(f"Idempotency-Key must be 1 to {_LONGEST} printable characters", "A UUID is a good one.")
    caller = caller_of(request)
    text = "\0".join((caller.kind, caller.id, request.url.path, key))
    return hashlib.sha256(text.encode()).hexdigest()
