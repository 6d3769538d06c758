"""Agent tokens over HTTP: people manage all of them, a token itself and those that it made."""

from datetime import timedelta
from typing import Any

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas import policy
from better_paas.access.authenticate import client_address, refuse, request_id_of
from better_paas.access.caller import Caller
from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.agents import schemas, service
from better_paas.agents import token as tokens
from better_paas.agents.models import Agent
from better_paas.agents.permission_summary import sentences
from better_paas.agents.registry import Grant
from better_paas.apps.models import App
from better_paas.audit import service as audit
from better_paas.bootstrap import Platform
from better_paas.db.database import after_commit
from better_paas.errors import Invalid, NotFound
from better_paas.kit.clock import iso, now
from better_paas.projects.models import Project

router = api_router("Agents")


@router.get("/api/agents")
async def agents_list(request: Request) -> list[schemas.AgentAnswer]:
    """All agent tokens, newest first, without the tokens themselves. A token sees those that it made."""
    caller = caller_of(request)

    def unit(session: Session) -> list[schemas.AgentAnswer]:
        found = service.all_agents(session)
        if caller.is_agent:
            mine = set(service.descendants(session, caller.id))
            found = [agent for agent in found if agent.id in mine]
        names = _names(session, found)
        return [_answer(agent, names) for agent in found]

    return await platform_of(request).database.read(unit)


@router.post("/api/agents/create")
async def agents_create(request: Request, body: schemas.CreateAgent) -> schemas.AgentWithToken:
    """Make an agent token. It is shown this once."""
    return await _create(request, body)


@router.post("/api/agents/self/child")
async def agents_child(request: Request, body: schemas.CreateAgent) -> schemas.AgentWithToken:
    """Make a narrower token out of this one: fewer scopes, fewer apps, a shorter life. It goes with its parent."""
    if not caller_of(request).is_agent:
        raise Invalid("only a token can make a child of itself", "Use /api/agents/create.")
    return await _create(request, body)


@router.post("/api/agents/update")
async def agents_update(request: Request, body: schemas.UpdateAgent) -> schemas.AgentAnswer:
    """Change the fields that are sent. It counts from the next call on."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> schemas.AgentAnswer:
        _check_mine(session, caller, body.id)
        agent = service.update(session, body.id, body.spec(body.name), body.version)
        publish(platform, session, agent)
        return _answer(agent, _names(session, [agent]))

    return await platform.database.write(unit)


@router.post("/api/agents/rotate")
async def agents_rotate(request: Request, body: schemas.RotateAgent) -> schemas.RotatedAgent:
    """Replace the token. The old one stops at once, or works on for `graceSeconds` (at most 7 days), flagged."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> schemas.RotatedAgent:
        _check_mine(session, caller, body.id)
        agent, token = service.rotate(session, body.id, timedelta(seconds=body.grace_seconds))
        publish(platform, session, agent)
        return schemas.RotatedAgent(
            id=agent.id, name=agent.name, token=token, old_token_until=iso(agent.previous_until)
        )

    return await platform.database.write(unit)


@router.post("/api/agents/delete")
async def agents_delete(request: Request, body: schemas.AgentId) -> schemas.DeletedAnswer:
    """Delete a token with all that were made with it. They stop at once, and their open streams within seconds."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> list[str]:
        _check_mine(session, caller, body.id)
        return delete(platform, session, body.id)

    return schemas.DeletedAnswer(deleted=await platform.database.write(unit))


@router.post("/api/agents/self/revoke")
async def agents_revoke_self(request: Request) -> schemas.DeletedAnswer:
    """End this token, for ever."""
    platform, caller = platform_of(request), caller_of(request)
    if not caller.is_agent:
        raise Invalid("the admin token is no agent token", "'better-paas token rotate' replaces it.")
    request.state.resource_id = caller.id
    return schemas.DeletedAnswer(
        deleted=await platform.database.write(lambda session: delete(platform, session, caller.id))
    )


@router.post("/api/agents/describe")
async def agents_describe(request: Request, body: schemas.AgentFields) -> schemas.DescribeAnswer:
    """What a token with these fields could do, in sentences; nothing is made."""
    scopes = service.expand(body.profile or "", body.scopes)

    def unit(session: Session) -> list[str]:
        projects, apps = body.projects or [], body.apps or []
        return sentences(
            scopes,
            all_resources=not (projects or apps),
            names=_places(projects, apps, _names_of(session, set(projects), set(apps))),
            addresses=body.addresses or [],
            require_approval=body.require_approval or "destructive",
        )

    return schemas.DescribeAnswer(can=await platform_of(request).database.read(unit))


@router.get("/api/agents/scopes")
async def agents_scopes(request: Request) -> schemas.ScopesAnswer:
    """All scopes in plain words, and the profiles."""
    return schemas.ScopesAnswer(
        scopes=[schemas.ScopeHelp(scope=scope, allows=text) for scope, text in policy.SCOPES.items()],
        profiles={name: list(scopes) for name, scopes in policy.PROFILES.items()},
    )


@router.get("/api/agents/self")
async def agents_self(request: Request) -> schemas.SelfAnswer:
    """What this token may do, where, for how long, how much is left, and what a person is asked for."""
    platform, caller = platform_of(request), caller_of(request)
    if caller.holder is None:
        raise Invalid("the admin token is no agent token", "It may do everything.")
    holder, own = caller.holder, caller.holder.own

    def unit(session: Session) -> schemas.SelfAnswer:
        agent = service.get(session, caller.id)
        names = _names(session, [agent])
        return schemas.SelfAnswer(
            id=own.id,
            name=own.name,
            profile=agent.profile,
            scopes=[scope for scope in policy.SCOPES if scope in holder.scopes],
            all_resources=holder.all_resources,
            projects=[schemas.NamedResource(id=key, name=names[key]) for key in agent.project_ids if key in names],
            apps=[schemas.NamedResource(id=key, name=names[key]) for key in agent.app_ids if key in names],
            expires_at=iso(min((grant.expires_at for grant in holder.chain if grant.expires_at), default=None)),
            rate_per_minute=own.rate_per_minute,
            calls_left=platform.agents.calls_left(own),
            deploys_per_hour=own.deploys_per_hour,
            deploys_left=platform.agents.deploys_left(own),
            require_approval=own.require_approval,
            needs_approval=sorted(
                {row.name for row in policy.ACTIONS if holder.allows(row) and holder.wants_approval(row)}
            ),
            frozen=platform.agents.frozen,
            can=_sentences(agent, names),
        )

    return await platform.database.read(unit)


@router.post("/api/agents/resume")
async def agents_resume(request: Request, body: schemas.AgentId) -> schemas.AgentAnswer:
    """Let a suspended token work again."""
    platform = platform_of(request)

    def unit(session: Session) -> schemas.AgentAnswer:
        agent = service.resume(session, body.id)
        publish(platform, session, agent)
        return _answer(agent, _names(session, [agent]))

    return await platform.database.write(unit)


@router.get("/api/agents/freeze")
async def agents_freeze_state(request: Request) -> schemas.FreezeAnswer:
    """Whether all agent tokens are read-only."""
    return schemas.FreezeAnswer(frozen=platform_of(request).agents.frozen)


@router.post("/api/agents/freeze")
async def agents_freeze(request: Request, body: schemas.FreezeBody) -> schemas.FreezeAnswer:
    """Make all agent tokens read-only, or lift that."""
    platform = platform_of(request)

    def unit(session: Session) -> None:
        service.freeze(session, body.frozen)
        after_commit(session, lambda: platform.agents.freeze(body.frozen))
        platform.announce(session, "agent", "")

    await platform.database.write(unit)
    return schemas.FreezeAnswer(frozen=body.frozen)


@router.post("/api/token-report")
async def agents_report(request: Request, body: schemas.ReportBody) -> schemas.ReportAnswer:
    """For whoever found a token: a valid one is revoked at once. Having it is proof enough; no sign-in is needed."""
    await report(request, body.token)
    return schemas.ReportAnswer()


async def report(request: Request, token: str) -> None:
    """Revoke `token` if it is one; a wrong one is counted like a failed sign-in."""
    platform = platform_of(request)
    address = client_address(platform, request)
    parsed = tokens.parse(token.strip())
    found = platform.agents.check(parsed, now()) if parsed is not None else None
    if found is None:
        await refuse(platform, request, address)
        return
    own = found[0].own

    def unit(session: Session) -> None:
        delete(platform, session, own.id)
        entry = audit.Entry(
            "anonymous", "", "agent:report", "success", request_id_of(request), ip_address=address,
            resource_type="agent", resource_id=own.id, resource_name=own.name,
        )  # fmt: skip
        audit.record(session, entry)

    await platform.database.write(unit)
    platform.notify("token_reported", own.id, f"The token of {own.name} was reported as leaked and is revoked.")


async def _create(request: Request, body: schemas.CreateAgent) -> schemas.AgentWithToken:
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> schemas.AgentWithToken:
        parent = service.get(session, caller.id) if caller.is_agent else None
        agent, token = service.create(session, body.spec(body.name), f"{caller.kind}:{caller.id}", parent)
        publish(platform, session, agent)
        fields = _answer(agent, _names(session, [agent])).model_dump()
        return schemas.AgentWithToken(**fields, token=token)

    made = await platform.database.write(unit)
    request.state.resource_id = made.id
    return made


def _check_mine(session: Session, caller: Caller, agent_id: str) -> None:
    """A token manages those that it made, and no others. Errors: NotFound, the same as for none at all."""
    if caller.is_agent and agent_id not in service.descendants(session, caller.id):
        raise NotFound("Agent not found", "List the agents to see their ids.")


def publish(platform: Platform, session: Session, agent: Agent) -> None:
    """What the check of tokens looks at is changed when this is on disk, and before the answer is sent."""
    session.flush()
    grant = Grant.of(agent)
    after_commit(session, lambda: platform.agents.put(grant))
    platform.announce(session, "agent", agent.id)


def delete(platform: Platform, session: Session, agent_id: str) -> list[str]:
    gone = service.delete(session, agent_id)
    after_commit(session, lambda: platform.agents.remove(gone))
    platform.announce(session, "agent", agent_id)
    return gone


def _names(session: Session, agents: list[Agent]) -> dict[str, str]:
    """Names of all projects and apps that these agents are limited to, by id."""
    projects = {key for agent in agents for key in agent.project_ids}
    return _names_of(session, projects, {key for agent in agents for key in agent.app_ids})


def _names_of(session: Session, projects: set[str], apps: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for model, ids in ((Project, projects), (App, apps)):
        rows: Any = session.execute(select(model.id, model.name).where(model.id.in_(ids)))
        found.update({row[0]: row[1] for row in rows})
    return found


def _places(projects: list[str], apps: list[str], names: dict[str, str]) -> list[str]:
    """What a token is limited to, in words; what is gone is left out."""
    kinds = (("project", projects), ("app", apps))
    return [f"{kind} {names[key]}" for kind, keys in kinds for key in keys if key in names]


def _sentences(agent: Agent, names: dict[str, str]) -> list[str]:
    return sentences(
        agent.scopes,
        all_resources=agent.all_resources,
        names=_places(agent.project_ids, agent.app_ids, names),
        addresses=agent.addresses,
        require_approval=agent.require_approval,
    )


def _answer(agent: Agent, names: dict[str, str]) -> schemas.AgentAnswer:
    moment = now()
    until = agent.previous_until if agent.previous_until and agent.previous_until > moment else None
    return schemas.AgentAnswer(
        id=agent.id,
        name=agent.name,
        note=agent.note,
        profile=agent.profile,
        scopes=agent.scopes,
        all_resources=agent.all_resources,
        projects=agent.project_ids,
        apps=agent.app_ids,
        created_at=iso(agent.created_at) or "",
        created_by=agent.created_by,
        parent_id=agent.parent_id,
        expires_at=iso(agent.expires_at),
        expired=agent.expires_at is not None and agent.expires_at <= moment,
        addresses=agent.addresses,
        rate_per_minute=agent.rate_per_minute,
        deploys_per_hour=agent.deploys_per_hour,
        require_approval=agent.require_approval,
        last_used_at=iso(agent.last_used_at),
        last_address=agent.last_address,
        uses=agent.uses,
        suspended_at=iso(agent.suspended_at),
        suspended_reason=agent.suspended_reason,
        old_token_until=iso(until),
        can=_sentences(agent, names),
        version=service.version_of(agent),
    )
