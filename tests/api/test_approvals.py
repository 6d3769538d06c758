"""A call that a person has to approve: bound to its arguments and to the state of what it touches, once."""

import asyncio
from datetime import timedelta

import pytest

from better_paas import policy
from tests.api.test_agents import holding, make


@pytest.fixture
async def shop(driver):
    return await driver.live("shop", volumes=["data:/data"], domains=["a.example.com", "b.example.com"])


async def token_of(driver, **fields) -> dict:
    return await make(driver, scopes=["apps:read", "apps:write", "apps:delete"], **fields)


async def test_a_destructive_call_waits_says_what_it_would_do_and_then_runs_once(driver, platform, shop):
    made = await token_of(driver)
    async with holding(platform, made["token"]) as agent:
        answer = await agent.post("/api/apps/delete", json={"id": shop["id"]})
        asked = answer.json()
        assert answer.status_code == 202
        assert set(asked) == {"status", "approvalId", "url", "expiresAt", "summary", "quoted"}
        assert asked["status"] == "approval_required"
        assert asked["url"] == f"http://test/approvals?id={asked['approvalId']}"
        assert asked["summary"] == ("Puts app shop into the trash: running, 2 domains, 1 deployment, 1 volume kept.")
        assert asked["quoted"] == "domains a.example.com, b.example.com; volumes data 1.2 GB"
        # Asking again is the same question, and nothing has happened.
        assert (await agent.post("/api/apps/delete", json={"id": shop["id"]})).json()["approvalId"] == asked[
            "approvalId"
        ]
        own = await agent.get("/api/approvals/get", params={"id": asked["approvalId"]})
        assert own.json()["status"] == "pending"
        assert (await driver.app(shop["id"]))["status"] == "running"

        waiting = (await driver.client.get("/api/approvals")).json()
        assert [(entry["id"], entry["agentName"]) for entry in waiting] == [(asked["approvalId"], "ci")]
        await driver.post("/api/approvals/approve", id=asked["approvalId"])
        assert (await agent.post("/api/apps/delete", json={"id": shop["id"]})).json() == {"status": "deleted"}
        assert (await driver.client.get("/api/approvals", params={"status": "all"})).json()[0]["status"] == "used"
        # The yes is used up.
        assert (await agent.post("/api/apps/delete", json={"id": shop["id"]})).status_code in (202, 404)
    entries = (await driver.client.get("/api/audit-logs", params={"actor": made["id"]})).json()
    outcomes = [(entry["outcome"], entry["approvalId"]) for entry in entries if entry["action"] == "app:delete"]
    assert ("success", asked["approvalId"]) in outcomes
    assert ("intent", asked["approvalId"]) in outcomes
    assert ("pending", asked["approvalId"]) in outcomes


async def test_a_no_is_a_no(driver, platform, shop):
    made = await token_of(driver)
    async with holding(platform, made["token"]) as agent:
        asked = (await agent.post("/api/apps/delete", json={"id": shop["id"]})).json()
        await driver.post("/api/approvals/deny", id=asked["approvalId"], reason="Not before Monday.")
        answer = await agent.post("/api/apps/delete", json={"id": shop["id"]})
        assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden: a person refused this call")
        assert answer.json()["hint"] == "They say: Not before Monday."
        await driver.post("/api/approvals/approve", status=409, id=asked["approvalId"])
    assert (await driver.app(shop["id"]))["status"] == "running"


async def test_other_arguments_another_token_and_a_changed_app_are_other_questions(driver, platform, shop):
    first, second = await token_of(driver), await token_of(driver)
    body = {"id": shop["id"], "domain": "a.example.com"}
    async with holding(platform, first["token"]) as agent, holding(platform, second["token"]) as other:
        asked = (await agent.post("/api/apps/domains/remove", json=body)).json()
        await driver.post("/api/approvals/approve", id=asked["approvalId"])
        changed = await agent.post("/api/apps/domains/remove", json={**body, "domain": "b.example.com"})
        assert (changed.status_code, changed.json()["approvalId"] != asked["approvalId"]) == (202, True)
        assert (await other.post("/api/apps/domains/remove", json=body)).status_code == 202
        assert (await other.get("/api/approvals/get", params={"id": asked["approvalId"]})).status_code == 404
        # What the person looked at is no longer what is there.
        await driver.post("/api/apps/update", id=shop["id"], branch="next")
        again = await agent.post("/api/apps/domains/remove", json=body)
        assert (again.status_code, again.json()["approvalId"] != asked["approvalId"]) == (202, True)
    assert (await driver.app(shop["id"]))["domains"] == ["a.example.com", "b.example.com"]


async def test_it_ends_after_a_quarter_of_an_hour(driver, platform, shop, monkeypatch):
    from better_paas.approvals import service

    made = await token_of(driver)
    async with holding(platform, made["token"]) as agent:
        monkeypatch.setattr(service, "LIFETIME", timedelta(seconds=-1))
        asked = (await agent.post("/api/apps/delete", json={"id": shop["id"]})).json()
        monkeypatch.undo()
        await driver.post("/api/approvals/approve", status=409, id=asked["approvalId"])
        assert (await driver.client.get("/api/approvals")).json() == []
        again = (await agent.post("/api/apps/delete", json={"id": shop["id"]})).json()
        assert again["approvalId"] != asked["approvalId"]
    assert timedelta(minutes=15) == service.LIFETIME


async def test_a_yes_is_used_by_one_of_many_calls_at_once(driver, platform, shop):
    made = await token_of(driver, requireApproval="all")
    async with holding(platform, made["token"]) as agent:
        asked = (await agent.post("/api/apps/stop", json={"id": shop["id"]})).json()
        await driver.post("/api/approvals/approve", id=asked["approvalId"])
        answers = await asyncio.gather(*(agent.post("/api/apps/stop", json={"id": shop["id"]}) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [202] * 9


async def test_no_token_approves_whatever_its_scopes(driver, platform, shop):
    made = await make(driver, scopes=list(policy.SCOPES), requireApproval="destructive")
    async with holding(platform, made["token"]) as agent:
        asked = (await agent.post("/api/apps/delete", json={"id": shop["id"]})).json()
        for path in ("/api/approvals/approve", "/api/approvals/deny"):
            answer = await agent.post(path, json={"id": asked["approvalId"]})
            assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden: admin token required")
        assert (await agent.get("/api/approvals")).status_code == 403
        # Nor does it lower what it is asked for.
        answer = await agent.post("/api/agents/update", json={"id": made["id"], "requireApproval": "none"})
        assert answer.status_code == 404


async def test_values_of_variables_are_in_no_question(driver, platform, shop):
    made = await token_of(driver, requireApproval="all")
    async with holding(platform, made["token"]) as agent:
        body = {"id": shop["id"], "envVars": {"KEY": "canary-approval-1"}, "gitToken": "canary-approval-2"}
        asked = (await agent.post("/api/apps/update", json=body)).json()
        assert asked["summary"] == "Changes app shop: the deploy token, 1 variable."
        assert asked["quoted"] == "variables KEY"
    shown = (await driver.client.get("/api/approvals")).text + (await driver.client.get("/api/audit-logs")).text
    assert "canary-approval" not in shown


async def test_a_token_can_not_flood_people_with_questions(driver, platform, shop):
    made = await token_of(driver, requireApproval="all")
    async with holding(platform, made["token"]) as agent:
        answers = [
            (await agent.post("/api/apps/rename", json={"id": shop["id"], "name": f"shop-{number}"})).status_code
            for number in range(22)
        ]
    assert answers == [202] * 20 + [429] * 2


async def test_what_the_person_sees_is_what_the_endpoint_gets(driver, platform, shop):
    made = await token_of(driver, requireApproval="all")
    async with holding(platform, made["token"]) as agent:
        # Blanks around a name are taken away before anybody looks.
        asked = (
            await agent.post("/api/apps/domains/remove", json={"id": shop["id"], "domain": " a.example.com "})
        ).json()
        assert (asked["summary"][:29], asked["quoted"]) == ("Takes a domain from app shop:", "a.example.com")
        # Other spellings of a field are no fields.
        answer = await agent.post("/api/apps/update", json={"id": shop["id"], "build_command": "curl evil"})
        assert answer.status_code == 400
        # A long value is cut where it shows.
        await agent.post("/api/apps/update", json={"id": shop["id"], "buildCommand": "x" * 700})
        shown = (await driver.client.get("/api/approvals")).json()[0]["payload"]["buildCommand"]
        assert shown.endswith("… (700 characters)")
        # Control characters reach no terminal.
        await agent.post("/api/apps/domains/remove", json={"id": shop["id"], "domain": "a.example.com"})
    for entry in (await driver.client.get("/api/approvals")).json():
        assert entry["summary"].isprintable()
        assert len(entry["summary"]) < 700


@pytest.mark.parametrize("change", [{"domains": []}, {"domains": ["a.example.com"]}, {"envVars": {}}, {"volumes": []}])
async def test_an_update_that_takes_something_away_asks(driver, platform, shop, change):
    await driver.post("/api/apps/update", id=shop["id"], envVars={"KEY": "secret-value"})
    made = await token_of(driver)
    async with holding(platform, made["token"]) as agent:
        answer = await agent.post("/api/apps/update", json={"id": shop["id"], **change})
        assert answer.status_code == 202, answer.text
        assert "Takes away" in answer.json()["summary"]
        kept = {"envVars": {"KEY": "***", "MORE": "1"}, "domains": ["a.example.com", "b.example.com", "c.example.com"]}
        assert (await agent.post("/api/apps/update", json={"id": shop["id"], **kept})).status_code == 200


async def test_repeating_a_question_is_one_question(driver, platform, shop):
    made = await token_of(driver)
    async with holding(platform, made["token"]) as agent:
        for _ in range(10):
            assert (await agent.post("/api/apps/delete", json={"id": shop["id"]})).status_code == 202
    entries = (await driver.client.get("/api/audit-logs", params={"actor": made["id"], "outcome": "pending"})).json()
    assert len(entries) == 1
