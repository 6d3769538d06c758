"""Domains and the rules for an app's requests, over HTTP."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from pydantic import Field
from sqlalchemy.orm import Session

from better_paas.access.authorize import confirm
from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.apps import routing as rules_of
from better_paas.apps import service as apps
from better_paas.apps.answers import change_app, tell_ingress
from better_paas.apps.schemas import AppAnswer, AppId, DomainBody
from better_paas.domains import service
from better_paas.domains.hosts import HostRules
from better_paas.domains.models import Domain
from better_paas.domains.routing import Routing
from better_paas.domains.state import state_of
from better_paas.errors import refuse_stale
from better_paas.kit.schema import TRIMMED, Answer

router = api_router("Domains")
AppIdQuery = Annotated[str, Query(max_length=40)]


class CertificateAnswer(Answer):
    """state: none (not wanted), active, waiting or failing."""

    state: str
    issuer: str
    expires_at: datetime | None


class DomainAnswer(Answer):
    """name: a host, or a host with a path. addresses: where its DNS points. pointsHere: null if that can't be known.

    problem, hint: why it does not work, and what to do; empty while all is well. quoted: what the certificate authority
    said.
    """

    name: str
    url: str
    is_default: bool
    redirect_to: str
    strip_path: bool
    addresses: list[str]
    points_here: bool | None
    certificate: CertificateAnswer
    problem: str
    hint: str
    quoted: str


class DomainUpdate(DomainBody):
    redirect_to: Annotated[str, TRIMMED] | None = Field(
        None, max_length=300, description="Send visitors to this host instead; empty to serve the app."
    )
    strip_path: bool | None = Field(None, description="For example.com/api: the app sees / instead of /api.")


class RoutingUpdate(AppId, rules_of.RoutingBody):
    pass


@router.get("/api/apps/domains")
async def apps_domains(request: Request, id: AppIdQuery) -> list[DomainAnswer]:
    """The app's names, the default one first: where each points and how its certificate is. Looks into DNS."""
    platform = platform_of(request)

    def unit(session: Session) -> tuple[str, list[Domain]]:
        app = apps.get(session, id)
        return platform.rules.default_host(app.name), service.of_apps(session, [id]).get(id, [])

    default, domains = await platform.database.read(unit)
    shown = [(default, "", False, True)]
    shown += [(domain.name, domain.redirect_to, domain.strip_path, False) for domain in domains]
    unserved = {entry.name: entry.reason for entry in platform.unserved.of(id)}

    async def answer(name: str, redirect_to: str, strip_path: bool, is_default: bool) -> DomainAnswer:
        host = name.partition("/")[0]
        lent = platform.wildcard.for_host(host)
        found = await state_of(host, platform.rules, platform.public_address, platform.data_dir / "caddy", lent)
        certificate = CertificateAnswer(state=found.certificate, issuer=found.issuer, expires_at=found.expires_at)
        return DomainAnswer(
            name=name,
            url=platform.rules.url(name),
            is_default=is_default,
            redirect_to=redirect_to,
            strip_path=strip_path,
            addresses=list(found.addresses),
            points_here=found.points_here,
            certificate=certificate,
            problem=unserved[name].problem if name in unserved else found.problem,
            hint=unserved[name].hint if name in unserved else found.hint,
            quoted="" if name in unserved else found.quoted,
        )

    return list(await asyncio.gather(*(answer(*entry) for entry in shown)))


@router.post("/api/apps/domains/add")
async def apps_domain_add(request: Request, body: DomainBody) -> AppAnswer:
    """Give the app a domain, or a path of one (`example.com/api`). Its certificate comes when its DNS points here."""

    def change(session: Session, rules: HostRules) -> None:
        apps.get(session, body.id)
        service.add(session, body.id, body.domain, rules, caller_of(request).sees_app)

    return await change_app(request, body.id, change)


@router.post("/api/apps/domains/remove")
async def apps_domain_remove(request: Request, body: DomainBody) -> AppAnswer:
    """Take a domain from the app."""

    def change(session: Session, _: HostRules) -> None:
        apps.get(session, body.id)
        service.remove(session, body.id, body.domain)

    return await change_app(request, body.id, change)


@router.post("/api/apps/domains/update")
async def apps_domain_update(request: Request, body: DomainUpdate) -> AppAnswer:
    """Let a domain send its visitors to another host (www to the bare one), or hide its path from the app."""

    def change(session: Session, _: HostRules) -> None:
        apps.get(session, body.id)
        service.change(session, body.id, body.domain, body.redirect_to, body.strip_path)

    return await change_app(request, body.id, change)


@router.get("/api/apps/routing")
async def apps_routing(request: Request, id: AppIdQuery) -> rules_of.RoutingAnswer:
    """How the ingress treats the app's requests. Passwords are never shown."""
    app = await platform_of(request).database.read(lambda session: apps.get(session, id))
    return rules_of.answer(Routing.from_dict(app.routing))


@router.post("/api/apps/routing")
async def apps_routing_update(request: Request, body: RoutingUpdate) -> rules_of.RoutingAnswer:
    """Change the rules that are sent, and only those. They take effect at once; nothing is deployed."""
    platform = platform_of(request)
    # That takes long on purpose, so not in the unit.
    hashes = await asyncio.to_thread(rules_of.hashes, body)

    def unit(session: Session) -> Routing:
        confirm(request, session)
        app = apps.get(session, body.id)
        before = Routing.from_dict(app.routing)
        refuse_stale(body.version, rules_of.version_of(before))
        wanted = rules_of.changed(before, body, hashes)
        app.routing = wanted.as_dict()
        platform.announce(session, "app", body.id)
        return wanted

    wanted = await platform.database.write(unit)
    await tell_ingress(platform)
    return rules_of.answer(wanted)
