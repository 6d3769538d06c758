"""New volumes belong to the user that the app runs as, also where its image has no such folder.

A volume that is made takes its owner from the folder of the image that it covers; where there is none it is root's, and
an app that runs as somebody else can't write to it.
"""

import io
import tarfile
from collections.abc import AsyncIterator, Iterable
from pathlib import PurePosixPath

from better_paas.engine.client import Engine, EngineFailed

_BLOCK = 512
_LARGEST_TABLE = 2**20


async def give(engine: Engine, container_id: str, user: str, paths: Iterable[str]) -> None:
    """Give the empty volumes at `paths` that are root's to `user`, in a container that was made and has not started.

    user: as an image has it, such as node, 1000 or 1000:1000. Errors: EngineFailed.
    """
    owner = await _numbers(engine, container_id, user)
    if owner == (0, 0):
        return
    for path in paths:
        folder = await _empty_and_root_s(engine, container_id, path)
        if folder is not None:
            folder.uid, folder.gid = owner
            await _put(engine, container_id, path, folder)


async def _numbers(engine: Engine, container_id: str, user: str) -> tuple[int, int]:
    """(user, group); root's where a name is not known in there, which the engine will refuse itself."""
    name, _, group = user.partition(":")
    users = [] if _is_number(name) and _is_number(group) else await _table(engine, container_id, "/etc/passwd")
    found = next((entry for entry in users if name in (entry[0], entry[2]) and _is_number(entry[3])), None)
    number = int(name) if _is_number(name) else int(found[2]) if found else 0
    if not group:
        return number, int(found[3]) if found else 0
    if _is_number(group):
        return number, int(group)
    groups = await _table(engine, container_id, "/etc/group")
    return number, next((int(entry[2]) for entry in groups if entry[0] == group), 0)


async def _table(engine: Engine, container_id: str, path: str) -> list[list[str]]:
    """The fields of each line of a file such as /etc/passwd; none if it is not there."""
    content = b""
    try:
        async with engine.stream("GET", f"containers/{container_id}/archive", params={"path": path}) as pieces:
            content = await _first(pieces, _LARGEST_TABLE)
    except EngineFailed as error:
        if error.status != 404:
            raise
    entries = (line.split(":") for line in content[_BLOCK:].decode(errors="replace").splitlines())
    # /etc/passwd has a number in its third and fourth field, /etc/group in its third.
    return [entry for entry in entries if len(entry) >= 4 and _is_number(entry[2])]


def _is_number(text: str) -> bool:
    """As the kernel numbers users: in 32 bits."""
    return text.isdecimal() and len(text) <= 10


async def _empty_and_root_s(engine: Engine, container_id: str, path: str) -> tarfile.TarInfo | None:
    """The folder at `path` as it is, if it is; of a full one no more than its beginning is read."""
    async with engine.stream("GET", f"containers/{container_id}/archive", params={"path": path}) as pieces:
        content = await _first(pieces, 2 * _BLOCK)
    folder = tarfile.TarInfo.frombuf(content[:_BLOCK], tarfile.ENCODING, "surrogateescape")
    is_empty = not any(content[_BLOCK : 2 * _BLOCK])
    return folder if is_empty and folder.isdir() and (folder.uid, folder.gid) == (0, 0) else None


async def _put(engine: Engine, container_id: str, path: str, folder: tarfile.TarInfo) -> None:
    """The engine takes over owner and mode of a folder that an archive names."""
    place = PurePosixPath(path)
    folder.name = place.name
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as made:
        made.addfile(folder)
    archive.seek(0)
    params = {"path": str(place.parent)}
    async with engine.stream("PUT", f"containers/{container_id}/archive", params=params, archive=archive) as pieces:
        await _first(pieces, 1)


async def _first(pieces: AsyncIterator[bytes], most: int) -> bytes:
    content = b""
    async for piece in pieces:
        content += piece
        if len(content) >= most:
            break
    return content[:most]
