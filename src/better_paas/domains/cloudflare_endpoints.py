"""Cloudflare over HTTP: its token, and DNS records that lead here."""

from datetime import datetime
from typing import Annotated

from fastapi import Request
from pydantic import Field
from sqlalchemy.orm import Session

from better_paas.access.guard import api_router, platform_of
from better_paas.cloudflare.client import Cloudflare, CloudflareFailed
from better_paas.domains.hosts import split_name
from better_paas.errors import Conflict, Invalid, Unavailable
from better_paas.kit.schema import TRIMMED, Answer, Body
from better_paas.vault import stored

router = api_router("Cloudflare")


class CloudflareStatus(Answer):
    """wildcard: the domain that one certificate is kept for, or null. wildcardUntil: when the one that is served ends.

    problem: why there is none yet.
    """

    connected: bool
    wildcard: str | None
    wildcard_until: datetime | None
    problem: str


class TokenBody(Body):
    token: Annotated[str, TRIMMED] = Field(min_length=20, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")


class SavedAnswer(Answer):
    status: str


class DnsBody(Body):
    domain: Annotated[str, TRIMMED] = Field(min_length=1, max_length=300)


class DnsAnswer(Answer):
    """status: created, updated or unchanged."""

    status: str
    domain: str
    ip: str
    zone: str
    proxied: bool


@router.get("/api/cloudflare/status")
async def cloudflare_status(request: Request) -> CloudflareStatus:
    """Whether a token is there, and how the wildcard certificate does."""
    platform = platform_of(request)
    connected = await platform.cloudflare() is not None
    domain, served = platform.wildcard_domain, platform.wildcard.found()
    return CloudflareStatus(
        connected=connected,
        wildcard=f"*.{domain}" if domain and connected else None,
        wildcard_until=served.expires_at if served else None,
        problem=platform.wildcard.problem,
    )


@router.post("/api/cloudflare/token/save")
async def cloudflare_token_save(request: Request, body: TokenBody) -> SavedAnswer:
    """Keep a token that may read zones and edit DNS, after Cloudflare has said that it is good. It is never shown."""
    platform = platform_of(request)
    try:
        await Cloudflare(body.token, platform.settings.cloudflare_api).verify()
    except CloudflareFailed as error:
        hint = "Make one with Zone.Zone and Zone.DNS."
        raise Invalid("Cloudflare does not take this token", hint, quoted=str(error)) from None
    await platform.database.write(lambda session: stored.put(session, stored.CLOUDFLARE, body.token))
    platform.wildcard.wake()
    return SavedAnswer(status="saved")


@router.post("/api/cloudflare/token/delete")
@router.delete("/api/cloudflare/token/delete", name="cloudflare_token_delete_too")
async def cloudflare_token_delete(request: Request) -> SavedAnswer:
    """Forget the token. Certificates that are there are served until they end."""

    def unit(session: Session) -> None:
        stored.delete(session, stored.CLOUDFLARE)

    await platform_of(request).database.write(unit)
    return SavedAnswer(status="deleted")


@router.post("/api/cloudflare/dns")
async def cloudflare_dns(request: Request, body: DnsBody) -> DnsAnswer:
    """Make the A record that leads a domain to this server, or correct it."""
    platform = platform_of(request)
    cloudflare = await platform.cloudflare()
    if cloudflare is None:
        raise Conflict("no Cloudflare token is stored", "Save one first: POST /api/cloudflare/token/save.")
    if platform.public_address is None:
        raise Conflict("this server's public address is not known", "Set PUBLIC_ADDRESS.")
    host, _ = split_name(body.domain.removeprefix("*."))
    name = f"*.{host}" if body.domain.startswith("*.") else host
    try:
        record = await cloudflare.point(name, platform.public_address)
    except CloudflareFailed as error:
        hint = "Does the token see the zone, and may it edit its DNS?"
        raise Unavailable("Cloudflare refused the record", hint, quoted=str(error)) from None
    return DnsAnswer(status=record.status, domain=name, ip=platform.public_address, zone=record.zone, proxied=False)
