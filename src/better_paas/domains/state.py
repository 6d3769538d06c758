"""Whether a domain does what it should: where its DNS points, and how its certificate is."""

import asyncio
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from better_paas.domains import certificates
from better_paas.domains.hosts import HostRules
from better_paas.kit.clock import now
from better_paas.kit.quoted import quote

_LOOKUP_SECONDS = 3.0


@dataclass(frozen=True)
class DomainState:
    """addresses: where its DNS points. points_here: None if this can't be known. problem: empty while all is well.

    quoted: what the certificate authority said.

    certificate: none (not wanted), active, waiting, or failing.
    """

    addresses: tuple[str, ...]
    points_here: bool | None
    certificate: str
    issuer: str = ""
    expires_at: datetime | None = None
    problem: str = ""
    hint: str = ""
    quoted: str = ""


async def look_up(host: str) -> tuple[str, ...]:
    """The host's addresses; none if there are none, or if the answer takes too long."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):  # the last for what is no name
        return ()
    return tuple(sorted({str(entry[4][0]) for entry in found}))


async def state_of(
    host: str, rules: HostRules, public_address: str | None, folder: Path, lent: certificates.Found | None = None
) -> DomainState:
    """folder: the ingress's own. lent: a certificate that covers the host and was got by other means."""
    addresses = await look_up(host)
    is_local = host.endswith(".localhost")
    points_here = None if public_address is None or is_local else public_address in addresses
    problem, hint = _dns_problem(addresses, points_here, public_address)
    if not rules.is_https(host):
        return DomainState(addresses, points_here, "none", problem="" if is_local else problem, hint=hint)
    found = lent or await asyncio.to_thread(certificates.stored, folder, host)
    if found is not None and now() < found.due_at:
        return DomainState(addresses, points_here, "active", found.issuer, found.expires_at, problem, hint)
    error = await asyncio.to_thread(certificates.last_error, folder, host)
    lacks = "No certificate yet" if found is None else "The certificate is not renewed"
    quoted = ""
    if error and not problem:
        problem, hint = certificates.explain(error)
        problem, quoted = f"{lacks}: {problem}", quote(error)
    if found is None:
        state = "failing" if error or problem else "waiting"
        return DomainState(addresses, points_here, state, problem=problem, hint=hint, quoted=quoted)
    if found.expires_at > now():
        return DomainState(addresses, points_here, "active", found.issuer, found.expires_at, problem, hint, quoted)
    problem = problem or "The certificate has expired"
    hint = hint or "It is asked for again by itself, with growing pauses; the ingress's log says more."
    return DomainState(addresses, points_here, "failing", found.issuer, found.expires_at, problem, hint, quoted)


def _dns_problem(addresses: tuple[str, ...], points_here: bool | None, public_address: str | None) -> tuple[str, str]:
    wanted = f"Make an A record for this name that points to {public_address or 'the address of this server'}."
    if not addresses:
        return "DNS knows no address of this name", wanted
    if points_here is False:
        there = ", ".join(addresses[:3])
        return f"DNS points to {there}, not to this server ({public_address})", f"{wanted} A change takes a while."
    return "", ""
