"""Custom domains of apps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from better_paas.apps.models import App
from better_paas.domains.hosts import HostRules, normalise, split_name
from better_paas.domains.models import Domain
from better_paas.domains.render import Name, Site
from better_paas.domains.routing import Routing
from better_paas.errors import Conflict, Invalid, NotFound
from better_paas.kit.clock import now

MOST_DOMAINS = 50
# Whether a caller sees an app (its id, its project's id): nobody takes a path of a host that is not theirs to see.
Sees = Callable[[str, str], bool]


@dataclass(frozen=True)
class SiteWish:
    """What the ingress has to know of an app beside its names."""

    app_id: str
    app_name: str
    project_id: str
    has_one_writer: bool
    routing: dict[str, Any]
    speaks_http2: bool = False


_NAMES = select(Domain.app_id, Domain.name).order_by(Domain.created_at, Domain.name)


def of_apps(session: Session, app_ids: list[str]) -> dict[str, list[Domain]]:
    """Domains by app, in the order in which they were added."""
    result: dict[str, list[Domain]] = {}
    query = select(Domain).where(Domain.app_id.in_(app_ids)).order_by(Domain.created_at, Domain.name)
    for domain in session.scalars(query):
        result.setdefault(domain.app_id, []).append(domain)
    return result


def names_of(session: Session, app_ids: list[str] | None = None) -> dict[str, list[str]]:
    """Names of the domains by app, in the order in which they were added. app_ids: None for all."""
    result: dict[str, list[str]] = {}
    query = _NAMES if app_ids is None else _NAMES.where(Domain.app_id.in_(app_ids))
    for app_id, name in session.execute(query):
        result.setdefault(app_id, []).append(name)
    return result


def add(session: Session, app_id: str, text: str, rules: HostRules, sees: Sees) -> str:
    """Give an app a domain, or a path of one. Errors: Invalid; Conflict if another app has it."""
    host, path = split_name(text)
    name = host + path
    if host == rules.own:
        raise Conflict(f"{host} is the control plane's own name", "Choose another one.")
    if host == rules.suffix or host.endswith(f".{rules.suffix}"):
        raise Conflict(
            f"{host} is one of the platform's own names", "Rename the app to get <app>." + rules.suffix + " instead."
        )
    app = session.get(App, app_id)
    for domain, owner in _at_host(session, host):
        same = domain.name.lower() == name.lower()  # the ingress knows no difference
        if owner.deleted_at is not None:
            if same:
                session.delete(domain)  # what is in the trash keeps no name from the living
                session.flush()
        elif same and owner.id == app_id:
            return domain.name
        elif owner.id != app_id and (
            same or app is None or owner.project_id != app.project_id or not sees(owner.id, owner.project_id)
        ):
            raise Conflict(f"{name} is attached to another app", "Remove it there first.", code="domain_taken")
    if len(names_of(session, [app_id]).get(app_id, [])) >= MOST_DOMAINS:
        raise Conflict(f"an app has at most {MOST_DOMAINS} domains", "Remove one first.")
    session.add(Domain(name=name, app_id=app_id, redirect_to="", strip_path=False, created_at=now()))
    session.flush()
    return name


def give_up_taken(session: Session, app: App) -> None:
    """Drop the app's domains at hosts that another project has got meanwhile: its paths are its owner's to give."""
    for domain in of_apps(session, [app.id]).get(app.id, []):
        owners = [owner for _, owner in _at_host(session, domain.name.partition("/")[0]) if owner.deleted_at is None]
        if any(owner.project_id != app.project_id for owner in owners):
            session.delete(domain)


def _at_host(session: Session, host: str) -> list[tuple[Domain, App]]:
    """All domains at a host, with their apps: whose the host is, is asked before a path of it is given away."""
    query = select(Domain, App).join(App, App.id == Domain.app_id)
    found = session.execute(query.where(or_(Domain.name == host, Domain.name.startswith(f"{host}/", autoescape=True))))
    return [(domain, app) for domain, app in found]


def get(session: Session, app_id: str, text: str) -> Domain:
    """Errors: NotFound if the app has no such domain."""
    # As it is stored, first: one that could be added once, and not any more, has to be found to be removed.
    domain = session.get(Domain, text.strip()) or session.get(Domain, "".join(split_name(text)))
    if domain is None or domain.app_id != app_id:
        raise NotFound("this app has no such domain", "List the app's domains to see them.")
    return domain


def remove(session: Session, app_id: str, text: str) -> str:
    """Take a domain from an app. Errors: NotFound if it has no such domain."""
    domain = get(session, app_id, text)
    session.delete(domain)
    return domain.name


def change(session: Session, app_id: str, text: str, redirect_to: str | None, strip_path: bool | None) -> Domain:
    """Set what is not None. Errors: NotFound, Invalid."""
    domain = get(session, app_id, text)
    host, _, path = domain.name.partition("/")
    if redirect_to is not None:
        target = normalise(redirect_to) if redirect_to else ""
        if target == host:
            raise Invalid("a domain can't be sent to itself", "Name another host, or an empty one to serve the app.")
        if target and (looped := session.get(Domain, target)) is not None and looped.redirect_to == host:
            raise Invalid(f"{target} is sent to {host}", "Let one of the two serve the app.")
        domain.redirect_to = target
    if strip_path is not None:
        if strip_path and not path:
            raise Invalid("this domain has no path to strip", "It is for domains such as example.com/api.")
        domain.strip_path = strip_path
    return domain


def replace(session: Session, app_id: str, texts: list[str], rules: HostRules, sees: Sees) -> None:
    """Make `texts` the app's domains. Errors: as `add`."""
    wanted = list(dict.fromkeys("".join(split_name(text)) for text in texts))
    session.execute(delete(Domain).where(Domain.app_id == app_id, Domain.name.not_in(wanted)))
    for name in wanted:
        add(session, app_id, name, rules, sees)


def sites(session: Session, wishes: list[SiteWish], rules: HostRules) -> list[Site]:
    """All sites of the ingress."""
    custom = of_apps(session, [wish.app_id for wish in wishes])
    by_age = sorted((domain.created_at, domain.name) for domains in custom.values() for domain in domains)
    ages = {name: age for age, (_, name) in enumerate(by_age)}
    result = []
    for wish in wishes:
        default = rules.default_host(wish.app_name)
        names = [Name(default, rules.is_https(default), is_default=True)]
        for domain in custom.get(wish.app_id, []):
            host, slash, path = domain.name.partition("/")
            names.append(
                Name(
                    host,
                    rules.is_https(host),
                    slash + path,
                    domain.strip_path,
                    domain.redirect_to,
                    age=ages[domain.name],
                )
            )
        routing = Routing.from_dict(wish.routing)
        result.append(Site(wish.app_id, tuple(names), wish.has_one_writer, routing, wish.project_id, wish.speaks_http2))
    return result
