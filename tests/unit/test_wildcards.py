"""When the wildcard certificate is renewed."""

import asyncio
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from better_paas.acme.authority import Authority
from better_paas.domains.wildcards import Wildcard
from better_paas.kit.clock import now


def certificate(life: timedelta, left: timedelta) -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    ends = now() + left
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), ends - life, ends)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


async def asks(folder) -> bool:
    """Whether it wants to get to the DNS, which is the first thing that fetching a certificate takes."""
    asked = asyncio.Event()

    async def access() -> None:
        asked.set()

    async def changed() -> None:
        raise AssertionError("nothing could be fetched")

    keeping = asyncio.create_task(
        Wildcard("apps.example.org", folder, Authority("", "", ""), access, changed, 0).keep()
    )
    try:
        await asyncio.wait_for(asked.wait(), 0.2)
    except TimeoutError:
        return False
    finally:
        keeping.cancel()
    return True


async def test_without_a_certificate_one_is_fetched(tmp_path):
    assert await asks(tmp_path)


@pytest.mark.parametrize(
    ("life", "left", "renewed"),
    [
        (timedelta(days=90), timedelta(days=31), False),
        (timedelta(days=90), timedelta(days=29), True),
        (timedelta(days=6), timedelta(days=3), False),
        (timedelta(days=6), timedelta(hours=47), True),
    ],
)
async def test_after_two_thirds_of_its_life_it_is_renewed(tmp_path, life, left, renewed):
    (tmp_path / "wildcard-20260101000000.crt").write_bytes(certificate(life, left))
    assert await asks(tmp_path) is renewed


async def test_one_that_has_expired_is_not_served(tmp_path):
    """So that the ingress gets one for each name itself."""
    said = []

    async def nothing() -> None: ...

    async def changed() -> None:
        said.append("changed")

    wildcard = Wildcard("apps.example.org", tmp_path, Authority("", "", ""), nothing, changed, 0)
    (tmp_path / "wildcard-20260101000000.crt").write_bytes(certificate(timedelta(days=90), timedelta(days=1)))
    assert [served.pattern for served in wildcard.certificates()] == ["*.apps.example.org"]
    assert wildcard.for_host("shop.apps.example.org") is not None
    assert wildcard.for_host("shop.example.org") is None
    (tmp_path / "wildcard-20260102000000.crt").write_bytes(certificate(timedelta(days=90), timedelta(days=-1)))
    assert (wildcard.certificates(), wildcard.for_host("shop.apps.example.org")) == ((), None)
    keeping = asyncio.create_task(wildcard.keep())
    async with asyncio.timeout(5):
        while not wildcard.problem:
            await asyncio.sleep(0.01)
    keeping.cancel()
    assert said == ["changed"]
    assert "no token" in wildcard.problem
