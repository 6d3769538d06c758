"""The guard before each route: token, policy row, approval, audit intent, the call, audit outcome."""

import functools
import json
from collections.abc import Callable, Coroutine
from typing import Any, get_args

import structlog
from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.routing import APIRoute
from pydantic import BaseModel

from better_paas import policy
from better_paas.access.authenticate import (
    authenticate,
    caller_of,
    platform_of,
    refresh_caller,
    request_id_of,
)
from better_paas.access.authorize import ask_for_approval, authorize, take_deployment
from better_paas.access.recorder import AuditRecorder
from better_paas.access.schemas import ErrorAnswer
from better_paas.access.uploads import config_model_of, is_upload
from better_paas.bootstrap import Platform
from better_paas.errors import Forbidden, Invalid, PaasError, Unauthorized
from better_paas.kit.quoted import quote

__all__ = ["GuardedRoute", "api_router", "caller_of", "platform_of"]
# By reference: FastAPI would make a validator for each of them, for each route, that nobody asks.
_ERROR = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"description": text, "content": _ERROR}
    for code, text in {400: "Invalid", 401: "No valid token", 403: "Not allowed", 429: "Slow down"}.items()
}


def api_router(heading: str) -> APIRouter:
    """Guarded routes below one heading of the API's description.

    The application takes its routes as they are: to include a router would be to make each of them a second time.
    """
    return GuardedRouter(
        route_class=GuardedRoute,
        tags=[heading],
        responses=_REFUSALS,
        generate_unique_id_function=lambda route: route.name,
    )


class GuardedRouter(APIRouter):
    """Its WebSockets are guarded as its other routes are: none can be made without a row in the policy table."""

    def add_api_websocket_route(
        self, path: str, endpoint: Callable[..., Any], name: str | None = None, **options: Any
    ) -> None:
        policy.action_for("WS", path)

        @functools.wraps(endpoint)
        async def guarded(websocket: WebSocket) -> None:
            if await _open_websocket(websocket):
                await endpoint(websocket)

        super().add_api_websocket_route(path, guarded, name, **options)


class GuardedRoute(APIRoute):
    """A route whose rights come from its row in the policy table. It can't be made without one."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        methods = options.get("methods") or ["GET"]
        self.action = policy.action_for(next(iter(methods)), path)
        security: list[dict[str, list[str]]] = [] if self.action.public else [{"bearer": list(self.action.scopes)}]
        options["openapi_extra"] = {
            **(options.get("openapi_extra") or {}),
            "security": security,
            "x-action": self.action.name,
            "x-risk": self.action.risk,
        }
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        action = self.action
        body_model, config_model = _body_model(self), config_model_of(self.endpoint)

        async def guarded(request: Request) -> Response:
            try:
                return await checked(request)
            finally:
                if is_upload(request):
                    await request.close()  # its temporary files

        async def checked(request: Request) -> Response:
            platform = platform_of(request)
            caller = await authenticate(platform, request)
            request.state.caller = caller
            structlog.contextvars.bind_contextvars(actor=f"{caller.kind}:{caller.id}")
            if action.public:
                await request.body()  # here one that is too large is said to be so
                return await handle(request)
            if caller.kind == "anonymous":
                raise Unauthorized
            recorder = AuditRecorder(platform, action, caller, request.state.request_id)
            if is_upload(request):
                if config_model is None:
                    raise Invalid("this call takes JSON", "See /api/docs.")
                # Whoever may not do this at all sends no half a gigabyte first.
                await authorize(platform, action, caller, recorder, scopes_only=True)
            await recorder.describe(request, config_model or body_model)
            request.state.digest = recorder.digest
            # The body may have taken its time: what counts are the rights of this moment.
            caller = request.state.caller = refresh_caller(platform, caller, action)
            await authorize(platform, action, caller, recorder)
            if action.risk == "read":
                return await handle(request)
            if action.risk == "sensitive":
                # On disk before anything is shown: what can't be audited is not read either.
                return await recorder.around_read(handle, request)
            waits = await ask_for_approval(platform, request, action, caller, recorder)
            if waits is not None:
                return waits
            await take_deployment(platform, action, caller, recorder)
            if caller.holder is not None and action.risk == "destructive":
                await platform.agent_watch.trouble(caller.holder, "destructive")
            # The question may have taken its time as well: tokens are narrowed and frozen meanwhile.
            caller = request.state.caller = refresh_caller(platform, caller, action)
            await authorize(platform, action, caller, recorder)
            return await recorder.around(handle, request)

        return guarded


def _body_model(route: APIRoute) -> type[BaseModel] | None:
    """The type of the route's body: what is checked, logged and approved is what the endpoint will get."""
    found = route.body_field.field_info.annotation if route.body_field is not None else None
    options = [found, *get_args(found)]
    return next((entry for entry in options if isinstance(entry, type) and issubclass(entry, BaseModel)), None)


async def _open_websocket(websocket: WebSocket) -> bool:
    """Check origin, ticket or token, and rights; accept, or close with 401/403/404/429."""
    platform = platform_of(websocket)
    action = policy.action_for("WS", websocket.scope["path"])
    try:
        if not _origin_allowed(platform, websocket):
            raise Forbidden("Forbidden: origin not allowed")
        ticket, token = websocket.query_params.get("ticket"), websocket.query_params.get("token")
        caller = platform.tickets.redeem(ticket) if ticket else await authenticate(platform, websocket, token)
        if caller is None or caller.kind == "anonymous":
            raise Unauthorized
        # A ticket carries the rights of when it was asked for.
        caller = websocket.state.caller = refresh_caller(platform, caller, action)
        recorder = AuditRecorder(platform, action, caller, request_id_of(websocket))
        recorder.describe_fields({name: value for name, value in websocket.query_params.items() if name != "token"})
        await authorize(platform, action, caller, recorder)
        await recorder.write("success")
    except PaasError as error:
        body = json.dumps(
            {"error": error.error, "code": error.code, "hint": error.hint, "quoted": quote(error.quoted) or None}
        ).encode()
        response = Response(body, error.status, error.headers, "application/json")
        await websocket.send_denial_response(response)
        return False
    await websocket.accept()
    return True


def _origin_allowed(platform: Platform, websocket: WebSocket) -> bool:
    origin = websocket.headers.get("origin")
    if origin is None or origin in platform.settings.origins:
        return True
    return origin.partition("://")[2] == websocket.headers.get("host")
