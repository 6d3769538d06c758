"""Who may call what, from the policy table: each route, without and with a token."""

import asyncio
import json

import pytest

from better_paas import policy
from better_paas.app import create_app, unserved_actions

GUARDED = [action for action in policy.ACTIONS if not action.public and action.method != "WS"]


def test_every_row_has_a_route_and_every_route_a_row():
    assert unserved_actions() == []


def test_a_route_without_a_row_stops_the_start():
    from fastapi import APIRouter

    from better_paas.access.guard import GuardedRoute

    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(LookupError, match="GET /api/secret has no row"):
        router.get("/api/secret")(lambda: None)


@pytest.mark.parametrize("action", GUARDED, ids=lambda action: action.path)
async def test_without_a_token_nothing_is_answered(anonymous, action):
    response = await anonymous.request(action.method, action.path, json={} if action.method == "POST" else None)
    assert response.status_code == 401
    assert response.json()["error"] == "Unauthorized"
    assert response.json()["requestId"] == response.headers["x-request-id"]


def test_the_openapi_document_names_the_scopes_of_each_call():
    app = create_app(None)
    document = app.openapi()
    for action in GUARDED:
        call = document["paths"][action.path][action.method.lower()]
        assert call["security"] == [{"bearer": list(action.scopes)}]
    assert "bearer" in document["components"]["securitySchemes"]


async def test_the_right_token_always_passes_and_wrong_ones_wait_longer_and_longer(anonymous, admin):
    good = {"Authorization": admin.headers.pop("Authorization")}
    bad = {"Authorization": "Bearer wrong-token"}
    answers = [await anonymous.get("/api/apps", headers=bad) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert int(answers[5].headers["Retry-After"]) == 2
    assert (await anonymous.get("/api/apps", headers=good)).status_code == 200


async def test_verify(anonymous):
    from tests.conftest import ADMIN_TOKEN

    assert (await anonymous.post("/api/auth/verify", json={"token": ADMIN_TOKEN})).json() == {"valid": True}
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert (await anonymous.post("/api/auth/verify", headers=headers)).json() == {"valid": True}
    assert (await anonymous.post("/api/auth/verify", json={"token": "no"})).status_code == 401
    assert (await anonymous.post("/api/auth/verify")).status_code == 401


async def test_a_ticket_works_once(admin, platform):
    ticket = (await admin.post("/api/auth/ws-ticket")).json()
    assert ticket["expiresIn"] == 60
    assert platform.tickets.redeem(ticket["ticket"]).kind == "admin"
    for again in (ticket["ticket"], ticket["ticket"].upper(), f" {ticket['ticket']}"):
        assert platform.tickets.redeem(again) is None
    # Clear text is no ticket, whatever it says.
    made = json.dumps([9e12, "x", ["admin", "admin", "127.0.0.1", "api", "", "", False]]).encode().hex()
    assert platform.tickets.redeem(made) is None


async def test_public_routes(anonymous):
    health = (await anonymous.get("/api/health")).json()
    assert {"timestamp", "uptime", "version"} <= set(health)
    assert set(health["parts"]) == {"jobs", "writer", "ingress", "engine", "disk", "releases", "tasks"}
    well = all(part["state"] == "ok" and part["since"] for part in health["parts"].values())
    assert health["status"] == ("healthy" if well else "degraded")
    assert (await anonymous.get("/.well-known/better-paas.json")).json() == {"apiUrl": "http://test"}
    assert (await anonymous.get("/api/openapi.json")).json()["openapi"].startswith("3.1")
    assert "/api/openapi.json" in (await anonymous.get("/api/docs")).text


async def test_answers_carry_security_headers(anonymous):
    headers = (await anonymous.get("/api/health")).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"].split("script-src")[1].split(";")[0]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


async def test_unknown_addresses_below_the_api_are_json_404s(admin):
    for path in ("/api/nope", "/ws/nope", "/.well-known/nope"):
        response = await admin.get(path)
        assert response.status_code == 404
        assert response.json()["code"] == "not_found"


async def test_the_dashboard_can_not_be_left_upwards(anonymous):
    for path in ("/../settings.py", "/%2e%2e/settings.py", "/assets/../../app.py"):
        assert "def create_app" not in (await anonymous.get(path)).text


async def test_bodies_are_bounded(admin):
    response = await admin.post(
        "/api/apps/stop", content=b'{"id":"' + b"x" * 3_000_000 + b'"}', headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert "larger than 2 MiB" in response.json()["error"]


async def test_without_a_token_less_may_be_sent(anonymous):
    """What is read of it is read on the event loop."""
    response = await anonymous.post(
        "/oauth/register", content=b"[" + b"[]," * 40_000 + b"[]]", headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert "larger than 64 KiB" in response.json()["error"]


async def test_each_mutation_leaves_intent_and_outcome(driver, admin):
    app = await driver.live()
    await driver.post("/api/apps/rename", id=app["id"], name="other")
    await driver.post("/api/apps/rename", status=404, id="nope", name="other2")
    entries = (await admin.get("/api/audit-logs", params={"limit": 100})).json()
    seen = [(entry["action"], entry["outcome"]) for entry in reversed(entries)]
    assert seen == [
        ("app:deploy", "intent"), ("app:deploy", "success"),
        ("app:rename", "intent"), ("app:rename", "success"),
        ("app:rename", "intent"), ("app:rename", "failure"),
    ]  # fmt: skip
    assert entries[0]["error"] == "App not found"
    deploy = entries[-1]
    assert deploy["payload"]["gitRepo"] == "sample:hello-python"
    assert entries[-2]["resourceId"] == app["id"]


async def test_failed_sign_ins_are_in_the_audit_log(admin):
    await admin.get("/api/apps", headers={"Authorization": "Bearer nope-nope"})
    await asyncio.sleep(0.05)
    entries = (await admin.get("/api/audit-logs")).json()
    assert [(entry["action"], entry["outcome"]) for entry in entries] == [("auth:verify", "denied")]


async def test_a_change_that_can_not_be_audited_is_refused(driver, platform, monkeypatch):
    app = await driver.live()

    def full(connection, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(platform.database, "_appender", full)
    answer = await driver.post("/api/apps/rename", status=503, id=app["id"], name="other")
    assert answer["error"] == "The audit log can't be written"
    assert (await driver.app(app["id"]))["name"] == "shop"
