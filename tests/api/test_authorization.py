"""The matrix: every route with every kind of token, on its own, on foreign and on absent resources.

It is made from the policy table: a new route is in it without a line here, and a kind of target that this file
does not know fails it.
"""

import json

import httpx2
import pytest

from better_paas import policy
from better_paas.app import create_app

ROUTES = [row for row in policy.ACTIONS if not row.public and row.method != "WS"]
SOCKETS = [row for row in policy.ACTIONS if row.method == "WS"]
IDS = {"ids": lambda row: f"{row.method} {row.path}"}


class World:
    """Two projects with an app each; tokens that see one of them."""

    def __init__(self, driver, platform) -> None:
        self.driver, self.platform = driver, platform
        self.transport = httpx2.ASGITransport(app=create_app(platform), raise_app_exceptions=False)

    async def make(self):
        self.own, self.foreign = await self.driver.live("own-app"), await self.driver.live("foreign-secret-name")
        return self

    async def token(self, scopes, **limits) -> str:
        body = {"name": "matrix", "scopes": list(scopes), "requireApproval": "none", "ratePerMinute": 60000, **limits}
        return (await self.driver.post("/api/agents/create", **body))["token"]

    async def call(self, token: str | None, row: policy.Action, fields: dict) -> httpx2.Response:
        # `self.driver.client` carries the admin's token.
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(transport=self.transport, base_url="http://test", headers=headers) as client:
            if row.method == "GET":
                return await client.get(row.path, params=fields)
            return await client.post(row.path, json=fields)

    def fields(self, row: policy.Action, which: str) -> dict:
        """Arguments that name the own, the foreign or an absent resource in each target of the row."""
        app = {"own": self.own, "foreign": self.foreign, "absent": None}[which]
        values = {
            "app": app["id"] if app else "absent0000",
            "deployment": app["activeDeployId"] if app else "absent000000",
            "project": app["projectId"] if app else "absent0000",
        }
        return {field: values[kind] for kind, field in row.targets}


@pytest.fixture
async def world(driver, platform):
    return await World(driver, platform).make()


STREAMS = {"/api/events", "/api/apps/runtime-logs/stream"}  # they never end by themselves


async def test_every_route_refuses_every_token_without_its_scope(world):
    observed = []
    for scope in policy.SCOPES:
        token = await world.token([scope])
        for row in ROUTES:
            if row.path in STREAMS or row.allows(frozenset([scope])):
                continue
            response = await world.call(token, row, world.fields(row, "own"))
            observed.append(response.status_code)
            assert response.status_code == 403, (scope, row.path, response.text)
            assert response.json()["error"] == row.missing_text
            world.platform.agents.forget_trouble(token[6:16])
    assert len(observed) > 300


async def test_every_route_refuses_what_is_no_token(world, platform):
    good = await world.token(["apps:read"])
    gone = await world.token(policy.SCOPES)
    await world.driver.post("/api/agents/delete", id=gone[6:16])
    expired = await world.token(policy.SCOPES)
    await expire(platform, expired[6:16])
    wrong = {
        "none": None,
        "wrong": "bpagt_nonsense",
        "changed": good[:-1] + ("a" if good[-1] != "a" else "b"),
        "gone": gone,
        "expired": expired,
    }
    for kind, token in wrong.items():
        for row in ROUTES:
            platform.failures.__init__()
            response = await world.call(token, row, world.fields(row, "own"))
            assert response.status_code == 401, (kind, row.path)
            assert response.json()["error"] == "Unauthorized"


async def expire(platform, agent_id: str) -> None:
    import dataclasses
    from datetime import timedelta

    from better_paas.kit.clock import now

    found = platform.agents.get(agent_id, now()).own
    platform.agents.put(dataclasses.replace(found, expires_at=now() - timedelta(seconds=1)))


@pytest.mark.parametrize("limit", ["project", "app"])
async def test_a_limited_token_sees_no_foreign_resource_and_can_not_tell_it_from_none(world, limit):
    limits = {"projects": [world.own["projectId"]]} if limit == "project" else {"apps": [world.own["id"]]}
    token = await world.token(policy.SCOPES, **limits)
    for row in ROUTES:
        if row.admin or row.path in STREAMS or not row.targets:
            continue
        foreign = await world.call(token, row, world.fields(row, "foreign"))
        absent = await world.call(token, row, world.fields(row, "absent"))
        world.platform.agents.forget_trouble(token[6:16])
        assert foreign.status_code == absent.status_code == 404, (row.path, foreign.text)
        assert foreign.json()["error"] == absent.json()["error"]
        assert "foreign-secret-name" not in foreign.text
    # Nothing happened to it.
    assert (await world.driver.app(world.foreign["id"]))["status"] == "running"


async def test_a_foreign_resource_beside_an_own_one_is_refused_too(world):
    token = await world.token(policy.SCOPES, apps=[world.own["id"]])
    mixed = 0
    for row in ROUTES:
        if len(row.targets) < 2 or row.admin:
            continue
        fields = world.fields(row, "own") | dict(list(world.fields(row, "foreign").items())[1:])
        response = await world.call(token, row, fields)
        assert response.status_code == 404, (row.path, response.text)
        mixed += 1
    assert mixed >= 3


async def test_lists_show_a_limited_token_its_own_alone(world):
    token = await world.token(policy.SCOPES, apps=[world.own["id"]])
    for row in ROUTES:
        if not row.lists or row.method != "GET" or row.path in STREAMS:
            continue
        response = await world.call(token, row, {"id": world.own["projectId"]} if row.path.endswith("/get") else {})
        assert "foreign-secret-name" not in response.text, row.path
        assert world.foreign["id"] not in response.text, row.path
    listed = await world.call(token, policy.action_for("GET", "/api/apps"), {})
    assert [app["name"] for app in listed.json()] == ["own-app"]
    history = await world.call(token, policy.action_for("GET", "/api/deployments/history"), {})
    assert {entry["appId"] for entry in history.json()} == {world.own["id"]}
    project = await world.call(token, policy.action_for("GET", "/api/projects/get"), {"id": world.foreign["projectId"]})
    assert project.status_code == 404


async def test_a_limited_token_makes_apps_in_its_own_projects_alone(world):
    body = {"name": "new-one", "gitRepo": "sample:hello-python"}
    row = policy.action_for("POST", "/api/deploy")
    token = await world.token(policy.SCOPES, projects=[world.own["projectId"]])
    assert (await world.call(token, row, body)).status_code == 403
    assert (await world.call(token, row, {**body, "projectId": world.foreign["projectId"]})).status_code == 404
    # Another spelling of the field is no way around.
    assert (await world.call(token, row, {**body, "project_id": world.foreign["projectId"]})).status_code in (400, 403)
    made = await world.call(token, row, {**body, "projectId": world.own["projectId"]})
    assert made.status_code == 200
    assert (
        await world.call(token, policy.action_for("GET", "/api/apps/get"), {"id": made.json()["id"]})
    ).status_code == 200


@pytest.mark.parametrize("profile", policy.PROFILES)
async def test_profiles_reach_what_their_scopes_say_and_no_admin_route(world, profile):
    token = (await world.driver.post("/api/agents/create", name=profile, profile=profile, ratePerMinute=60000))["token"]
    scopes = frozenset(policy.PROFILES[profile])
    for row in ROUTES:
        if row.path in STREAMS:
            continue
        response = await world.call(token, row, world.fields(row, "absent"))
        world.platform.agents.forget_trouble(token[6:16])
        assert (response.status_code == 403) == (not row.allows(scopes)), (row.path, response.text)
        if row.path == "/api/agents/self/revoke":
            token = (await world.driver.post("/api/agents/create", name=profile, profile=profile))["token"]


async def test_get_never_changes_anything(world, settings):
    token = await world.token(policy.SCOPES)
    before = json.dumps((await world.driver.client.get("/api/apps")).json())
    for row in ROUTES:
        if row.method == "POST" and not any(other.path == row.path and other.method == "GET" for other in ROUTES):
            response = await world.driver.client.get(row.path, params=world.fields(row, "own"))
            assert response.status_code in (404, 405), row.path
    assert json.dumps((await world.driver.client.get("/api/apps")).json()) == before
    assert token
