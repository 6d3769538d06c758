"""Trust rules: which CI jobs get a token for what they are, and what it allows. Rows in, rows out."""

import dataclasses
import fnmatch
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from better_paas.agents import service as agents
from better_paas.agents.models import Agent
from better_paas.agents.service import TokenSpec
from better_paas.connect.models import TrustRule, UsedIdentity
from better_paas.connect.service import Made
from better_paas.errors import Conflict, Forbidden, NotFound
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id

LIFETIME_SECONDS = 900
# Tokens of CI jobs come by the thousand; what they did stays in the audit log.
_KEPT = timedelta(hours=1)
_PREFIX = "ci:"


def rules(session: Session) -> Sequence[TrustRule]:
    return session.scalars(select(TrustRule).order_by(TrustRule.name)).all()


def add(session: Session, name: str, issuer: str, audience: str, claims: dict[str, str], wish: TokenSpec) -> TrustRule:
    """Errors: Conflict, Invalid."""
    if session.scalar(select(TrustRule).where(TrustRule.name == name)) is not None:
        raise Conflict(f"a trust rule named '{name}' exists", "Choose another name, or delete that one.")
    agents.expand(wish.profile or "", wish.scopes)
    rule = TrustRule(
        id=new_id(),
        name=name,
        issuer=issuer,
        audience=audience,
        claims=claims,
        wish=dataclasses.asdict(wish),
        created_at=now(),
        last_used_at=None,
        uses=0,
    )
    session.add(rule)
    session.flush()
    return rule


def remove(session: Session, rule_id: str) -> list[str]:
    """Delete a rule; the ids of the tokens that it made, which go with it. Errors: NotFound."""
    rule = session.get(TrustRule, rule_id)
    if rule is None:
        raise NotFound("Trust rule not found", "List the trust rules to see their ids.")
    session.delete(rule)
    made = list(session.scalars(select(Agent).where(Agent.created_by == f"trust:{rule_id}")))
    for agent in made:
        session.delete(agent)
    return [agent.id for agent in made]


def exchange(session: Session, identity: str, claims: dict[str, Any]) -> tuple[Made, list[str]]:
    """A token for the first rule that fits these verified claims, and the ids of old ones that went.

    identity: the token that carried the claims; it works once. Errors: Forbidden.
    """
    moment = now()
    session.execute(delete(UsedIdentity).where(UsedIdentity.expires_at < moment))
    # What is signed: the signature itself can be written in more than one way.
    digest = hashlib.sha256(identity.rpartition(".")[0].encode()).hexdigest()
    if session.get(UsedIdentity, digest) is not None:
        raise Forbidden("Forbidden: this identity token was used before", "Ask the CI system for a new one.")
    rule = next((rule for rule in rules(session) if _fits(rule, claims)), None)
    if rule is None:
        raise Forbidden(
            "Forbidden: no trust rule fits this identity",
            "An administrator adds one in the dashboard under Agents; its conditions name the claims.",
        )
    session.add(UsedIdentity(id=digest, expires_at=datetime.fromtimestamp(claims["exp"], UTC) + timedelta(hours=1)))
    rule.uses, rule.last_used_at = rule.uses + 1, moment
    gone = _forget_expired(session, moment)
    subject = str(claims.get("sub", ""))
    wish = dataclasses.replace(
        TokenSpec(**rule.wish),
        name=f"{_PREFIX} {rule.name}",
        note=f"{claims['iss']} {subject}"[:500],
        expires_in_days=None,
        expires_in_seconds=LIFETIME_SECONDS,
        never_expires=False,
    )
    return Made(*agents.create(session, wish, f"trust:{rule.id}")), gone


def _fits(rule: TrustRule, claims: dict[str, Any]) -> bool:
    """All of a rule's patterns match, letter case included; a claim that is missing never does."""
    audiences = claims.get("aud")
    audiences = [audiences] if isinstance(audiences, str) else audiences or []
    return (
        claims.get("iss") == rule.issuer
        and rule.audience in audiences
        and bool(rule.claims)
        and all(
            isinstance(claims.get(name), (str, int, bool)) and fnmatch.fnmatchcase(str(claims[name]), pattern)
            for name, pattern in rule.claims.items()
        )
    )


def _forget_expired(session: Session, moment: datetime) -> list[str]:
    query = select(Agent).where(Agent.created_by.startswith("trust:"), Agent.expires_at < moment - _KEPT).limit(200)
    gone = list(session.scalars(query))
    for agent in gone:
        session.delete(agent)
    return [agent.id for agent in gone]
