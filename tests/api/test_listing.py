"""The list of apps keeps what it has made, and never shows what was."""

import pytest

from better_paas.apps import service


async def both(admin, agent) -> dict[str, dict]:
    """The list by id, after comparing it with each app asked for by itself, for an admin and for an agent."""
    for headers in ({}, agent):
        listed = (await admin.get("/api/apps", headers=headers)).json()
        alone = [(await admin.get("/api/apps/get", params={"id": app["id"]}, headers=headers)).json() for app in listed]
        assert listed == alone
    return {app["id"]: app for app in (await admin.get("/api/apps")).json()}


@pytest.fixture
async def agent(driver) -> dict[str, str]:
    made = await driver.post("/api/agents/create", name="reader", scopes=["apps:read"])
    return {"Authorization": f"Bearer {made['token']}"}


async def test_every_change_is_seen_at_once(driver, platform, admin, agent):
    shop = await driver.live("shop", envVars={"API_KEY": "first", "MODE": "a"}, secretKeys=["API_KEY"])
    other = await driver.live("other")
    assert (await both(admin, agent)).keys() == {shop["id"], other["id"]}

    await driver.post("/api/apps/update", id=shop["id"], envVars={"API_KEY": "***", "MODE": "b"})
    assert (await both(admin, agent))[shop["id"]]["envVars"] == {"API_KEY": "***", "MODE": "b"}
    await driver.post("/api/apps/domains/add", id=shop["id"], domain="shop.example.com")
    assert (await both(admin, agent))[shop["id"]]["domains"] == ["shop.example.com"]
    await driver.post("/api/apps/domains/remove", id=shop["id"], domain="shop.example.com")
    assert (await both(admin, agent))[shop["id"]]["domains"] == []
    await driver.post("/api/apps/rename", id=shop["id"], name="store")
    assert (await both(admin, agent))[shop["id"]]["name"] == "store"
    await driver.post("/api/apps/stop", id=shop["id"])
    assert (await both(admin, agent))[shop["id"]]["status"] == "stopped"
    await driver.post("/api/apps/start", id=shop["id"])
    assert (await both(admin, agent))[shop["id"]]["status"] == "running"

    platform.runtime.build_error = "no"
    again = await driver.post("/api/apps/redeploy", id=shop["id"])
    await driver.ended(again["deploymentId"])
    assert "failed (" in (await both(admin, agent))[shop["id"]]["statusDetail"]

    await driver.post("/api/apps/delete", id=other["id"])
    assert (await both(admin, agent)).keys() == {shop["id"]}
    await driver.post("/api/apps/restore", id=other["id"])
    assert (await both(admin, agent)).keys() == {shop["id"], other["id"]}


async def test_only_what_changed_is_made_anew(driver, admin, monkeypatch):
    apps = [await driver.live(f"app-{number}") for number in range(3)]
    made = []
    answer = service.answer
    monkeypatch.setattr(service, "answer", lambda view, *a, **k: made.append(view.app.name) or answer(view, *a, **k))
    await admin.get("/api/apps")
    assert sorted(made) == ["app-0", "app-1", "app-2"]
    await driver.post("/api/apps/rename", id=apps[1]["id"], name="renamed")
    made.clear()
    assert [app["name"] for app in (await admin.get("/api/apps")).json()] == ["app-0", "app-2", "renamed"]
    assert made == ["renamed"]


async def test_pages_follow_each_other(driver, admin):
    for number in range(3):
        await driver.live(f"app-{number}")
    first = await admin.get("/api/apps", params={"limit": 2})
    assert [app["name"] for app in first.json()] == ["app-0", "app-1"]
    second = await admin.get("/api/apps", params={"limit": 2, "cursor": first.headers["X-Next-Cursor"]})
    assert [app["name"] for app in second.json()] == ["app-2"]
    assert "X-Next-Cursor" not in second.headers
