"""Signing in."""

from fastapi import Request

from better_paas.access.authenticate import authenticate, request_id_of
from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.access.schemas import Ticket, Verified, VerifyBody
from better_paas.access.tickets import LIFETIME_SECONDS
from better_paas.audit import service as audit
from better_paas.errors import Unauthorized

router = api_router("Sign-in")


@router.post("/api/auth/verify")
async def auth_verify(request: Request, body: VerifyBody | None = None) -> Verified:
    """Whether a token is valid. It may come as a bearer token or in the body."""
    caller = caller_of(request)
    if caller.kind == "anonymous" and body is not None and body.token:
        caller = await authenticate(platform_of(request), request, body.token)
    if caller.kind == "anonymous":
        raise Unauthorized
    entry = audit.Entry(
        caller.kind, caller.id, "auth:verify", "success", request_id_of(request), source=caller.source,
        actor_name=caller.name, resource_type="session", ip_address=caller.address, decision="allow",
    )  # fmt: skip
    await platform_of(request).database.write(lambda session: audit.record(session, entry))
    return Verified()


@router.post("/api/auth/ws-ticket")
async def auth_ws_ticket(request: Request) -> Ticket:
    """A ticket that opens one WebSocket within a minute."""
    return Ticket(ticket=platform_of(request).tickets.issue(caller_of(request)), expires_in=LIFETIME_SECONDS)
