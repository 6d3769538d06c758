"""Deleted apps: kept for TRASH_DAYS with all that is theirs, so that a mistake can be undone.

A name is free the moment its app is in the trash: the row keeps it with a mark that no name can have.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.apps import service
from better_paas.apps.models import App
from better_paas.db.names import marked, unmarked
from better_paas.deployments import service as deployments
from better_paas.domains import service as domains
from better_paas.errors import NotFound
from better_paas.kit.clock import now
from better_paas.projects import service as projects


@dataclass(frozen=True)
class Trashed:
    """An app in the trash. purge_at: when it goes for good. volumes: see own_volumes. has_release: it can run again."""

    id: str
    name: str
    project_id: str
    deleted_at: datetime
    purge_at: datetime
    domains: list[str]
    volumes: list[tuple[str, str]]
    has_release: bool


@dataclass(frozen=True)
class Purged:
    """What went for good."""

    name: str
    images: int
    volumes: list[str]


def get(session: Session, app_id: str) -> App:
    """Errors: NotFound if no such app is in the trash."""
    app = session.get(App, app_id)
    if app is None or app.deleted_at is None:
        raise NotFound("No such app is in the trash", "GET /api/apps/trash lists what is.")
    return app


def all_trashed(session: Session) -> list[App]:
    """The newest first."""
    query = select(App).where(App.deleted_at.is_not(None)).order_by(App.deleted_at.desc(), App.id)
    return list(session.scalars(query))


def all_ids(session: Session) -> set[str]:
    """Ids of all apps, those in the trash too: their files are kept."""
    return set(session.scalars(select(App.id)))


def put(session: Session, app_id: str) -> None:
    app = service.get(session, app_id)
    app.deleted_at = app.updated_at = now()
    app.name, app.fault = marked(app.name, app.id), ""
    session.flush()
    if app.project_id == app_id:  # it came with its app
        put_project(session, app.project_id)


def put_project(session: Session, project_id: str) -> bool:
    """Hide a project that has no living app; True if it was deleted for good, having none in the trash either."""
    members = session.scalars(select(App).where(App.project_id == project_id)).all()
    if not members:
        return projects.delete(session, project_id)
    if all(app.deleted_at is not None for app in members):
        projects.hide(session, project_id)
    return False


def take_back(session: Session, app_id: str) -> App:
    """Errors: NotFound."""
    app = get(session, app_id)
    app.name = service.free_name(session, unmarked(app.name))
    app.deleted_at, app.updated_at = None, now()
    projects.show(session, app.project_id)
    domains.give_up_taken(session, app)
    session.flush()
    return app


def purge(session: Session, app_id: str) -> tuple[str, str]:
    """Delete the rows: the app's name, and the id of a project that went with it or \"\". Errors: NotFound."""
    app = get(session, app_id)
    name, project_id = unmarked(app.name), app.project_id
    session.delete(app)
    session.flush()
    others = session.scalars(select(App.id).where(App.project_id == project_id)).first()
    if others is None and (project_id == app_id or projects.is_hidden(session, project_id)):
        projects.delete(session, project_id)
        return name, project_id
    return name, ""


def expired(session: Session, days: int) -> list[str]:
    """Ids of apps that have been in the trash for longer than `days`."""
    limit = now() - timedelta(days=days)
    return list(session.scalars(select(App.id).where(App.deleted_at < limit)))


def own_volumes(session: Session, app_id: str) -> list[tuple[str, str]]:
    """(project, name) of the volumes that no other app uses, not even one in the trash."""
    app = session.get(App, app_id)
    if app is None:
        return []
    others = session.scalars(select(App).where(App.project_id == app.project_id, App.id != app_id)).all()
    elsewhere = {name for other in others for name in volumes_of(session, other)}
    return [(app.project_id, name) for name in sorted(volumes_of(session, app) - elsewhere)]


def volumes_of(session: Session, app: App) -> set[str]:
    """Names of the volumes that an app is to have, or that its live release has."""
    release = deployments.live_release(session, app)
    return {volume.name for volume in [*deployments.volumes_of(app), *deployments.volumes_of(release)]}


def volume_users(session: Session) -> dict[tuple[str, str], list[App]]:
    """Apps by (project id, volume), those in the trash too."""
    users: dict[tuple[str, str], list[App]] = {}
    for app in session.scalars(select(App).order_by(App.name)):
        for name in volumes_of(session, app):
            users.setdefault((app.project_id, name), []).append(app)
    return users


def description(session: Session, app: App, days: int) -> Trashed:
    """days: how long an app stays in the trash."""
    assert app.deleted_at is not None
    return Trashed(
        id=app.id,
        name=unmarked(app.name),
        project_id=app.project_id,
        deleted_at=app.deleted_at,
        purge_at=app.deleted_at + timedelta(days=days),
        domains=domains.names_of(session, [app.id]).get(app.id, []),
        volumes=own_volumes(session, app.id),
        has_release=app.live_release_id is not None,
    )
