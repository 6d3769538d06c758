"""Projects over HTTP."""

from typing import Annotated, Any

from fastapi import Query, Request
from sqlalchemy.orm import Session

from better_paas.access.caller import Caller
from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.apps import service as apps
from better_paas.apps.schemas import AppAnswer, StatusAnswer
from better_paas.domains.hosts import HostRules
from better_paas.errors import NotFound
from better_paas.kit.clock import iso
from better_paas.projects import schemas, service
from better_paas.projects.models import Project

router = api_router("Projects")
_WORST_FIRST = ("building", "failed", "running", "stopped")


@router.get("/api/projects")
async def projects_list(request: Request) -> list[schemas.ProjectSummary]:
    """All projects, by name."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> list[dict[str, Any]]:
        return [_fields(project, members) for project, members in _with_apps(session, platform.rules, caller)]

    return [schemas.ProjectSummary(**fields) for fields in await platform.database.read(unit)]


@router.get("/api/projects/get")
async def projects_get(request: Request, id: Annotated[str, Query(max_length=40)]) -> schemas.ProjectDetail:
    """One project with its apps."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> dict[str, Any]:
        wanted = service.get(session, id)
        visible = {project.id: found for project, found in _with_apps(session, platform.rules, caller)}
        if wanted.id not in visible:
            raise NotFound("Project not found", "List the projects to see their ids.")
        members = visible[wanted.id]
        return {**_fields(wanted, members), "services": [AppAnswer(**member) for member in members]}

    return schemas.ProjectDetail(**await platform.database.read(unit))


@router.post("/api/projects/create")
async def projects_create(request: Request, body: schemas.CreateProject) -> schemas.ProjectSummary:
    """Make an empty project."""
    platform = platform_of(request)

    def unit(session: Session) -> dict[str, Any]:
        project = service.create(session, body.name, body.description)
        platform.announce(session, "project", project.id)
        return _fields(project, [])

    fields = await platform.database.write(unit)
    request.state.resource_id = fields["id"]
    return schemas.ProjectSummary(**fields)


@router.post("/api/projects/rename")
async def projects_rename(request: Request, body: schemas.RenameProject) -> schemas.ProjectSummary:
    """Give a project another name."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> dict[str, Any]:
        project = service.rename(session, body.id, body.name)
        platform.announce(session, "project", project.id)
        members = {found.id: entries for found, entries in _with_apps(session, platform.rules, caller)}
        return _fields(project, members[project.id])

    return schemas.ProjectSummary(**await platform.database.write(unit))


@router.post("/api/projects/delete")
async def projects_delete(request: Request, body: schemas.ProjectId) -> StatusAnswer:
    """Delete a project with all its apps. Volumes are kept."""
    platform = platform_of(request)
    await platform.operations.delete_project(body.id)
    platform.publish("project", body.id)
    return StatusAnswer(status="deleted")


def _with_apps(session: Session, rules: HostRules, caller: Caller) -> list[tuple[Project, list[dict[str, Any]]]]:
    """The caller's projects, each with the apps that the caller sees."""
    seen = [app for app in apps.all_apps(session) if caller.sees_app(app.id, app.project_id)]
    views = [apps.answer(view, rules, for_agent=caller.is_agent) for view in apps.views(session, seen)]
    found = [
        (project, [view for view in views if view["project_id"] == project.id])
        for project in service.all_projects(session)
    ]
    return [(project, members) for project, members in found if members or caller.sees_project(project.id)]


def _fields(project: Project, members: list[dict[str, Any]]) -> dict[str, Any]:
    states = {member["status"] for member in members}
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "server_id": project.server_id,
        "created_at": iso(project.created_at),
        "status": next((state for state in _WORST_FIRST if state in states), "stopped"),
        "service_count": len(members),
        "service_statuses": [{name: member[name] for name in ("id", "name", "status")} for member in members],
    }
