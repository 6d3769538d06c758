"""What is said of a domain's certificate."""

import json
from datetime import timedelta

import pytest

from better_paas.domains.hosts import HostRules
from better_paas.domains.state import state_of
from tests.unit.test_wildcards import certificate

HOST = "shop.example.org"
RULES = HostRules("apps.example.org", "auto", 80, 443)
LIFE = timedelta(days=90)


@pytest.fixture
def addresses(monkeypatch):
    found = ["192.0.2.1"]

    async def look_up(host):
        return tuple(found)

    monkeypatch.setattr("better_paas.domains.state.look_up", look_up)
    return found


def keep(folder, left: timedelta) -> None:
    place = folder / "caddy" / "certificates" / "authority" / HOST
    place.mkdir(parents=True)
    (place / f"{HOST}.crt").write_bytes(certificate(LIFE, left))


def complain(folder, text: str) -> None:
    (folder / "ingress.log").write_text(json.dumps({"logger": "tls.renew", "identifier": HOST, "error": text}) + "\n")


async def state(folder):
    return await state_of(HOST, RULES, "192.0.2.1", folder)


async def test_one_that_is_good_is_active_whatever_was_said_before(tmp_path, addresses):
    keep(tmp_path, timedelta(days=60))
    complain(tmp_path, "urn:ietf:params:acme:error:connection: Connection refused")
    found = await state(tmp_path)
    assert (found.certificate, found.problem) == ("active", "")


async def test_one_that_is_not_renewed_says_why(tmp_path, addresses):
    keep(tmp_path, timedelta(days=20))
    assert (await state(tmp_path)).problem == ""
    complain(tmp_path, "acme: error: 400: Timeout during connect (likely firewall problem)")
    found = await state(tmp_path)
    assert found.certificate == "active"
    assert found.problem == "The certificate is not renewed: the certificate authority can't reach this server"
    assert "Open ports 80 and 443" in found.hint


async def test_one_that_has_expired_is_failing(tmp_path, addresses):
    keep(tmp_path, timedelta(days=-1))
    found = await state(tmp_path)
    assert (found.certificate, found.problem) == ("failing", "The certificate has expired")
    assert found.hint


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("rateLimited: too many certificates already issued", "too many certificates were asked for"),
        ("DNS problem: NXDOMAIN looking up A", "its DNS record was not found"),
        ("CAA record for example.org prevents issuance", "a CAA record forbids this certificate authority"),
        ("Connection refused", "the certificate authority can't reach this server"),
        ("unauthorized: Invalid response from http://", "another server answered in this one's place"),
        ("something new", "the certificate authority refused it"),
    ],
)
async def test_why_there_is_none_yet(tmp_path, addresses, said, reason):
    assert (await state(tmp_path)).certificate == "waiting"
    complain(tmp_path, said)
    found = await state(tmp_path)
    assert (found.certificate, found.problem) == ("failing", f"No certificate yet: {reason}")
    assert found.quoted == said
    assert found.hint


async def test_dns_that_points_elsewhere_comes_first(tmp_path, addresses):
    addresses[:] = ["198.51.100.7"]
    complain(tmp_path, "Connection refused")
    found = await state(tmp_path)
    assert found.points_here is False
    assert found.problem == "DNS points to 198.51.100.7, not to this server (192.0.2.1)"
    addresses.clear()
    assert (await state(tmp_path)).problem == "DNS knows no address of this name"
