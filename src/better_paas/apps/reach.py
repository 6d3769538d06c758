"""What single apps may reach though the packet filter keeps all others from it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.apps import service
from better_paas.apps.models import App
from better_paas.deployments.models import Release
from better_paas.firewall.rules import Opening, Reach
from better_paas.kit.clock import now
from better_paas.runtime.addresses import of_release


def change(session: Session, app_id: str, wanted: list[str]) -> list[str]:
    """What there was before. Errors: NotFound."""
    app = service.get(session, app_id)
    before = app.reach
    app.reach, app.updated_at = wanted, now()
    return before


def has_any(session: Session, app_id: str) -> bool:
    return bool(session.scalar(select(App.reach).where(App.id == app_id)))


def of_releases(session: Session) -> list[Reach]:
    """By the containers of each release that runs, or may any moment."""
    found = {app_id: wanted for app_id, wanted in session.execute(select(App.id, App.reach)) if wanted}
    query = select(Release).where(Release.app_id.in_(found), Release.state != "gone").order_by(Release.id)
    return [
        Reach(
            of_release(release.deployment_id, release.settings.get("processes") or ()),
            tuple(map(Opening.parse, found[release.app_id])),
        )
        for release in session.scalars(query)
    ]
