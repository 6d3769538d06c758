"""Rules of projects."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.db.names import marked, unmarked
from better_paas.errors import Conflict, NotFound
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id
from better_paas.projects.models import Project


def get(session: Session, project_id: str) -> Project:
    """Errors: NotFound."""
    project = session.get(Project, project_id)
    if project is None or project.deleted_at is not None:
        raise NotFound("Project not found", "List the projects to see their ids.")
    return project


def all_projects(session: Session) -> list[Project]:
    """By name, without those in the trash."""
    return list(session.scalars(select(Project).where(Project.deleted_at.is_(None)).order_by(Project.name)))


def create(session: Session, name: str, description: str, project_id: str | None = None) -> Project:
    """A new project. Errors: Conflict if the name is taken, unless it comes with its app (then it gets a number)."""
    if project_id is not None:
        name = _free_name(session, name)
    elif _taken(session, name):
        raise Conflict(f"there is a project {name} already", "Choose another name.")
    project = Project(
        id=project_id or new_id(),
        name=name,
        description=description,
        server_id="localhost",
        created_at=now(),
        deleted_at=None,
    )
    session.add(project)
    session.flush()
    return project


def rename(session: Session, project_id: str, name: str) -> Project:
    """Errors: NotFound, Conflict."""
    project = get(session, project_id)
    if project.name != name and _taken(session, name):
        raise Conflict(f"there is a project {name} already", "Choose another name.")
    project.name = name
    return project


def rename_with_its_app(session: Session, project_id: str, app_id: str, old: str, new: str) -> None:
    """A project that came with its app goes on having the app's name."""
    project = session.get(Project, project_id)
    if project is not None and project.id == app_id and project.name == old:
        project.name = _free_name(session, new)


def delete(session: Session, project_id: str) -> bool:
    """Delete a project without apps; False if there is none."""
    project = session.get(Project, project_id)
    if project is not None:
        session.delete(project)
    return project is not None


def hide(session: Session, project_id: str) -> None:
    """Put a project into the trash; its name is free for another."""
    project = session.get(Project, project_id)
    if project is not None and project.deleted_at is None:
        project.name, project.deleted_at = marked(project.name, project.id), now()


def show(session: Session, project_id: str) -> None:
    """Bring a project back; its name may get a number."""
    project = session.get(Project, project_id)
    if project is not None and project.deleted_at is not None:
        project.name, project.deleted_at = _free_name(session, unmarked(project.name)), None


def is_hidden(session: Session, project_id: str) -> bool:
    project = session.get(Project, project_id)
    return project is not None and project.deleted_at is not None


def _taken(session: Session, name: str) -> bool:
    return session.scalars(select(Project.id).where(Project.name == name)).first() is not None


def _free_name(session: Session, name: str) -> str:
    number, candidate = 1, name
    while _taken(session, candidate):
        number += 1
        candidate = f"{name[: 39 - len(str(number))].rstrip('-')}-{number}"
    return candidate
