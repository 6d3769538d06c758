"""Under which of the addresses that a request names this server is reached.

Whoever sends a request writes its Host header. What is made of it (the issuer of tokens, the address of the client's
program) must not lead to somebody else, whatever keeps or passes on our answers.
"""

import functools
import re
import socket
from urllib.parse import urlsplit

from fastapi import Request, WebSocket

from better_paas.bootstrap import Platform
from better_paas.kit.addresses import parsed, within
from better_paas.kit.http import is_public

# For what is made of these addresses: the next one may have asked by another.
HEADERS = {"Cache-Control": "no-store", "Vary": "Host"}
_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")
_EVERYWHERE = ("0.0.0.0", "::")


def own_url(platform: Platform, request: Request | WebSocket) -> str:
    """This server's address, as the caller reached it if that is one of ours, else one that is."""
    trusted = _by_proxy(platform, request)
    forwarded = request.headers.get("x-forwarded-proto") if trusted else None
    scheme = forwarded if forwarded in ("http", "https") else request.url.scheme
    host = request.headers.get("host", "")
    found = _HOST.fullmatch(host)
    if found and (trusted or _is_ours(platform, found[1].strip("[]").lower().rstrip("."), _reached(request)[0])):
        return f"{scheme}://{host}"
    return _own(platform, request, scheme)


def _by_proxy(platform: Platform, request: Request | WebSocket) -> bool:
    """Whether a proxy that is trusted sends it, which passes on what it was asked for."""
    proxies = platform.settings.proxies
    if not proxies:
        return proxies is not None
    return request.client is not None and within(request.client.host, proxies)


def _is_ours(platform: Platform, name: str, reached: str) -> bool:
    """reached: this machine's address at which the connection came in."""
    if name == reached or name in _names(platform):
        return True
    address, at = parsed(name), parsed(reached)
    if address is None or at is None:
        return False
    # In a private network the address that a visitor used may be translated: then it can't be known here.
    return address == at or address.is_loopback or not (at.is_loopback or is_public(at))


def _names(platform: Platform) -> set[str]:
    settings = platform.settings
    listens = settings.listen[0]
    return {
        *_machine_names(),
        platform.rules.own,
        (urlsplit(settings.paas_ui_url or "").hostname or ""),
        platform.public_address or "",
        "" if listens in _EVERYWHERE else listens,
    } - {""}


@functools.cache
def _machine_names() -> frozenset[str]:
    name = socket.gethostname().lower()
    return frozenset(("localhost", name, name.partition(".")[0], f"{name.partition('.')[0]}.local"))


def _own(platform: Platform, request: Request | WebSocket, scheme: str) -> str:
    """An address that is ours whatever was asked for."""
    if platform.rules.own:
        return platform.rules.url(platform.rules.own)
    reached, port = _reached(request)
    at = parsed(reached)
    if platform.public_address and at is not None and not (at.is_loopback or is_public(at)):
        reached = platform.public_address
    return f"{scheme}://{f'[{reached}]' if ':' in reached else reached}" + (f":{port}" if port else "")


def _reached(request: Request | WebSocket) -> tuple[str, int | None]:
    """Address and port of this machine at which the connection came in."""
    found = request.scope.get("server")
    return (str(found[0]), found[1]) if found else ("localhost", None)
