"""Rules of agents: what a token may be, and that a child is never wider than its parent."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas import policy
from better_paas.agents import token
from better_paas.agents.models import Agent, Switch
from better_paas.agents.registry import Network, Usage
from better_paas.apps.models import App
from better_paas.errors import Conflict, Forbidden, Invalid, NotFound, refuse_stale
from better_paas.kit.clock import now
from better_paas.kit.versions import fingerprint
from better_paas.projects.models import Project

DEFAULT_DAYS = 90
LONGEST_GRACE = timedelta(days=7)
APPROVALS = ("none", "destructive", "all")
# Of one token that a person made, with all that it made in turn.
_LARGEST_FAMILY = 100
_DEEPEST = 5
_FREEZE = "agents_frozen"


@dataclass(frozen=True)
class TokenSpec:
    """What a token is to allow. Fields that are None stay as they are, or get their default in a new one."""

    name: str | None = None
    note: str | None = None
    profile: str | None = None
    scopes: list[str] | None = None
    all_resources: bool | None = None
    project_ids: list[str] | None = None
    app_ids: list[str] | None = None
    expires_in_days: int | None = None
    expires_in_seconds: int | None = None
    never_expires: bool = False
    addresses: list[str] | None = None
    rate_per_minute: int | None = None
    deploys_per_hour: int | None = None
    require_approval: str | None = None


def get(session: Session, agent_id: str) -> Agent:
    """Errors: NotFound."""
    agent = session.get(Agent, agent_id)
    if agent is None:
        raise NotFound("Agent not found", "List the agents to see their ids.")
    return agent


def all_agents(session: Session) -> list[Agent]:
    return list(session.scalars(select(Agent).order_by(Agent.created_at.desc(), Agent.id)))


def descendants(session: Session, agent_id: str) -> list[str]:
    """Ids of all children and theirs."""
    parents = {agent.id: agent.parent_id for agent in all_agents(session)}
    found = {agent_id}
    for _ in range(_DEEPEST):
        found |= {child for child, parent in parents.items() if parent in found}
    return sorted(found - {agent_id})


def create(session: Session, spec: TokenSpec, created_by: str, parent: Agent | None = None) -> tuple[Agent, str]:
    """A new agent and its token, which is shown this once. Errors: Invalid, Forbidden, Conflict."""
    if not (spec.name or "").strip():
        raise Invalid("name: a token needs a name", "Say who or what uses it.")
    if spec.scopes is None and spec.profile is None:
        raise Invalid("scopes: a token needs scopes or a profile", "GET /api/agents/scopes lists them.")
    agent_id, moment = token.new_agent_id(), now()
    made, digest = _new_token(agent_id)
    agent = Agent(
        id=agent_id,
        name="",
        note="",
        profile="",
        scopes=[],
        all_resources=parent.all_resources if parent else True,
        project_ids=list(parent.project_ids) if parent else [],
        app_ids=list(parent.app_ids) if parent else [],
        expires_at=_earliest(moment + timedelta(days=DEFAULT_DAYS), parent.expires_at if parent else None),
        addresses=list(parent.addresses) if parent else [],
        rate_per_minute=min(600, parent.rate_per_minute) if parent else 600,
        deploys_per_hour=parent.deploys_per_hour if parent else None,
        require_approval=parent.require_approval if parent else "destructive",
        parent_id=parent.id if parent else None,
        created_by=created_by,
        created_at=moment,
        digest=digest,
        previous_digest="",
        previous_until=None,
        last_used_at=None,
        last_address="",
        uses=0,
        suspended_at=None,
        suspended_reason="",
    )
    _apply(session, agent, spec)
    if parent is not None:
        _check_room(session, parent)
        check_within(session, parent, agent)
    session.add(agent)
    session.flush()
    return agent, made


def version_of(agent: Agent) -> str:
    """Changes whenever something does that says what the token may do."""
    limits = (agent.all_resources, agent.expires_at, agent.rate_per_minute, agent.deploys_per_hour)
    more = (agent.require_approval, agent.suspended_at)
    lists = [agent.scopes, agent.project_ids, agent.app_ids, agent.addresses]
    return fingerprint([agent.digest, agent.name, agent.note, *map(str, (*limits, *more)), *lists])


def update(session: Session, agent_id: str, spec: TokenSpec, read_at: str | None = None) -> Agent:
    """Change what `spec` names. read_at: the version that the caller saw.

    Errors: NotFound, Invalid, Forbidden, Conflict.
    """
    agent = get(session, agent_id)
    refuse_stale(read_at, version_of(agent))
    _apply(session, agent, spec)
    if agent.parent_id is not None:
        check_within(session, get(session, agent.parent_id), agent)
    return agent


def rotate(session: Session, agent_id: str, grace: timedelta) -> tuple[Agent, str]:
    """A new secret; the old one works on for `grace`, at most 7 days, and its use is flagged. Errors: NotFound."""
    agent = get(session, agent_id)
    made, digest = _new_token(agent.id)
    agent.previous_digest = agent.digest if grace else ""
    agent.previous_until = now() + min(grace, LONGEST_GRACE) if grace else None
    agent.digest = digest
    return agent, made


def _new_token(agent_id: str) -> tuple[str, str]:
    """(token, digest of its secret)."""
    made = token.make(agent_id)
    parsed = token.parse(made)
    assert parsed is not None
    return made, parsed.digest


def delete(session: Session, agent_id: str) -> list[str]:
    """Delete an agent with its children; the ids of all that went. Errors: NotFound."""
    agent = get(session, agent_id)
    gone = [agent_id, *descendants(session, agent_id)]
    session.delete(agent)
    return gone


def suspend(session: Session, agent_id: str, reason: str) -> Agent | None:
    agent = session.get(Agent, agent_id)
    if agent is None or agent.suspended_at is not None:
        return None
    agent.suspended_at, agent.suspended_reason = now(), reason
    return agent


def resume(session: Session, agent_id: str) -> Agent:
    """Errors: NotFound."""
    agent = get(session, agent_id)
    agent.suspended_at, agent.suspended_reason = None, ""
    return agent


def is_frozen(session: Session) -> bool:
    switch = session.get(Switch, _FREEZE)
    return switch is not None and switch.value == "true"


def freeze(session: Session, frozen: bool) -> None:
    session.merge(Switch(name=_FREEZE, value="true" if frozen else "false", changed_at=now()))


def write_usage(session: Session, usage: dict[str, Usage]) -> None:
    for agent_id, used in usage.items():
        agent = session.get(Agent, agent_id)
        if agent is not None:
            agent.uses += used.count
            agent.last_used_at, agent.last_address = used.at, used.address


def check_within(session: Session, parent: Agent, child: Agent) -> None:
    """A child may do no more than its parent, in every dimension. Errors: Forbidden that names the dimension."""
    wider = [scope for scope in child.scopes if scope not in parent.scopes]
    if wider:
        raise Forbidden(f"Forbidden: a token can't give a scope that it does not have ({wider[0]})")
    if not parent.all_resources:
        apps = {app.id: app.project_id for app in session.scalars(select(App).where(App.id.in_(child.app_ids)))}
        foreign = child.all_resources or not set(child.project_ids) <= set(parent.project_ids)
        foreign = foreign or any(
            app_id not in parent.app_ids and apps.get(app_id, "") not in parent.project_ids for app_id in child.app_ids
        )
        if foreign:
            raise Forbidden("Forbidden: a token can't reach more projects or apps than the one that makes it")
    if parent.expires_at is not None and (child.expires_at is None or child.expires_at > parent.expires_at):
        raise Forbidden("Forbidden: a token can't live longer than the one that makes it")
    if parent.addresses and not _addresses_within(child.addresses, parent.addresses):
        raise Forbidden("Forbidden: a token can't be used from more addresses than the one that makes it")
    if child.rate_per_minute > parent.rate_per_minute:
        raise Forbidden("Forbidden: a token can't have a higher rate than the one that makes it")
    if parent.deploys_per_hour is not None and (
        child.deploys_per_hour is None or child.deploys_per_hour > parent.deploys_per_hour
    ):
        raise Forbidden("Forbidden: a token can't have more deployments an hour than the one that makes it")
    if APPROVALS.index(child.require_approval) < APPROVALS.index(parent.require_approval):
        raise Forbidden("Forbidden: a token can't ask for fewer approvals than the one that makes it")


def _apply(session: Session, agent: Agent, spec: TokenSpec) -> None:
    if spec.name is not None:
        agent.name = spec.name
    if spec.note is not None:
        agent.note = spec.note
    if spec.profile is not None or spec.scopes is not None:
        agent.scopes = expand(spec.profile or "", spec.scopes)
        agent.profile = spec.profile or ""
    _apply_resources(session, agent, spec)
    if spec.never_expires:
        agent.expires_at = None
    elif spec.expires_in_days is not None:
        agent.expires_at = now() + timedelta(days=spec.expires_in_days)
    elif spec.expires_in_seconds is not None:
        agent.expires_at = now() + timedelta(seconds=spec.expires_in_seconds)
    if spec.addresses is not None:
        agent.addresses = [_network(text) for text in spec.addresses]
    if spec.rate_per_minute is not None:
        agent.rate_per_minute = spec.rate_per_minute
    if spec.deploys_per_hour is not None:
        agent.deploys_per_hour = spec.deploys_per_hour or None
    if spec.require_approval is not None:
        agent.require_approval = spec.require_approval


def _apply_resources(session: Session, agent: Agent, spec: TokenSpec) -> None:
    if spec.all_resources:
        if spec.project_ids or spec.app_ids:
            raise Invalid("allResources: a token has either all resources or chosen ones", "Send one of the two.")
        agent.all_resources, agent.project_ids, agent.app_ids = True, [], []
        return
    if spec.project_ids is None and spec.app_ids is None and spec.all_resources is None:
        return
    projects = agent.project_ids if spec.project_ids is None else list(dict.fromkeys(spec.project_ids))
    apps = agent.app_ids if spec.app_ids is None else list(dict.fromkeys(spec.app_ids))
    for model, ids, word in ((Project, projects, "Project"), (App, apps, "App")):
        known = set(session.scalars(select(model.id).where(model.id.in_(ids))))
        if missing := [found for found in ids if found not in known]:
            raise NotFound(f"{word} not found: {missing[0]}", "List them to see their ids.")
    if not projects and not apps:
        raise Invalid("projects, apps: choose at least one", "Or send allResources: true.")
    agent.all_resources, agent.project_ids, agent.app_ids = False, projects, apps


def expand(profile: str, scopes: list[str] | None) -> list[str]:
    """The scopes of a profile and those that are named besides, in the order of the table. Errors: Invalid."""
    if profile and profile not in policy.PROFILES:
        raise Invalid(f"unknown profile '{profile}'", f"Profiles: {', '.join(policy.PROFILES)}.")
    wanted = {*policy.PROFILES.get(profile, ()), *(scopes or ())}
    if unknown := sorted(wanted - set(policy.SCOPES)):
        raise Invalid(f"unknown scope '{unknown[0]}'", f"Scopes: {', '.join(policy.SCOPES)}.")
    if not wanted:
        raise Invalid("scopes: a token needs at least one scope", f"Scopes: {', '.join(policy.SCOPES)}.")
    return [scope for scope in policy.SCOPES if scope in wanted]


def _check_room(session: Session, parent: Agent) -> None:
    depth, above = 1, parent
    while above.parent_id is not None:
        depth, above = depth + 1, get(session, above.parent_id)
    if len(descendants(session, above.id)) >= _LARGEST_FAMILY:
        raise Conflict(f"a token has at most {_LARGEST_FAMILY} children", "Delete those that are not used.")
    if depth >= _DEEPEST:
        raise Conflict(f"tokens are at most {_DEEPEST} deep", "Make it with a token further up.")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise Invalid(
            f"addresses: '{text[:60]}' is no address or network", "Give one such as 203.0.113.7 or 10.0.0.0/8."
        ) from None


def _addresses_within(child: list[str], parent: list[str]) -> bool:
    if not child:
        return False
    outer = [ipaddress.ip_network(text) for text in parent]
    inner = [ipaddress.ip_network(text) for text in child]
    return all(any(_is_within(small, big) for big in outer) for small in inner)


def _is_within(small: Network, big: Network) -> bool:
    return small.version == big.version and small.prefixlen >= big.prefixlen and small.network_address in big


def _earliest(moment: datetime, other: datetime | None) -> datetime:
    return moment if other is None else min(moment, other)
