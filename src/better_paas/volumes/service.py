"""Which volumes there were, so that one that is gone is missed."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.db.database import Database
from better_paas.kit.clock import now
from better_paas.runtime.protocol import Runtime
from better_paas.volumes.models import KnownVolume


async def sizes(database: Database, runtime: Runtime) -> dict[tuple[str, str], int | None]:
    """Bytes of each volume that is there, by (project id, name); None where that could not be told in time.

    One that a person brought back from a copy is there, too, though the runtime would not know that it is ours.
    """
    wanted = await database.read(known)
    return {(volume.project_id, volume.name): volume.size for volume in await runtime.volumes(wanted)}


def known(session: Session, project_id: str | None = None) -> set[tuple[str, str]]:
    """(project id, name) of the volumes that were there, of one project or of all."""
    query = select(KnownVolume)
    if project_id is not None:
        query = query.where(KnownVolume.project_id == project_id)
    return {(volume.project_id, volume.name) for volume in session.scalars(query)}


def note(session: Session, project_id: str, names: Iterable[str]) -> None:
    """From now on these are missed if they are gone."""
    for name in sorted(set(names)):
        if session.get(KnownVolume, (project_id, name)) is None:
            session.add(KnownVolume(project_id=project_id, name=name, created_at=now()))


def forget(session: Session, project_id: str, name: str) -> bool:
    """It was deleted on purpose: the next release begins with an empty one. False if it was not known."""
    volume = session.get(KnownVolume, (project_id, name))
    if volume is None:
        return False
    session.delete(volume)
    return True
