"""Volumes over HTTP."""

from fastapi import Request
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.apps import trash
from better_paas.db.names import unmarked
from better_paas.errors import Conflict, NotFound
from better_paas.kit.schema import Answer, Body
from better_paas.projects.models import Project
from better_paas.volumes import service

router = api_router("Volumes")


class VolumeAnswer(Answer):
    """size: bytes, or null if it could not be measured in time. apps: names of those that use it.

    inTrash: all of these are in the trash. project: empty if its project is gone. missing: apps have written to it, but
    it is not there any more; what needs it is not started.
    """

    name: str
    project_id: str
    project: str
    size: int | None
    apps: list[str]
    in_trash: bool
    missing: bool


class VolumeBody(Body):
    project_id: str = Field(max_length=40)
    name: str = Field(max_length=200)


class DeletedVolume(Answer):
    status: str
    name: str
    size: int | None


@router.get("/api/volumes")
async def volumes_list(request: Request) -> list[VolumeAnswer]:
    """All volumes that apps have or had, with their sizes. Deleting an app never deletes its volumes."""
    platform, caller = platform_of(request), caller_of(request)
    found = await service.sizes(platform.database, platform.runtime)

    def unit(session: Session) -> list[VolumeAnswer]:
        projects = {project.id: unmarked(project.name) for project in session.scalars(select(Project))}
        users = trash.volume_users(session)
        return [
            VolumeAnswer(
                name=key[1],
                project_id=key[0],
                project=projects.get(key[0], ""),
                size=found.get(key),
                apps=[unmarked(app.name) for app in users.get(key, [])],
                in_trash=all(app.deleted_at for app in users.get(key, [])),
                missing=key not in found,
            )
            for key in sorted(found.keys() | service.known(session))
            if caller.sees_project(key[0])
        ]

    return await platform.database.read(unit)


@router.post("/api/volumes/delete")
async def volumes_delete(request: Request, body: VolumeBody) -> DeletedVolume:
    """Delete a volume with all that is in it. One that an app uses, or that one in the trash may need, is kept.

    One that is missing is forgotten, whoever uses it: the next release begins with an empty one.
    """
    platform = platform_of(request)
    key = (body.project_id, body.name)
    found = await service.sizes(platform.database, platform.runtime)
    if key not in found:
        # Nothing is removed: should it come back this very moment, it stays.
        if not await platform.database.write(lambda session: service.forget(session, *key)):
            raise NotFound("No such volume", "GET /api/volumes lists them.")
        return DeletedVolume(status="forgotten", name=body.name, size=None)
    users = (await platform.database.read(trash.volume_users)).get(key, [])
    if users:
        where = "in the trash" if users[0].deleted_at else "it can't go without it"
        raise Conflict(
            f"{unmarked(users[0].name)} uses this volume ({where})",
            "Purge that app with its volumes, or take the volume from its settings and deploy it first.",
        )
    await platform.operations.delete_volume(*key)
    return DeletedVolume(status="deleted", name=body.name, size=found[key])
