"""The guard before each route: token, policy row, approval, audit intent, the call, audit outcome."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import Request, Response, WebSocket
from fastapi.routing import APIRoute

from better_paas import policy
from better_paas.bootstrap import Platform
from better_paas.errors import Forbidden, PaasError, Unauthorized
from better_paas.tokens.authenticate import (
    authenticate,
    caller_of,
    is_current,
    platform_of,
    request_id_of,
)
from better_paas.tokens.authorize import ask_for_approval, authorize
from better_paas.tokens.caller import Caller
from better_paas.tokens.trail import AuditTrail

__all__ = ["GuardedRoute", "caller_of", "open_websocket", "platform_of"]


class GuardedRoute(APIRoute):
    """A route whose rights come from its row in the policy table. It can't be made without one."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        methods = options.get("methods") or ["GET"]
        self.action = policy.action_for(next(iter(methods)), path)
        security: list[dict[str, list[str]]] = [] if self.action.public else [{"bearer": list(self.action.scopes)}]
        options["openapi_extra"] = {"security": security, "x-action": self.action.name, "x-risk": self.action.risk}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        action = self.action

        async def guarded(request: Request) -> Response:
            platform = platform_of(request)
            caller = authenticate(platform, request)
            request.state.caller = caller
            structlog.contextvars.bind_contextvars(actor=f"{caller.kind}:{caller.id}")
            if action.public:
                return await handle(request)
            if caller.kind == "anonymous":
                raise Unauthorized
            trail = AuditTrail(platform, action, caller, request.state.request_id)
            await trail.describe(request)
            await authorize(platform, action, caller, trail)
            if action.risk == "read":
                return await handle(request)
            if action.risk == "sensitive":
                # On disk before anything is shown: what can't be audited is not read either.
                return await trail.around_read(handle, request)
            waits = await ask_for_approval(platform, request, action, caller, trail)
            if waits is not None:
                return waits
            if caller.is_agent and action.risk == "destructive":
                await platform.agent_watch.trouble(caller.id, "destructive")
            return await trail.around(handle, request)

        return guarded


async def open_websocket(websocket: WebSocket) -> Caller | None:
    """Check origin, ticket or token, and rights; accept, or close with 401/403/404/429 and give None."""
    platform = platform_of(websocket)
    action = policy.action_for("WS", websocket.scope["path"])
    try:
        if not _origin_allowed(platform, websocket):
            raise Forbidden("Forbidden: origin not allowed")
        ticket, token = websocket.query_params.get("ticket"), websocket.query_params.get("token")
        caller = platform.tickets.redeem(ticket) if ticket else authenticate(platform, websocket, token)
        if caller is None or caller.kind == "anonymous" or not is_current(platform, caller, action):
            if caller is not None and caller.kind != "anonymous" and not caller.may(action):
                raise Forbidden(action.missing_text)
            raise Unauthorized
        websocket.state.caller = caller
        trail = AuditTrail(platform, action, caller, request_id_of(websocket))
        trail.describe_fields({name: value for name, value in websocket.query_params.items() if name != "token"})
        await authorize(platform, action, caller, trail)
        await trail.write("success")
    except PaasError as error:
        body = json.dumps({"error": error.error, "code": error.code, "hint": error.hint}).encode()
        response = Response(body, error.status, error.headers, "application/json")
        await websocket.send_denial_response(response)
        return None
    await websocket.accept()
    return caller


def _origin_allowed(platform: Platform, websocket: WebSocket) -> bool:
    origin = websocket.headers.get("origin")
    if origin is None or origin in platform.settings.origins:
        return True
    return origin.partition("://")[2] == websocket.headers.get("host")
