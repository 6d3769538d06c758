"""The client's address behind proxies: what a client writes itself is never believed."""

from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from better_paas.access.authenticate import client_address
from better_paas.settings import Settings


def address(trust: str, peer: str | None, forwarded: str) -> str:
    platform = SimpleNamespace(settings=Settings(trust_proxy=trust))
    headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in forwarded.split("|") if line])
    request = SimpleNamespace(client=SimpleNamespace(host=peer) if peer else None, headers=headers)
    return client_address(platform, request)


@pytest.mark.parametrize(
    ("trust", "peer", "forwarded", "expected"),
    [
        ("false", "203.0.113.1", "10.0.0.1", "203.0.113.1"),
        ("true", "127.0.0.1", "", "127.0.0.1"),
        ("true", "127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("true", "127.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("true", "127.0.0.1", "1.2.3.4|198.51.100.7", "198.51.100.7"),
        ("10.0.0.0/8", "10.0.0.2", "1.2.3.4|198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("true", "127.0.0.1", "<script>", "unknown"),
        ("10.0.0.0/8", "203.0.113.1", "198.51.100.7", "203.0.113.1"),
        ("10.0.0.0/8", "10.0.0.2", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.0/8", "10.0.0.2", "1.1.1.1, 198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("10.0.0.0/8", "10.0.0.2", "10.0.0.9, 10.0.0.3", "10.0.0.9"),
        ("10.0.0.0/8,2001:db8::/32", "2001:db8::1", "2001:db9::5, 2001:db8::2", "2001:db9::5"),
        ("true", None, "", "unknown"),
    ],
)
def test_the_rightmost_hop_that_is_no_proxy(trust, peer, forwarded, expected):
    assert address(trust, peer, forwarded) == expected


@pytest.mark.parametrize("text", ["maybe", "10.0.0.0/33", "proxy.example.com", "10.0.0.1;"])
def test_what_is_no_network_stops_the_start(text):
    with pytest.raises(ValidationError, match="true, false or networks"):
        Settings(trust_proxy=text)
