"""Keys over HTTP."""

from fastapi import Request
from sqlalchemy.orm import Session

from better_paas.access.guard import api_router, platform_of
from better_paas.kit.clock import iso
from better_paas.vault import schemas, service
from better_paas.vault.slots import SLOTS

router = api_router("Keys")


@router.get("/api/keys")
async def keys_list(request: Request) -> schemas.KeysAnswer:
    """The keys that stored secrets are sealed with; never the keys themselves."""
    platform = platform_of(request)
    known = await platform.database.read(service.known_keys)
    active = platform.vault.ring.active.id
    return schemas.KeysAnswer(
        source="environment" if platform.vault.source.is_pinned else "file",
        keys=[
            schemas.KeyAnswer(
                id=key.id,
                active=key.id == active,
                created_at=iso(key.created_at) or "",
                retired_at=iso(key.retired_at),
            )
            for key in known
        ],
    )


@router.post("/api/keys/rotate")
async def keys_rotate(request: Request) -> schemas.RotateAnswer:
    """Make a new key and seal everything with it, besides the work of the server."""
    platform = platform_of(request)
    return schemas.RotateAnswer(id=await platform.vault.rotate(platform.worker.wake))


@router.post("/api/keys/verify")
async def keys_verify(request: Request) -> schemas.InventoryAnswer:
    """Open every stored secret and say which can't be opened."""

    def unit(session: Session) -> service.Inventory:
        return service.inventory(session, SLOTS)

    found = await platform_of(request).database.read(unit)
    return schemas.InventoryAnswer(
        ok=not found.faults, values=found.values, clear=found.clear, by_key=found.keys, faults=found.faults[:100]
    )
