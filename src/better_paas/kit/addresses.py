"""Addresses as they come with connections and in headers."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def parsed(text: str) -> Address | None:
    """The address, or None if it is none. An IPv4 one inside IPv6 counts as itself."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def network_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or an IPv6 /64."""
    found = parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address if found is None else str(found)


def within(address: str, networks: Networks) -> bool:
    """Whether `address` is one, and in any of the networks."""
    found = parsed(address)
    return found is not None and any(found.version == network.version and found in network for network in networks)
