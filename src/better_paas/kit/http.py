"""Addresses: what a name resolves to, and whether the platform may be sent there."""

import asyncio
import ipaddress
import socket
from collections.abc import Collection

from better_paas.kit.quoted import Told

# NAT64 (RFC 6052) and the old IPv4-compatible form: the last 32 bits are the real target.
_CARRIES_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Told):
    """The host does not resolve, or resolves to an address that the platform must not be sent to.

    is_private: it is the latter.
    """

    is_private = False


class PrivateAddress(AddressRefused):
    is_private = True


async def resolve_public(host: str, port: int, allowed_private: Collection[str]) -> str:
    """One address of `host` that the platform may connect to, as text.

    A host named in `allowed_private` (or inside a CIDR named there) may be private. All addresses that
    the name has must be allowed, so that a second, internal record can't be used. Errors: AddressRefused.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused("the host can't be found", quoted=host) from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
    if not addresses:
        raise AddressRefused("the host can't be found", quoted=host)
    for address in addresses:
        if not is_public(address) and not _is_allowed(host, address, allowed_private):
            raise PrivateAddress("the host is a private or local address", quoted=f"{host} ({address})")
    return str(addresses[0])


def is_public(address: Address) -> bool:
    """Whether `address` is routed on the internet; an IPv4 address inside an IPv6 one counts as itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _CARRIES_IPV4):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _is_allowed(host: str, address: Address, allowed: Collection[str]) -> bool:
    for entry in allowed:
        if entry.lower() == host.lower():
            return True
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            continue
        if address in network:
            return True
    return False
