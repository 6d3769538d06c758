"""The trash over HTTP: what is in it, bringing back, and deleting for good."""

from datetime import datetime

from fastapi import Request
from pydantic import Field
from sqlalchemy.orm import Session

from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.apps import trash
from better_paas.apps.answers import app_answer
from better_paas.apps.schemas import AppAnswer, AppId
from better_paas.db.names import unmarked
from better_paas.errors import Conflict
from better_paas.kit.schema import Answer
from better_paas.volumes import service as volumes

router = api_router("Trash")


class TrashedVolume(Answer):
    """size: bytes, or null if it could not be measured in time."""

    name: str
    size: int | None


class TrashedApp(Answer):
    """purgeAt: when it goes for good; its volumes stay even then. hasRelease: it can run again at once."""

    id: str
    name: str
    project_id: str
    deleted_at: datetime
    purge_at: datetime
    domains: list[str]
    volumes: list[TrashedVolume]
    images: int
    has_release: bool


class PurgeBody(AppId):
    """name: the app's, as a proof that this one is meant. volumes: delete those too that no other app uses."""

    name: str = Field(max_length=200)
    volumes: bool = False


class PurgeAnswer(Answer):
    """What went for good."""

    status: str
    images: int
    volumes: list[str]


@router.get("/api/apps/trash")
async def apps_trash(request: Request) -> list[TrashedApp]:
    """Deleted apps that can still be restored, the newest first."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> list[trash.Trashed]:
        seen = [app for app in trash.all_trashed(session) if caller.sees_app(app.id, app.project_id)]
        return [trash.description(session, app, platform.settings.trash_days) for app in seen]

    found = await platform.database.read(unit)
    sizes = await volumes.sizes(platform.database, platform.runtime)
    return [
        TrashedApp(
            id=entry.id,
            name=entry.name,
            project_id=entry.project_id,
            deleted_at=entry.deleted_at,
            purge_at=entry.purge_at,
            domains=entry.domains,
            volumes=[
                TrashedVolume(name=name, size=sizes[project, name])
                for project, name in entry.volumes
                if (project, name) in sizes
            ],
            images=len(await platform.runtime.images(entry.id)),
            has_release=entry.has_release,
        )
        for entry in found
    ]


@router.post("/api/apps/restore")
async def apps_restore(request: Request, body: AppId) -> AppAnswer:
    """Bring a deleted app back as it was. If another one has its name by now, it gets a number."""
    platform = platform_of(request)
    try:
        await platform.operations.restore(body.id)
    finally:
        platform.publish("app", body.id)
    return await app_answer(request, body.id)


@router.post("/api/apps/purge")
async def apps_purge(request: Request, body: PurgeBody) -> PurgeAnswer:
    """Delete an app in the trash for good: its images, deployments and logs, and if asked its volumes."""
    platform = platform_of(request)
    app = await platform.database.read(lambda session: trash.get(session, body.id))
    if unmarked(app.name) != body.name:
        raise Conflict(f"the app in the trash is called {unmarked(app.name)}", "Send its name to confirm.")
    gone = await platform.operations.purge(body.id, body.volumes)
    platform.publish("app", body.id)
    return PurgeAnswer(status="purged", images=gone.images, volumes=gone.volumes)
