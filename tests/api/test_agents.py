"""The life of an agent token: made, used, narrowed, rotated, suspended, frozen, revoked."""

import asyncio
import contextlib
from datetime import timedelta

import httpx2
import pytest

from better_paas import policy
from better_paas.agents import token as tokens
from better_paas.app import create_app
from better_paas.kit.clock import now
from tests.stored import everything

CANARY = "canary-value-4711"


@contextlib.asynccontextmanager
async def holding(platform, token: str, address: str = "127.0.0.1"):
    transport = httpx2.ASGITransport(app=create_app(platform), raise_app_exceptions=False, client=(address, 1))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        yield client


async def make(driver, **fields) -> dict:
    return await driver.post("/api/agents/create", **{"name": "ci", "scopes": ["apps:read"], **fields})


async def test_the_token_is_shown_once_and_stored_nowhere(driver, settings):
    made = await make(driver, scopes=["apps:read", "logs:read"])
    assert list(made)[:3] == ["id", "name", "note"]
    assert tokens.parse(made["token"]).id == made["id"]
    listed = (await driver.client.get("/api/agents")).json()
    assert [agent["id"] for agent in listed] == [made["id"]]
    assert "token" not in listed[0]
    secret = made["token"][16:]
    stored = everything(settings)
    assert secret.encode() not in stored
    assert secret not in (await driver.client.get("/api/audit-logs")).text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scopes": ["apps:everything"]}, "unknown scope"),
        ({"scopes": []}, "at least one scope"),
        ({"scopes": None}, "needs scopes or a profile"),
        ({"scopes": ["*"]}, "unknown scope"),
        ({"profile": "root"}, "unknown profile"),
        ({"addresses": ["everywhere"]}, "no address"),
        ({"expiresInDays": 0}, "expiresInDays"),
        ({"requireApproval": "never"}, "requireApproval"),
        ({"apps": [], "projects": []}, "at least one"),
        ({"allResources": True, "apps": ["x"]}, "either"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"isAdmin": True}, "isAdmin"),
    ],
)
async def test_what_is_refused(driver, fields, words):
    answer = await driver.post("/api/agents/create", status=400, **{"name": "ci", "scopes": ["apps:read"], **fields})
    assert words in answer["error"]
    assert (await driver.client.get("/api/agents")).json() == []


async def test_unless_it_is_said_a_token_ends_after_ninety_days_and_asks_before_it_destroys(driver):
    from datetime import datetime, timedelta

    made = await make(driver)
    lives = datetime.fromisoformat(made["expiresAt"]) - datetime.fromisoformat(made["createdAt"])
    assert abs(lives - timedelta(days=90)) < timedelta(minutes=1)
    assert made["requireApproval"] == "destructive"
    assert (await make(driver, neverExpires=True))["expiresAt"] is None


async def test_narrowing_rotating_and_deleting_count_from_the_next_call_on(driver, platform):
    made = await make(driver, scopes=["apps:read", "apps:write"])
    async with holding(platform, made["token"]) as agent:
        assert (await agent.get("/api/apps")).status_code == 200
        await driver.post("/api/agents/update", id=made["id"], scopes=["logs:read"])
        assert (await agent.get("/api/apps")).status_code == 403
        await driver.post("/api/agents/update", id=made["id"], scopes=["apps:read"])
        rotated = await driver.post("/api/agents/rotate", id=made["id"])
        assert set(rotated) == {"id", "name", "token", "oldTokenUntil"}
        assert (await agent.get("/api/apps")).status_code == 401
    async with holding(platform, rotated["token"]) as agent:
        assert (await agent.get("/api/apps")).status_code == 200
        await driver.post("/api/agents/delete", id=made["id"])
        assert (await agent.get("/api/apps")).status_code == 401


async def test_an_old_token_in_its_grace_is_flagged(driver, platform):
    made = await make(driver, scopes=["apps:read", "apps:write"])
    await driver.post("/api/agents/rotate", id=made["id"], graceSeconds=3600)
    async with holding(platform, made["token"]) as agent:
        assert (await agent.get("/api/apps")).status_code == 200
        await agent.post("/api/apps/stop", json={"id": "none"})
    entry = (await driver.client.get("/api/audit-logs", params={"actor": made["id"]})).json()[0]
    assert entry["payload"]["oldToken"] is True
    await driver.post("/api/agents/rotate", id=made["id"], status=400, graceSeconds=8 * 86400)


async def test_addresses_rates_and_deployments_an_hour(driver, platform):
    made = await make(driver, addresses=["203.0.113.0/24"], scopes=["apps:read", "apps:write", "deploy:trigger"])
    async with holding(platform, made["token"]) as agent:
        answer = await agent.get("/api/apps")
        assert (answer.status_code, answer.json()["error"]) == (
            403,
            "Forbidden: this token may not be used from this address",
        )
    async with holding(platform, made["token"], "203.0.113.5") as agent:
        assert (await agent.get("/api/apps")).status_code == 200
    slow = await make(driver, ratePerMinute=3)
    async with holding(platform, slow["token"]) as agent:
        assert [(await agent.get("/api/apps")).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert int((await agent.get("/api/apps")).headers["Retry-After"]) >= 1
    few = await make(driver, scopes=["apps:read", "apps:write", "deploy:trigger"], deploysPerHour=1)
    async with holding(platform, few["token"]) as agent:
        body = {"name": "one", "gitRepo": "sample:hello-python"}
        first = await agent.post("/api/deploy", json=body)
        assert first.status_code == 200
        second = await agent.post("/api/apps/redeploy", json={"id": first.json()["id"]})
        assert (second.status_code, second.headers["Retry-After"]) == (429, "600")
        assert (await agent.get("/api/agents/self")).json()["deploysLeft"] == 0
    await driver.ended(first.json()["deploymentId"])


async def test_a_budget_counts_what_runs_and_outlasts_a_restart(driver, platform):
    app = await driver.live("shop")
    few = await make(
        driver, scopes=["apps:read", "apps:write", "deploy:trigger"], deploysPerHour=2, requireApproval="all"
    )
    body = {"id": app["id"]}
    async with holding(platform, few["token"]) as agent:
        assert (await agent.post("/api/apps/redeploy", json={"id": 7})).status_code == 400
        asked = (await agent.post("/api/apps/redeploy", json=body)).json()
        assert (await agent.get("/api/agents/self")).json()["deploysLeft"] == 2
        await driver.post("/api/approvals/approve", id=asked["approvalId"])
        ran = await agent.post("/api/apps/redeploy", json=body)
        assert ran.status_code == 200
        assert (await agent.get("/api/agents/self")).json()["deploysLeft"] == 1
        await driver.ended(ran.json()["deploymentId"])
        platform.agents.remove([few["id"]])
        await platform._load_agents()
        await platform._recall_deployments()
        assert (await agent.get("/api/agents/self")).json()["deploysLeft"] == 1


async def test_what_a_token_knows_of_itself(driver, platform):
    app = await driver.live("shop")
    made = await make(driver, scopes=["apps:read", "apps:delete"], apps=[app["id"]])
    async with holding(platform, made["token"]) as agent:
        own = (await agent.get("/api/agents/self")).json()
    assert own["apps"] == [{"id": app["id"], "name": "shop"}]
    assert own["needsApproval"] == ["app:delete", "project:delete"]
    assert own["expiresAt"] == made["expiresAt"]
    assert "Only in app shop." in own["can"]
    assert own["callsLeft"] < own["ratePerMinute"] == 600


async def test_a_child_is_narrower_in_every_dimension_and_goes_with_its_parent(driver, platform):
    one, two = await driver.live("one"), await driver.live("two")
    parent = await make(
        driver, scopes=["apps:read", "logs:read"], apps=[one["id"]], addresses=["127.0.0.0/8"], ratePerMinute=100,
        deploysPerHour=5, expiresInDays=10, requireApproval="destructive",
    )  # fmt: skip
    async with holding(platform, parent["token"]) as agent:
        wider = (
            {"scopes": ["apps:write"]}, {"apps": [two["id"]]}, {"allResources": True}, {"projects": [one["projectId"]]},
            {"addresses": ["0.0.0.0/0"]}, {"addresses": []}, {"ratePerMinute": 101}, {"deploysPerHour": 6},
            {"deploysPerHour": 0}, {"expiresInDays": 11}, {"neverExpires": True}, {"requireApproval": "none"},
        )  # fmt: skip
        for fields in wider:
            body = {"name": "child", "scopes": ["apps:read"], **fields}
            answer = await agent.post("/api/agents/self/child", json=body)
            assert answer.status_code == 403, (fields, answer.text)
        child = (await agent.post("/api/agents/self/child", json={"name": "child", "scopes": ["apps:read"]})).json()
        assert child["parentId"] == parent["id"]
        # It manages nobody, not even itself, through the routes for people.
        assert (
            await agent.post("/api/agents/update", json={"id": parent["id"], "scopes": ["apps:write"]})
        ).status_code == 403
    async with holding(platform, child["token"]) as agent:
        assert [app["name"] for app in (await agent.get("/api/apps")).json()] == ["one"]
        await driver.post("/api/agents/update", id=parent["id"], scopes=["logs:read"])
        assert (await agent.get("/api/apps")).status_code == 403
        await driver.post("/api/agents/delete", id=parent["id"])
        assert (await agent.get("/api/apps")).status_code == 401


async def test_a_manager_of_tokens_reaches_those_that_it_made_and_no_others(driver, platform):
    other = await make(driver)
    manager = await make(driver, scopes=["apps:read", "agent:admin"], requireApproval="none")
    async with holding(platform, manager["token"]) as agent:
        made = (await agent.post("/api/agents/create", json={"name": "mine", "scopes": ["apps:read"]})).json()
        assert [found["id"] for found in (await agent.get("/api/agents")).json()] == [made["id"]]
        assert (await agent.post("/api/agents/create", json={"name": "x", "scopes": ["apps:write"]})).status_code == 403
        for call in ("update", "rotate", "delete"):
            for foreign in (other["id"], manager["id"], "absent0000"):
                assert (await agent.post(f"/api/agents/{call}", json={"id": foreign})).status_code == 404
        platform.agents.forget_trouble(manager["id"])
        assert (await agent.post("/api/agents/rotate", json={"id": made["id"]})).status_code == 200
        for call in ("/api/agents/freeze", "/api/agents/resume", "/api/approvals/approve", "/api/keys/rotate"):
            answer = await agent.post(call, json={"id": manager["id"], "frozen": False})
            assert answer.json()["error"] == "Forbidden: admin token required"


async def test_revoking_itself_and_reporting_a_leak(driver, platform, anonymous):
    first, second = await make(driver), await make(driver)
    async with holding(platform, first["token"]) as agent:
        assert (await agent.post("/api/agents/self/revoke")).json() == {"status": "deleted", "deleted": [first["id"]]}
        assert (await agent.get("/api/apps")).status_code == 401
    del anonymous.headers["Authorization"]
    assert (await anonymous.post("/api/token-report", json={"token": second["token"]})).json() == {"status": "received"}
    assert (await anonymous.post("/api/token-report", json={"token": second["token"]})).json() == {"status": "received"}
    async with holding(platform, second["token"]) as agent:
        assert (await agent.get("/api/apps")).status_code == 401


async def test_freezing_leaves_reading_alone(driver, platform):
    app = await driver.live("shop")
    made = await make(driver, scopes=list(policy.SCOPES))
    await driver.post("/api/agents/freeze", frozen=True)
    async with holding(platform, made["token"]) as agent:
        assert (await agent.get("/api/apps")).status_code == 200
        answer = await agent.post("/api/apps/stop", json={"id": app["id"]})
        assert (answer.status_code, "frozen" in answer.json()["error"]) == (403, True)
        await driver.post("/api/agents/freeze", frozen=False)
        assert (await agent.post("/api/apps/stop", json={"id": app["id"]})).status_code == 200


async def test_many_denials_suspend_a_token_until_a_person_resumes_it(driver, platform):
    made = await make(driver)
    async with holding(platform, made["token"]) as agent:
        answers = [(await agent.get("/api/agents")).status_code for _ in range(platform.settings.agent_suspend_denials)]
        assert set(answers) == {403}
        answer = await agent.get("/api/apps")
        assert answer.json()["error"] == "Forbidden: this token is suspended"
        listed = (await driver.client.get("/api/agents")).json()[0]
        assert "30 denials within 5 min" in listed["suspendedReason"]
        entries = (await driver.client.get("/api/audit-logs", params={"action": "agent:suspend"})).json()
        assert [entry["resourceId"] for entry in entries] == [made["id"]]
        await driver.post("/api/agents/resume", id=made["id"])
        assert (await agent.get("/api/apps")).status_code == 200


async def test_agents_read_no_secret_also_none_that_only_looks_like_one(driver, platform):
    variables = {
        "FLAGGED": f"{CANARY}-1", "DATABASE_URL": f"postgres://u:{CANARY}-2@db/x", "STRIPE_API_KEY": f"{CANARY}-3",
        "PLAIN": "visible",
    }  # fmt: skip
    app = await driver.live("shop", envVars=variables, secretKeys=["FLAGGED"], gitToken=f"{CANARY}-4")
    made = await make(driver, scopes=list(policy.SCOPES), requireApproval="none")
    async with holding(platform, made["token"]) as agent:
        seen = [
            await agent.get("/api/apps"), await agent.get("/api/apps/get", params={"id": app["id"]}),
            await agent.get("/api/projects"), await agent.get("/api/projects/get", params={"id": app["projectId"]}),
            await agent.post("/api/apps/update", json={"id": app["id"], "branch": "main"}),
            await agent.post("/api/apps/redeploy", json={"id": app["id"]}),
        ]  # fmt: skip
        for answer in seen:
            assert answer.status_code == 200, answer.text
            assert CANARY not in answer.text
        assert seen[1].json()["envVars"]["PLAIN"] == "visible"
        # What it got as *** it may send back: nothing is lost by that.
        await agent.post("/api/apps/update", json={"id": app["id"], "envVars": seen[1].json()["envVars"]})
        # Taking away the mark does not show the value.
        answer = await agent.post(
            "/api/apps/update", json={"id": app["id"], "secretKeys": [], "envVars": {"FLAGGED": "***"}}
        )
        assert answer.status_code == 400
    await driver.ended(seen[5].json()["deploymentId"])
    assert (await driver.app(app["id"]))["envVars"]["DATABASE_URL"] == variables["DATABASE_URL"]


async def test_use_is_written_in_batches(driver, platform):
    made = await make(driver)
    async with holding(platform, made["token"], "203.0.113.4") as agent:
        for _ in range(7):
            await agent.get("/api/apps")
    await platform.agent_watch.flush()
    listed = (await driver.client.get("/api/agents")).json()[0]
    assert (listed["uses"], listed["lastAddress"]) == (7, "203.0.113.4")
    assert listed["lastUsedAt"]


class Connection:
    """One to the application itself: what it sends, and how it ends."""

    def __init__(self, platform, kind: str, path: str, token: str) -> None:
        self.received: asyncio.Queue[dict] = asyncio.Queue()
        self._begin = {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}
        path, _, query = path.partition("?")
        scope = {
            "type": kind, "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode(),
            "query_string": query.encode(), "root_path": "", "scheme": "http", "server": ("test", 80),
            "client": ("127.0.0.1", 1), "extensions": {"websocket.http.response": {}}, "subprotocols": [],
            "headers": [(b"authorization", f"Bearer {token}".encode()), (b"host", b"test")],
        }  # fmt: skip
        self.task = asyncio.create_task(create_app(platform)(scope, self._receive, self.received.put))

    async def _receive(self) -> dict:
        begin, self._begin = self._begin, None
        return begin or await asyncio.Event().wait()

    async def until(self, kind: str) -> dict:
        async with asyncio.timeout(10):
            while (message := await self.received.get())["type"] != kind:
                pass
        return message


async def deleted(driver, agent):
    await driver.post("/api/agents/delete", id=agent["id"])


async def narrowed(driver, agent):
    await driver.post("/api/agents/update", id=agent["id"], scopes=["metrics:read"])


async def limited(driver, agent):
    project = await driver.post("/api/projects/create", name="other")
    await driver.post("/api/agents/update", id=agent["id"], projects=[project["id"]], allResources=False)


@pytest.mark.parametrize("change", [deleted, narrowed, limited])
async def test_open_streams_are_cut_at_once_when_the_token_changes(driver, platform, change):
    """Sooner than anything is looked for by the clock."""
    platform.runtime.goes_on = True
    app = await driver.live()
    agent = await make(driver, scopes=["apps:read", "logs:read"])
    events = Connection(platform, "http", f"/api/apps/runtime-logs/stream?id={app['id']}", agent["token"])
    assert (await events.until("http.response.start"))["status"] == 200
    socket = Connection(platform, "websocket", f"/ws/runtime-logs?appId={app['id']}", agent["token"])
    await socket.until("websocket.accept")
    await driver.post("/api/agents/update", id=agent["id"], note="nothing that matters to them")
    await asyncio.sleep(0.1)
    assert not events.task.done() and not socket.task.done()
    await change(driver, agent)
    assert (await socket.until("websocket.close"))["code"] == 4401
    await asyncio.wait_for(asyncio.gather(events.task, socket.task), 5)


async def test_an_expired_token_cuts_its_streams(driver, platform, monkeypatch):
    from better_paas.access import streams

    monkeypatch.setattr(streams, "_RECHECK_SECONDS", 0.05)
    agent = await make(driver, expiresInDays=1)
    events = Connection(platform, "http", "/api/events", agent["token"])
    await events.until("http.response.start")
    moment = now() + timedelta(days=2)
    monkeypatch.setattr("better_paas.access.authenticate.now", lambda: moment)
    await asyncio.wait_for(events.task, 5)


async def test_a_stored_deploy_token_goes_to_its_own_address_alone(driver, platform):
    app = await driver.live("shop", gitRepo="sample:hello-python")
    await driver.post("/api/apps/update", id=app["id"], gitRepo="https://git.example.com/a/b", gitToken=CANARY)
    made = await make(driver, scopes=["apps:read", "apps:write"], requireApproval="none")
    async with holding(platform, made["token"]) as agent:
        for address in (
            "https://evil.example.com/a/b",
            "http://git.example.com/a/b",
            "https://git.example.com/other/b",
        ):
            for token in ({}, {"gitToken": "***"}):
                answer = await agent.post("/api/apps/update", json={"id": app["id"], "gitRepo": address, **token})
                assert (answer.status_code, "another address" in answer.json()["error"]) == (400, True)
        answer = await agent.post(
            "/api/apps/update", json={"id": app["id"], "gitRepo": "https://git.example.com/other/b", "gitToken": ""}
        )
        assert (answer.status_code, answer.json()["gitToken"]) == (200, "")


async def test_a_token_that_goes_while_its_body_is_on_the_way_does_nothing(driver, platform):
    app = await driver.live("shop")
    made = await make(driver, scopes=["apps:read", "apps:delete"], requireApproval="none")
    gone, status = asyncio.Event(), []

    async def slow_body():
        yield b'{"id": '
        await gone.wait()
        yield f'"{app["id"]}"}}'.encode()

    async with holding(platform, made["token"]) as agent:
        call = asyncio.create_task(agent.post("/api/apps/delete", content=slow_body()))
        await asyncio.sleep(0.1)
        await driver.post("/api/agents/delete", id=made["id"])
        gone.set()
        status.append((await call).status_code)
    assert status == [401]
    assert (await driver.app(app["id"]))["status"] == "running"


async def test_children_share_budget_and_suspension(driver, platform):
    made = await make(
        driver, scopes=["apps:read", "apps:write", "deploy:trigger"], deploysPerHour=2, requireApproval="none"
    )
    async with holding(platform, made["token"]) as agent:
        children = [
            (
                await agent.post(
                    "/api/agents/self/child",
                    json={"name": "c", "profile": None, "scopes": ["apps:read", "apps:write", "deploy:trigger"]},
                )
            ).json()["token"]
            for _ in range(3)
        ]
    body = {"name": "one", "gitRepo": "sample:hello-python"}
    codes, deployments = [], []
    for child in children:
        async with holding(platform, child) as agent:
            answer = await agent.post("/api/deploy", json=body)
            codes.append(answer.status_code)
            deployments += [answer.json()["deploymentId"]] if answer.status_code == 200 else []
            for _ in range(12):
                await agent.get("/api/agents")
    assert codes == [200, 200, 429]
    listed = {found["id"]: found["suspendedAt"] for found in (await driver.client.get("/api/agents")).json()}
    assert listed[made["id"]]
    for deployment in deployments:
        await driver.ended(deployment)


async def test_a_replaced_token_makes_no_token_that_would_outlive_it(driver, platform):
    made = await make(driver)
    await driver.post("/api/agents/rotate", id=made["id"], graceSeconds=60)
    async with holding(platform, made["token"]) as agent:
        answer = await agent.post("/api/agents/self/child", json={"name": "c", "scopes": ["apps:read"]})
        assert answer.status_code == 403
        assert (await agent.get("/api/apps")).status_code == 200


async def test_a_stolen_token_at_a_foreign_address_leaves_a_trace(driver, platform):
    made = await make(driver, addresses=["203.0.113.0/24"])
    async with holding(platform, made["token"], "198.51.100.9") as thief:
        for _ in range(30):
            assert (await thief.get("/api/apps")).status_code == 403
    await asyncio.sleep(0.1)
    entries = (await driver.client.get("/api/audit-logs", params={"actor": made["id"]})).json()
    assert {(entry["ipAddress"], entry["outcome"]) for entry in entries} == {("198.51.100.9", "denied")}
    assert len(entries) == 10


async def test_passwords_in_addresses_are_logged_nowhere(driver, platform):
    for address in (
        f"{CANARY}@github.com/o/r",
        f"x-access-token:{CANARY}@github.com/o/r",
        f"https://u:{CANARY}@github.com/o/r",
    ):
        await driver.client.post("/api/git/branches", json={"gitRepo": address})
        await driver.client.post("/api/deploy/plan", json={"gitRepo": address})
        app = (await driver.client.post("/api/deploy", json={"name": "x-app", "gitRepo": address})).json()
        if "deploymentId" in app:
            await driver.ended(app["deploymentId"])
    assert CANARY not in (await driver.client.get("/api/audit-logs/export")).text


async def test_what_an_app_answers_to_the_probe_shows_no_secret(driver, platform, monkeypatch):
    from better_paas.runtime import probe

    app = await driver.live("shop", envVars={"KEY": CANARY}, secretKeys=["KEY"], healthPath="/health")
    await driver.post("/api/apps/stop", id=app["id"])

    async def unhealthy(port, path, good_status):
        return probe.Probe(False, "the health path answered 500", f"env: {CANARY}")

    monkeypatch.setattr(probe, "once", unhealthy)
    answer = await driver.client.post("/api/apps/start", json={"id": app["id"]})
    assert answer.status_code == 503
    assert answer.json()["quoted"] == "env: ***"
    assert "env:" not in answer.json()["error"] + answer.json()["hint"]
    assert CANARY not in answer.text + (await driver.client.get("/api/audit-logs/export")).text
