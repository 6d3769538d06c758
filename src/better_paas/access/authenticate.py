"""From a request to its caller: the token, the client's address, and failures that slow down guessing."""

import contextlib
import dataclasses
import ipaddress
import re
from typing import cast

from fastapi import Request, WebSocket

from better_paas.access.admin import digest_of
from better_paas.access.caller import Caller, anonymous
from better_paas.agents import token as agent_token
from better_paas.agents.registry import EffectiveGrant
from better_paas.audit import service as audit
from better_paas.bootstrap import Platform
from better_paas.errors import Forbidden, TooManyRequests, Unauthorized
from better_paas.kit.addresses import within
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id
from better_paas.policy import Action

# What a caller says of itself. A token can't pass for a person at the dashboard.
_SOURCE = re.compile(r"cli|mcp:[A-Za-z0-9._ -]{1,60}")
_LONGEST_TOKEN = 512


def platform_of(request: Request | WebSocket) -> Platform:
    return cast(Platform, request.app.state.platform)


def caller_of(request: Request | WebSocket) -> Caller:
    return cast(Caller, request.state.caller)


def request_id_of(request: Request | WebSocket) -> str:
    return getattr(request.state, "request_id", None) or new_id(16)


def client_address(platform: Platform, request: Request | WebSocket) -> str:
    """The peer's address; behind a trusted proxy the last hop that is no such proxy.

    What a client writes into the header itself stands to the left of that and is never believed.
    """
    peer = request.client.host if request.client else "unknown"
    proxies = platform.settings.proxies
    if proxies is None:
        return peer
    hops = [hop.strip() for hop in ",".join(request.headers.getlist("x-forwarded-for")).split(",") if hop.strip()]
    if not hops:
        return peer
    if not proxies:  # one proxy, whatever its address
        return _plain(hops[-1])
    if not within(peer, proxies):
        return peer
    return _plain(next((hop for hop in reversed(hops) if not within(hop, proxies)), hops[0]))


def _plain(hop: str) -> str:
    """An address, or a word for what is none: it ends up in the audit log."""
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return "unknown"


def bearer_of(request: Request | WebSocket) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def authenticate(platform: Platform, request: Request | WebSocket, token: str | None = None) -> Caller:
    """The caller. No token is anonymous; a wrong one is refused and counted. Errors: Unauthorized, 403, 429."""
    token = bearer_of(request) if token is None else token
    address = client_address(platform, request)
    named = request.headers.get("x-better-paas-client", "")
    source = named if _SOURCE.fullmatch(named) else "api"
    from_dashboard = named == "dashboard"
    if not token:
        return anonymous(address, source)
    if platform.admin_token.matches(token):
        return Caller(
            "admin", "admin", address, "dashboard" if from_dashboard else source, token_digest=digest_of(token)
        )
    parsed = agent_token.parse(token) if len(token) <= _LONGEST_TOKEN else None
    moment = now()
    found = platform.agents.check(parsed, moment) if parsed is not None else None
    if parsed is None or found is None:
        await refuse(platform, request, address)
        raise Unauthorized
    holder, rotated = found
    _check_rate(platform, holder)
    if not holder.admits(address):
        platform.agent_watch.turned_away(holder, address, "used from an address that it may not be used from")
        raise Forbidden("Forbidden: this token may not be used from this address")
    if holder.suspended:
        platform.agent_watch.turned_away(holder, address, "used while it was suspended")
        raise Forbidden(
            "Forbidden: this token is suspended", "A person has to look at what it did, and resume it in the dashboard."
        )
    platform.agent_watch.used(holder.own.id, address, moment)
    return Caller("agent", holder.own.id, address, source, holder.own.name, parsed.digest, holder, rotated)


def _check_rate(platform: Platform, holder: EffectiveGrant) -> None:
    for grant in holder.chain:
        if wait := platform.agents.take(grant):
            raise TooManyRequests(
                "Too many requests with this token",
                f"Wait {max(1, round(wait))} s; it may make {grant.rate_per_minute} a minute.",
                headers={"Retry-After": str(max(1, round(wait)))},
            )


async def refuse(platform: Platform, request: Request | WebSocket, address: str) -> None:
    """Count a failed sign-in, which is on disk before it is answered. Errors: 429 while its address has to wait."""
    wait = platform.failures.fail(address)
    if not wait:
        # A flood is not written line by line: what comes while an address waits becomes one line.
        entry = audit.failed_sign_in(address, request_id_of(request))
        with contextlib.suppress(Exception):  # the disk is full: it is refused all the same
            await platform.database.write(lambda session: audit.record(session, entry))
        return
    platform.flush_failures_soon()
    seconds = max(1, round(wait))
    raise TooManyRequests(
        "Too many failed sign-ins",
        f"Wait {seconds} s, then use the right token. 'better-paas token' on the server shows it.",
        headers={"Retry-After": str(seconds)},
    )


def is_current(platform: Platform, caller: Caller) -> bool:
    """Whether the token that let this caller in is still good."""
    if caller.kind == "admin":
        return platform.admin_token.matches_digest(caller.token_digest)
    if caller.kind != "agent":
        return False
    moment = now()
    found = platform.agents.get(caller.id, moment)
    if found is None or found.suspended or not found.admits(caller.address):
        return False
    grant = found.own
    in_grace = grant.previous_until is not None and moment < grant.previous_until
    return caller.token_digest == grant.digest or (in_grace and caller.token_digest == grant.previous_digest)


def refresh_caller(platform: Platform, caller: Caller, action: Action) -> Caller:
    """The caller with the rights of this moment. Errors: Unauthorized if the token is gone; Forbidden."""
    if not is_current(platform, caller):
        raise Unauthorized
    if caller.kind == "admin":
        return caller
    return dataclasses.replace(caller, holder=platform.agents.get(caller.id, now()))
