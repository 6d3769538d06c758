"""Consents and device logins: rows in, rows out. A token is made when it is fetched, not when it is allowed."""

import base64
import dataclasses
import hashlib
import hmac
import re
import secrets
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from better_paas.agents import service as agents
from better_paas.agents.models import Agent
from better_paas.agents.service import TokenSpec
from better_paas.connect.models import Consent, DeviceLogin
from better_paas.connect.verification_phrases import choices
from better_paas.errors import Conflict, Forbidden, Invalid, NotFound, TooManyRequests
from better_paas.kit.addresses import network_of
from better_paas.kit.clock import now

# A code is fetched by a program that waits for it; a person has the longer time.
CODE_LIFETIME = timedelta(seconds=60)
DEVICE_LIFETIME = timedelta(minutes=5)
_KEPT = timedelta(hours=1)
_MOST_WAITING, _MOST_EACH = 200, 5
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# Without vowels and look-alikes: it spells no words and is read aloud without doubt (RFC 8628, 6.1).
_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(frozen=True)
class Made:
    """A token that was fetched."""

    agent: Agent
    token: str


@dataclass(frozen=True)
class Reused:
    """A code came a second time: somebody else had it. agent_id: the token that was made of it."""

    agent_id: str


def check_challenge(challenge: str, method: str) -> None:
    """Errors: Invalid for anything but PKCE with S256."""
    if method != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise Invalid(
            "PKCE with code_challenge_method=S256 is needed",
            "Update the client; 'plain' and none at all are not accepted.",
            code="invalid_request",
        )


def allow(session: Session, client_id: str, redirect_uri: str, challenge: str, wish: TokenSpec, created_by: str) -> str:
    """A person has said yes: a code for the client, good for a minute and once."""
    _forget_old(session)
    agents.expand(wish.profile or "", wish.scopes)
    code = secrets.token_urlsafe(32)
    consent = Consent(
        id=_digest(code),
        client_id=client_id,
        redirect_uri=redirect_uri,
        challenge=challenge,
        wish=dataclasses.asdict(wish),
        created_by=created_by,
        expires_at=now() + CODE_LIFETIME,
        agent_id=None,
    )
    session.add(consent)
    return code


def redeem(session: Session, code: str, verifier: str, client_id: str, redirect_uri: str) -> Made | Reused | None:
    """The token for a code; None, whatever is wrong with it."""
    consent = session.get(Consent, _digest(code))
    if consent is None:
        return None
    if consent.agent_id is not None:
        return Reused(consent.agent_id)
    sound = (
        consent.expires_at > now()
        and consent.client_id == client_id
        and consent.redirect_uri == redirect_uri
        and _VERIFIER.fullmatch(verifier) is not None
        and hmac.compare_digest(_challenge_of(verifier), consent.challenge)
    )
    if not sound:
        # Whoever tries with a part of it has seen the rest: there is no second try.
        consent.expires_at = now()
        return None
    made = _make(session, consent.wish, consent.created_by)
    consent.agent_id = made.agent.id
    return made


def begin_device(session: Session, name: str, machine: str, address: str) -> tuple[DeviceLogin, str]:
    """A terminal asks: its login and the code that only it knows. Errors: TooManyRequests."""
    _forget_old(session)
    moment = now()
    _make_room(session, address, moment)
    code, user_code = secrets.token_urlsafe(32), _user_code()
    offered = choices()
    login = DeviceLogin(
        id=_digest(code),
        user_code=user_code,
        name=name,
        machine=machine,
        address=address,
        words=secrets.choice(offered),
        choices=offered,
        status="pending",
        wish={},
        created_by="",
        created_at=moment,
        expires_at=moment + DEVICE_LIFETIME,
        agent_id=None,
    )
    session.add(login)
    return login, code


def _make_room(session: Session, address: str, moment: datetime) -> None:
    """A few terminals for each network, and nobody's in the way of another's. Errors: TooManyRequests."""
    query = select(DeviceLogin).where(DeviceLogin.status == "pending", DeviceLogin.expires_at > moment)
    waiting: defaultdict[str, list[DeviceLogin]] = defaultdict(list)
    for login in session.scalars(query.order_by(DeviceLogin.created_at)):
        waiting[network_of(login.address)].append(login)
    if len(waiting[network_of(address)]) >= _MOST_EACH:
        raise TooManyRequests(
            "too many terminals of this network wait for a sign-in", "Answer them, or wait five minutes."
        )
    if sum(map(len, waiting.values())) >= _MOST_WAITING:
        most = max(waiting.values(), key=len)
        if len(most) == 1:
            raise TooManyRequests("too many terminals wait for a sign-in", "Try again in five minutes.")
        session.delete(most[0])  # whoever has the most gives way


def waiting_device(session: Session, user_code: str) -> DeviceLogin:
    """The login behind what a person typed. Errors: NotFound."""
    letters = re.sub(r"[^A-Z]", "", user_code.upper())
    login = session.scalar(select(DeviceLogin).where(DeviceLogin.user_code == letters))
    if login is None or login.status != "pending" or login.expires_at <= now():
        raise NotFound("No terminal waits with this code", "Look at the terminal: codes are good for five minutes.")
    return login


def allow_device(session: Session, user_code: str, words: str, wish: TokenSpec, created_by: str) -> DeviceLogin | None:
    """A person has said yes, and what words the terminal shows; None for the wrong ones, which end the login."""
    login = waiting_device(session, user_code)
    if words != login.words:
        login.status = "denied"
        return None
    agents.expand(wish.profile or "", wish.scopes)
    login.status, login.wish, login.created_by = "approved", dataclasses.asdict(wish), created_by
    return login


def deny_device(session: Session, user_code: str) -> DeviceLogin:
    login = waiting_device(session, user_code)
    login.status = "denied"
    return login


def redeem_device(session: Session, code: str) -> Made | Reused | None:
    """The token once a person has said yes; None while nobody has answered. Errors: Forbidden, Invalid."""
    login = session.get(DeviceLogin, _digest(code))
    if login is not None and login.agent_id is not None:
        return Reused(login.agent_id)
    if login is None or login.expires_at <= now():
        raise Invalid("the code is not valid or has expired", "Run 'paas connect' again.", code="expired_token")
    if login.status == "denied":
        raise Forbidden(
            "The sign-in was refused", "Run 'paas connect' again if that was a mistake.", code="access_denied"
        )
    if login.status == "pending":
        return None
    made = _make(session, login.wish, login.created_by)
    login.status, login.agent_id = "used", made.agent.id
    return made


def _make(session: Session, wish: dict[str, Any], created_by: str) -> Made:
    try:
        return Made(*agents.create(session, TokenSpec(**wish), created_by))
    except NotFound as error:  # an app was deleted between the yes and this
        raise Conflict(error.error, "Run 'paas connect' again.") from error


def _forget_old(session: Session) -> None:
    moment = now()
    for table in (Consent, DeviceLogin):
        session.execute(delete(table).where(table.expires_at < moment - _KEPT))
    # Those that came to nothing are of no more use: only a code that was spent can be spent again.
    session.execute(delete(DeviceLogin).where(DeviceLogin.expires_at < moment, DeviceLogin.agent_id.is_(None)))


def _user_code() -> str:
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(8))


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()


def _challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
