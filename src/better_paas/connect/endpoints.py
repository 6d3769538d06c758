"""Connecting over HTTP: what the page asks, what a client fetches, and the trust rules of CI."""

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from sqlalchemy.orm import Session

from better_paas.access.authenticate import client_address, refuse, request_id_of
from better_paas.access.authorize import dashboard_url
from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.access.own_address import own_url
from better_paas.agents import endpoints as agent_endpoints
from better_paas.agents import service as agents
from better_paas.agents.models import Agent
from better_paas.apps.schemas import StatusAnswer
from better_paas.audit import service as audit
from better_paas.connect import clients, schemas, service, trust
from better_paas.connect.models import TrustRule
from better_paas.db.database import after_commit
from better_paas.errors import Forbidden, Invalid, PaasError
from better_paas.kit.clock import iso, now

router = api_router("Connect")
# How long a question is held open before it is answered with "not yet": less than proxies allow.
_HOLD_SECONDS = 25.0
_DEVICE_INTERVAL = 1


@router.post("/api/connect/agent/look")
async def connect_look(request: Request, body: schemas.ClientQuestion) -> schemas.ClientAnswer:
    """Who asks for a token, for the page that asks the person."""
    client = _checked(request, body)
    return schemas.ClientAnswer(name=client.name, place=clients.place(body.redirect_uri), own=client.id == clients.CLI)


@router.post("/api/connect/agent/approve")
async def connect_approve(request: Request, body: schemas.ApproveClient) -> schemas.CallbackAnswer:
    """Let the client have a token. The answer is where the browser goes now."""
    platform, caller = platform_of(request), caller_of(request)
    client = _checked(request, body)

    def unit(session: Session) -> str:
        return service.allow(
            session,
            client.id,
            body.redirect_uri,
            body.code_challenge,
            body.spec(body.name),
            f"{caller.kind}:{caller.id}",
        )

    code = await platform.database.write(unit)
    return schemas.CallbackAnswer(
        callback_url=callback(body.redirect_uri, code=code, state=body.state, iss=own_url(platform, request))
    )


@router.post("/api/connect/agent/deny")
async def connect_deny(request: Request, body: schemas.ClientQuestion) -> schemas.CallbackAnswer:
    """Say no; the client is told."""
    _checked(request, body)
    issuer = own_url(platform_of(request), request)
    return schemas.CallbackAnswer(
        callback_url=callback(body.redirect_uri, error="access_denied", state=body.state, iss=issuer)
    )


@router.post("/api/connect/agent/exchange")
async def connect_exchange(request: Request, body: schemas.Exchange) -> schemas.ConnectedAnswer:
    """The token for a code, once, within a minute, for whoever has the verifier."""
    made = await redeem(request, body.code, body.code_verifier, body.client_id, body.redirect_uri)
    return connected(request, made)


async def redeem(request: Request, code: str, verifier: str, client_id: str, redirect_uri: str) -> service.Made:
    """Errors: Invalid; a code that comes twice ends the token that was made of it."""
    platform = platform_of(request)
    refused = Invalid("the code is not valid", "Run 'paas connect' again.", code="invalid_grant")

    def unit(session: Session) -> service.Made | service.Reused | None:
        found = service.redeem(session, code, verifier, client_id, redirect_uri)
        _settle(request, session, found, "connect:exchange")
        return found

    found = await platform.database.write(unit)
    if isinstance(found, service.Made):
        return found
    await refuse(platform, request, client_address(platform, request))
    raise refused


@router.post("/api/connect/device")
async def connect_device(request: Request, body: schemas.BeginDevice) -> schemas.DeviceAnswer:
    """A terminal without a browser asks for a code that a person types elsewhere."""
    platform = platform_of(request)
    address = client_address(platform, request)

    def unit(session: Session) -> schemas.DeviceAnswer:
        login, code = service.begin_device(session, body.name, body.machine, address)
        shown = f"{login.user_code[:4]}-{login.user_code[4:]}"
        return schemas.DeviceAnswer(
            device_code=code,
            user_code=shown,
            verification_url=f"{dashboard_url(platform, request)}/connect/device",
            words=login.words,
            expires_in=int(service.DEVICE_LIFETIME.total_seconds()),
            interval=_DEVICE_INTERVAL,
        )

    return await platform.database.write(unit)


@router.post("/api/connect/device/token", response_model=schemas.ConnectedAnswer | schemas.PendingAnswer)
async def connect_device_token(
    request: Request, body: schemas.DeviceCode
) -> schemas.ConnectedAnswer | schemas.PendingAnswer:
    """The token once a person has said yes. It waits for that up to 25 s, then answers that it is pending."""
    platform = platform_of(request)

    def unit(session: Session) -> service.Made | service.Reused | None:
        found = service.redeem_device(session, body.device_code)
        _settle(request, session, found, "connect:device")
        return found

    with platform.events.listen() as events, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HOLD_SECONDS):
            while True:
                try:
                    found = await platform.database.write(unit)
                except Invalid:
                    await refuse(platform, request, client_address(platform, request))
                    raise
                if isinstance(found, service.Made):
                    return connected(request, found)
                if isinstance(found, service.Reused):
                    raise Forbidden("Forbidden: this code was used before", "Its token was revoked. Connect again.")
                while (await events.get())["topic"] not in ("device", "reset"):
                    pass
    return schemas.PendingAnswer()


@router.post("/api/connect/device/look")
async def connect_device_look(request: Request, body: schemas.LookDevice) -> schemas.WaitingDevice:
    """Which terminal waits with this code. Wrong codes are counted like wrong tokens."""
    platform = platform_of(request)

    def unit(session: Session) -> schemas.WaitingDevice:
        login = service.waiting_device(session, body.user_code)
        return schemas.WaitingDevice(
            name=login.name,
            machine=login.machine,
            address=login.address,
            age_seconds=round((now() - login.created_at).total_seconds()),
            choices=login.choices,
        )

    try:
        return await platform.database.read(unit)
    except PaasError:
        await refuse(platform, request, client_address(platform, request))
        raise


@router.post("/api/connect/device/approve")
async def connect_device_approve(request: Request, body: schemas.ApproveDevice) -> StatusAnswer:
    """Let the terminal have a token. Other words than the terminal's end its sign-in."""
    platform, caller = platform_of(request), caller_of(request)

    def unit(session: Session) -> bool:
        platform.announce(session, "device", "")
        wish, by = body.spec(body.name), f"{caller.kind}:{caller.id}"
        return service.allow_device(session, body.user_code, body.words, wish, by) is not None

    if not await platform.database.write(unit):
        raise Forbidden(
            "Forbidden: these are not the words that the terminal shows",
            "The sign-in was ended. If nobody near you started it, somebody tried to use yours.",
        )
    return StatusAnswer(status="approved")


@router.post("/api/connect/device/deny")
async def connect_device_deny(request: Request, body: schemas.LookDevice) -> StatusAnswer:
    """Say no; the terminal is told."""
    platform = platform_of(request)

    def unit(session: Session) -> None:
        platform.announce(session, "device", "")
        service.deny_device(session, body.user_code)

    await platform.database.write(unit)
    return StatusAnswer(status="denied")


@router.post("/api/connect/identity")
async def connect_identity(request: Request, body: schemas.IdentityBody) -> schemas.ConnectedAnswer:
    """A token for 15 minutes for a CI job that proves what it is, if a trust rule fits."""
    platform = platform_of(request)
    address = client_address(platform, request)
    try:
        rules = await platform.database.read(trust.rules)
        issuers, audiences = {rule.issuer for rule in rules}, sorted({rule.audience for rule in rules})
        claims = await platform.issuers.claims(body.token, issuers, audiences)

        def unit(session: Session) -> service.Made:
            made, gone = trust.exchange(session, body.token, claims)
            after_commit(session, lambda: platform.agents.remove(gone))
            platform.announce(session, "agent", "")
            _settle(request, session, made, "connect:identity")
            return made

        return connected(request, await platform.database.write(unit))
    except (Forbidden, Invalid) as error:
        # While an address has to wait, this is the end of it: the log grows by no line.
        await refuse(platform, request, address)
        await _note_refusal(request, "connect:identity", error)
        raise


@router.get("/api/trust")
async def trust_list(request: Request) -> list[schemas.TrustAnswer]:
    """The rules by which CI jobs get tokens."""
    return await platform_of(request).database.read(lambda session: [_trust(rule) for rule in trust.rules(session)])


@router.post("/api/trust/create")
async def trust_create(request: Request, body: schemas.TrustFields) -> schemas.TrustAnswer:
    """Let CI jobs of an issuer whose claims match have tokens for 15 minutes."""
    platform = platform_of(request)
    try:
        parts = urlsplit(body.issuer)
        _ = parts.port
    except ValueError:
        raise Invalid("issuer: this is no address", "Give it as the CI system does, like https://gitlab.com.") from None
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Invalid("issuer: must be https", "Its keys would come over a line that anybody can change.")
    audience = body.audience or own_url(platform, request)

    def unit(session: Session) -> schemas.TrustAnswer:
        wish = body.spec(None)
        return _trust(trust.add(session, body.name, body.issuer.rstrip("/"), audience, dict(body.claims), wish))

    made = await platform.database.write(unit)
    request.state.resource_id = made.id
    return made


@router.post("/api/trust/delete")
async def trust_delete(request: Request, body: schemas.TrustId) -> StatusAnswer:
    """Delete a rule; the tokens that it made end at once."""
    platform = platform_of(request)

    def unit(session: Session) -> None:
        gone = trust.remove(session, body.id)
        after_commit(session, lambda: platform.agents.remove(gone))
        platform.announce(session, "agent", "")

    await platform.database.write(unit)
    return StatusAnswer(status="deleted")


def _checked(request: Request, body: schemas.ClientQuestion) -> clients.Client:
    """The client behind a question that can be trusted with a code. Errors: Invalid."""
    platform = platform_of(request)
    client = clients.find(body.client_id, platform.vault.ring.digest)
    clients.check_redirect(body.redirect_uri)
    if not clients.allows(client, body.redirect_uri):
        raise Invalid("this redirect_uri is not one of the client's", code="invalid_redirect_uri")
    service.check_challenge(body.code_challenge, body.code_challenge_method)
    own = own_url(platform, request)
    if body.resource and body.resource.rstrip("/") not in (own, f"{own}/mcp"):
        raise Invalid("resource: it is not this server", f"Use {own}/mcp.", code="invalid_target")
    return client


def callback(address: str, **fields: str) -> str:
    return address + ("&" if "?" in address else "?") + urlencode(fields)


def _settle(request: Request, session: Session, found: service.Made | service.Reused | None, action: str) -> None:
    """Put a new token into force, or end one whose code was used twice; both are in the audit log."""
    platform = platform_of(request)
    if isinstance(found, service.Made):
        agent_endpoints.publish(platform, session, found.agent)
        audit.record(session, _entry(request, action, "success", found.agent))
    elif isinstance(found, service.Reused):
        agent = session.get(Agent, found.agent_id)
        if agent is not None:
            name = agent.name
            audit.record(session, _entry(request, action, "denied", agent, "the code was used a second time"))
            agent_endpoints.delete(platform, session, found.agent_id)
            text = f"A sign-in code was used twice: the token of {name} is revoked."
            after_commit(session, lambda: platform.notify("agent", found.agent_id, text))


def _entry(
    request: Request, action: str, outcome: audit.Outcome, agent: Agent | None = None, error: str | None = None
) -> audit.Entry:
    caller = caller_of(request)
    return audit.Entry(
        "anonymous" if agent is None else "agent", "" if agent is None else agent.id, action, outcome,
        request_id_of(request), actor_name="" if agent is None else agent.name, source=caller.source,
        resource_type="agent", resource_id=None if agent is None else agent.id,
        resource_name="" if agent is None else agent.name, ip_address=caller.address, error=error,
        decision="allow" if outcome == "success" else "deny",
    )  # fmt: skip


async def _note_refusal(request: Request, action: str, error: PaasError) -> None:
    entry = _entry(request, action, "denied", error=error.error)
    await platform_of(request).database.write(lambda session: audit.record(session, entry))


def connected(request: Request, made: service.Made) -> schemas.ConnectedAnswer:
    return schemas.ConnectedAnswer(
        url=own_url(platform_of(request), request),
        token=made.token,
        profile=made.agent.profile,
        name=made.agent.name,
        agent_id=made.agent.id,
        expires_at=iso(made.agent.expires_at),
    )


def _trust(rule: TrustRule) -> schemas.TrustAnswer:
    wish: dict[str, Any] = rule.wish
    return schemas.TrustAnswer(
        id=rule.id,
        name=rule.name,
        issuer=rule.issuer,
        audience=rule.audience,
        claims=rule.claims,
        profile=wish["profile"] or "",
        scopes=agents.expand(wish["profile"] or "", wish["scopes"]),
        all_resources=not (wish["project_ids"] or wish["app_ids"]),
        projects=wish["project_ids"] or [],
        apps=wish["app_ids"] or [],
        created_at=iso(rule.created_at) or "",
        last_used_at=iso(rule.last_used_at),
        uses=rule.uses,
    )
