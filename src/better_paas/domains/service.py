"""Custom domains of apps."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from better_paas.domains.hosts import HostRules, normalise
from better_paas.domains.models import Domain
from better_paas.domains.render import Site
from better_paas.errors import Conflict, NotFound
from better_paas.kit.clock import now

MOST_DOMAINS = 50


def names_of(session: Session, app_ids: list[str]) -> dict[str, list[str]]:
    """Domains by app, in the order in which they were added."""
    result: dict[str, list[str]] = {}
    query = select(Domain).where(Domain.app_id.in_(app_ids)).order_by(Domain.created_at, Domain.name)
    for domain in session.scalars(query):
        result.setdefault(domain.app_id, []).append(domain.name)
    return result


def add(session: Session, app_id: str, text: str, rules: HostRules) -> str:
    """Give an app a domain. Errors: Invalid; Conflict if another app has it."""
    name = normalise(text)
    if name == rules.suffix or name.endswith(f".{rules.suffix}"):
        raise Conflict(
            f"{name} is one of the platform's own names", "Rename the app to get <app>." + rules.suffix + " instead."
        )
    existing = session.get(Domain, name)
    if existing is not None:
        if existing.app_id == app_id:
            return name
        raise Conflict(f"{name} is attached to another app", "Remove it there first.", code="domain_taken")
    if len(names_of(session, [app_id]).get(app_id, [])) >= MOST_DOMAINS:
        raise Conflict(f"an app has at most {MOST_DOMAINS} domains", "Remove one first.")
    session.add(Domain(name=name, app_id=app_id, created_at=now()))
    session.flush()
    return name


def remove(session: Session, app_id: str, text: str) -> str:
    """Take a domain from an app. Errors: NotFound if it has no such domain."""
    name = normalise(text)
    domain = session.get(Domain, name)
    if domain is None or domain.app_id != app_id:
        raise NotFound(f"this app has no domain {name}")
    session.delete(domain)
    return name


def replace(session: Session, app_id: str, texts: list[str], rules: HostRules) -> None:
    """Make `texts` the app's domains. Errors: as `add`."""
    wanted = list(dict.fromkeys(normalise(text) for text in texts))
    session.execute(delete(Domain).where(Domain.app_id == app_id, Domain.name.not_in(wanted)))
    for name in wanted:
        add(session, app_id, name, rules)


def sites(session: Session, apps: dict[str, str], rules: HostRules) -> list[Site]:
    """All sites of the ingress. apps: names by id."""
    custom = names_of(session, list(apps))
    result = []
    for app_id, name in apps.items():
        hosts = [rules.default_host(name), *custom.get(app_id, [])]
        https = tuple(host for host in hosts if rules.is_https(host))
        result.append(Site(app_id, tuple(host for host in hosts if host not in https), https))
    return result
