"""What several endpoints of apps do alike: change one, tell the ingress, answer with the app."""

import contextlib
from collections.abc import Callable
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session

from better_paas.access.authenticate import caller_of, platform_of
from better_paas.access.authorize import confirm
from better_paas.apps import schemas, service
from better_paas.bootstrap import Platform
from better_paas.caddy.process import CaddyFailed
from better_paas.domains.hosts import HostRules


async def change_app(
    request: Request, app_id: str, change: Callable[[Session, HostRules], None], *, seen_by_ingress: bool = True
) -> schemas.AppAnswer:
    """Run `change` in one unit, then bring the ingress in step if it is to see of it.

    Errors: Conflict if what was decided about this call does not hold in the unit.
    """
    platform = platform_of(request)

    def unit(session: Session) -> None:
        confirm(request, session)
        change(session, platform.rules)
        platform.announce(session, "app", app_id)

    await platform.database.write(unit)
    if seen_by_ingress:
        await tell_ingress(platform)
    return await app_answer(request, app_id)


async def tell_ingress(platform: Platform) -> None:
    """The change is saved; an ingress that does not take it now gets it when it is back, and health says so."""
    with contextlib.suppress(CaddyFailed):
        await platform.ingress.apply()


async def app_answer(request: Request, app_id: str) -> schemas.AppAnswer:
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> dict[str, Any]:
        view = service.views(session, [service.get(session, app_id)])[0]
        unserved = len(platform.unserved.of(app_id))
        return service.answer(view, platform.rules, for_agent=caller.is_agent, unserved=unserved)

    return schemas.AppAnswer(**await platform.database.read(unit))


async def deploy_answer(request: Request, app_id: str, deployment_id: str) -> schemas.DeployAnswer:
    app = await app_answer(request, app_id)
    return schemas.DeployAnswer(**app.model_dump(), deployment_id=deployment_id)
