"""Where the platform may be sent to fetch something."""

import ipaddress

import pytest

from better_paas.kit.http import AddressRefused, is_public, resolve_public


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "::1", "fd00::1",
     "fe80::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "224.0.0.1", "2002:7f00:1::"],
)  # fmt: skip
def test_private(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "::1"])
async def test_loopback_in_every_spelling_is_refused(host):
    with pytest.raises(AddressRefused):
        await resolve_public(host, 80, ())


async def test_an_allowed_host_or_network_may_be_private():
    assert await resolve_public("127.0.0.1", 80, ("127.0.0.1",)) == "127.0.0.1"
    assert await resolve_public("127.0.0.1", 80, ("127.0.0.0/8",)) == "127.0.0.1"
    with pytest.raises(AddressRefused):
        await resolve_public("127.0.0.1", 80, ("10.0.0.0/8", "example.org"))
