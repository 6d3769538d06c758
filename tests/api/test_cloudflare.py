"""Cloudflare's token and records."""

import pytest

from tests.cloudflare import TOKEN, FakeCloudflare
from tests.stored import everything


@pytest.fixture
def cloudflare():
    made = FakeCloudflare([*(f"zone-{number}.example" for number in range(60)), "example.org", "shop.example.org"])
    yield made
    made.close()


@pytest.fixture
def settings(settings, cloudflare):
    return settings.model_copy(update={"cloudflare_api": cloudflare.url, "public_address": "203.0.113.7"})


async def test_a_token_is_proven_kept_sealed_and_forgotten(driver, admin, platform, cloudflare):
    assert (await admin.get("/api/cloudflare/status")).json()["connected"] is False
    refused = await driver.post("/api/cloudflare/token/save", status=400, token="x" * 30)
    assert "Invalid API Token" in refused["quoted"]
    assert await driver.post("/api/cloudflare/token/save", token=TOKEN) == {"status": "saved"}
    assert (await admin.get("/api/cloudflare/status")).json()["connected"] is True
    raw = everything(platform.settings)
    assert TOKEN.encode() not in raw
    assert TOKEN not in (await admin.get("/api/audit-logs")).text
    assert (await admin.delete("/api/cloudflare/token/delete")).json() == {"status": "deleted"}
    assert (await admin.get("/api/cloudflare/status")).json()["connected"] is False


async def test_a_domain_is_led_here(driver, cloudflare):
    await driver.post("/api/cloudflare/dns", status=409, domain="www.example.org")
    await driver.post("/api/cloudflare/token/save", token=TOKEN)
    made = await driver.post("/api/cloudflare/dns", domain="www.example.org")
    assert made == {
        "status": "created",
        "domain": "www.example.org",
        "ip": "203.0.113.7",
        "zone": "example.org",
        "proxied": False,
    }
    assert (await driver.post("/api/cloudflare/dns", domain="www.example.org"))["status"] == "unchanged"
    (record,) = cloudflare.records.values()
    record["content"] = "198.51.100.1"
    assert (await driver.post("/api/cloudflare/dns", domain="www.example.org"))["status"] == "updated"
    # The longest zone is the one that answers for it.
    assert (await driver.post("/api/cloudflare/dns", domain="a.shop.example.org"))["zone"] == "shop.example.org"
    refused = await driver.post("/api/cloudflare/dns", status=503, domain="elsewhere.net")
    assert "sees no zone" in refused["quoted"]
