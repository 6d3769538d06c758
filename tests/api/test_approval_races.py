"""Approvals while others act at the same moment, and calls that only look like the one that was approved."""

import asyncio
import unicodedata
from datetime import timedelta

import pytest

from better_paas import policy
from better_paas.approvals import service
from better_paas.approvals.impact import impact_of
from better_paas.approvals.models import Approval
from tests.api.test_agents import holding, make

SCOPES = ["apps:read", "apps:write", "apps:delete"]


@pytest.fixture
async def shop(driver):
    return await driver.live("shop", volumes=["data:/data"], domains=["a.example.com", "b.example.com"], watchMinutes=0)


@pytest.fixture
async def made(driver):
    return await make(driver, scopes=SCOPES, requireApproval="all")


@pytest.fixture
async def agent(platform, made):
    async with holding(platform, made["token"]) as client:
        yield client


async def asked(agent, path: str, **body) -> str:
    answer = await agent.post(path, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["approvalId"]


async def outcomes(driver, action: str) -> list[str]:
    entries = (await driver.client.get("/api/audit-logs", params={"action": action, "limit": 200})).json()
    return [entry["outcome"] for entry in entries]


@pytest.mark.parametrize("other", ["approve", "deny"])
async def test_two_answers_at_once_are_one(driver, agent, shop, other):
    approval = await asked(agent, "/api/apps/stop", id=shop["id"])
    answers = await asyncio.gather(
        driver.client.post("/api/approvals/approve", json={"id": approval}),
        driver.client.post(f"/api/approvals/{other}", json={"id": approval}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner = next(answer.json()["status"] for answer in answers if answer.status_code == 200)
    assert (await driver.client.get("/api/approvals/get", params={"id": approval})).json()["status"] == winner
    ran = await agent.post("/api/apps/stop", json={"id": shop["id"]})
    assert ran.status_code == {"approved": 200, "denied": 403}[winner]


async def test_a_yes_while_the_agent_asks_again_and_again_runs_one_call(driver, agent, shop):
    body = {"id": shop["id"], "domain": "a.example.com"}
    approval = await asked(agent, "/api/apps/domains/remove", **body)
    calls = [agent.post("/api/apps/domains/remove", json=body) for _ in range(12)]
    yes = driver.client.post("/api/approvals/approve", json={"id": approval})
    *answers, decided = await asyncio.gather(*calls, yes)
    assert decided.status_code == 200
    late = await agent.post("/api/apps/domains/remove", json=body)
    answers.append(late)
    assert [answer.status_code for answer in answers].count(200) == 1
    assert set(answer.status_code for answer in answers) == {200, 202}
    assert (await outcomes(driver, "app:domain_remove")).count("success") == 1
    assert (await driver.app(shop["id"]))["domains"] == ["b.example.com"]


async def test_the_same_yes_for_many_calls_deletes_once(driver, agent, shop):
    approval = await asked(agent, "/api/apps/delete", id=shop["id"])
    await driver.post("/api/approvals/approve", id=approval)
    answers = await asyncio.gather(*(agent.post("/api/apps/delete", json={"id": shop["id"]}) for _ in range(8)))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert (await outcomes(driver, "app:delete")).count("success") == 1


async def revoke(driver, made):
    await driver.post("/api/agents/delete", id=made["id"])


async def rotate(driver, made):
    await driver.post("/api/agents/rotate", id=made["id"])


async def narrow(driver, made):
    await driver.post("/api/agents/update", id=made["id"], scopes=["apps:read"])


async def confine(driver, made):
    other = await driver.live("other", watchMinutes=0)
    await driver.post("/api/agents/update", id=made["id"], apps=[other["id"]])


async def freeze(driver, made):
    await driver.post("/api/agents/freeze", frozen=True)


TAKEN = {revoke: 401, rotate: 401, narrow: 403, confine: 404, freeze: 403}


@pytest.mark.parametrize("take", TAKEN)
async def test_a_yes_outlives_no_right(driver, agent, made, shop, take):
    approval = await asked(agent, "/api/apps/delete", id=shop["id"])
    await driver.post("/api/approvals/approve", id=approval)
    await take(driver, made)
    assert (await agent.post("/api/apps/delete", json={"id": shop["id"]})).status_code == TAKEN[take]
    assert (await driver.app(shop["id"]))["status"] == "running"


@pytest.mark.parametrize("take", TAKEN)
async def test_a_right_that_goes_while_the_question_is_looked_at_stops_the_call(
    driver, platform, agent, made, shop, take, monkeypatch
):
    """Volumes are measured before a person's yes is used, which takes seconds where they are large."""
    approval = await asked(agent, "/api/apps/delete", id=shop["id"])
    await driver.post("/api/approvals/approve", id=approval)
    real, measuring, go_on = platform.runtime.volumes, asyncio.Event(), asyncio.Event()

    async def slowly(known):
        measuring.set()
        await go_on.wait()
        return await real(known)

    monkeypatch.setattr(platform.runtime, "volumes", slowly)
    call = asyncio.create_task(agent.post("/api/apps/delete", json={"id": shop["id"]}))
    await asyncio.wait_for(measuring.wait(), 10)
    await take(driver, made)
    go_on.set()
    assert (await call).status_code == TAKEN[take]
    assert (await driver.app(shop["id"]))["status"] == "running"
    assert "success" not in await outcomes(driver, "app:delete")


async def test_a_suspended_token_s_yes_waits_for_it(driver, platform, agent, made, shop):
    approval = await asked(agent, "/api/apps/stop", id=shop["id"])
    await driver.post("/api/approvals/approve", id=approval)
    for _ in range(platform.settings.agent_suspend_denials):
        await agent.post("/api/agents/freeze", json={"frozen": True})
    assert (await agent.post("/api/apps/stop", json={"id": shop["id"]})).status_code in (401, 403)
    assert (await driver.app(shop["id"]))["status"] == "running"
    await driver.post("/api/agents/resume", id=made["id"])
    assert (await agent.post("/api/apps/stop", json={"id": shop["id"]})).status_code == 200


async def test_a_token_that_is_gone_can_not_be_answered(driver, agent, made, shop):
    approval = await asked(agent, "/api/apps/delete", id=shop["id"])
    await asyncio.gather(revoke(driver, made), asyncio.sleep(0))
    assert (await driver.client.post("/api/approvals/approve", json={"id": approval})).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/apps/update", {"memory": "300m"}),
        ("/api/apps/domains/add", {"domain": "c.example.com"}),
        ("/api/apps/domains/update", {"domain": "b.example.com", "redirectTo": "a.example.com"}),
        ("/api/apps/routing", {"maxBodyMb": 5}),
        ("/api/apps/rename", {"name": "boutique"}),
        ("/api/apps/redeploy", {}),
        ("/api/apps/stop", {}),
    ],
)
async def test_what_changed_between_the_question_and_the_call_is_another_question(driver, agent, shop, path, body):
    wish = {"id": shop["id"], "domain": "a.example.com"}
    approval = await asked(agent, "/api/apps/domains/remove", **wish)
    await driver.post("/api/approvals/approve", id=approval)
    changed = await driver.post(path, id=shop["id"], **body)
    if "deploymentId" in changed:
        await driver.ended(changed["deploymentId"])
    assert await asked(agent, "/api/apps/domains/remove", **wish) != approval
    assert "a.example.com" in (await driver.app(shop["id"]))["domains"]


async def test_a_token_that_changed_is_another_question(driver, platform, made):
    """What is asked of a token: `app:delete` and the like are of apps, this one is of what makes tokens."""
    before = await platform.database.read(lambda session: _agent_version(session, made["id"]))
    for change in ({"name": "other"}, {"ratePerMinute": 7}, {"requireApproval": "none"}, {"expiresInDays": 3}):
        await driver.post("/api/agents/update", id=made["id"], **change)
        after = await platform.database.read(lambda session: _agent_version(session, made["id"]))
        assert after != before
        before = after


def _agent_version(session, agent_id: str) -> str:
    return impact_of(session, policy.action_for("POST", "/api/agents/delete"), agent_id, {"id": agent_id}).version


async def test_the_order_of_a_body_is_no_other_call(driver, agent, shop):
    approval = await asked(agent, "/api/apps/update", id=shop["id"], memory="300m", cpus="0.5")
    assert await asked(agent, "/api/apps/update", cpus="0.5", memory="300m", id=shop["id"]) == approval
    # A number is the number that the endpoint gets.
    port = await asked(agent, "/api/apps/update", id=shop["id"], portOverride=9000)
    assert await asked(agent, "/api/apps/update", id=shop["id"], portOverride=9000.0) == port
    assert await asked(agent, "/api/apps/update", id=shop["id"], portOverride=9001) != port
    # The order of a list is part of what it says.
    both = await asked(agent, "/api/apps/update", id=shop["id"], domains=["a.example.com", "c.example.com"])
    assert await asked(agent, "/api/apps/update", id=shop["id"], domains=["c.example.com", "a.example.com"]) != both


async def test_letters_that_look_alike_are_other_calls(driver, agent, shop):
    composed = unicodedata.normalize("NFC", "echo café")
    approval = await asked(agent, "/api/apps/update", id=shop["id"], startCommand=composed)
    await driver.post("/api/approvals/approve", id=approval)
    for other in (unicodedata.normalize("NFD", composed), composed.replace("e", "е"), f"{composed}\u200b"):
        assert await asked(agent, "/api/apps/update", id=shop["id"], startCommand=other) != approval
    done = await agent.post("/api/apps/update", json={"id": shop["id"], "startCommand": composed})
    assert (done.status_code, done.json()["startCommand"]) == (200, composed)


async def test_a_field_that_is_there_twice_is_asked_as_it_is_done(driver, agent, shop):
    body = f'{{"id": "{shop["id"]}", "domain": "a.example.com", "domain": "b.example.com"}}'
    send = {"content": body, "headers": {"Content-Type": "application/json"}}
    question = (await agent.post("/api/apps/domains/remove", **send)).json()
    assert question["quoted"] == "b.example.com"
    await driver.post("/api/approvals/approve", id=question["approvalId"])
    assert (await agent.post("/api/apps/domains/remove", **send)).status_code == 200
    assert (await driver.app(shop["id"]))["domains"] == ["a.example.com"]


async def test_what_stands_in_the_address_changes_no_call(driver, agent, shop):
    body = {"id": shop["id"], "domain": "a.example.com"}
    path = "/api/apps/domains/remove?domain=b.example.com&id=other"
    question = (await agent.post(path, json=body)).json()
    assert question["quoted"] == "a.example.com"
    await driver.post("/api/approvals/approve", id=question["approvalId"])
    assert (await agent.post(path, json=body)).status_code == 200
    assert (await driver.app(shop["id"]))["domains"] == ["b.example.com"]


@pytest.mark.parametrize(("before", "status"), [(timedelta(microseconds=1), 200), (timedelta(0), 202)])
async def test_it_ends_at_the_very_moment(driver, platform, agent, shop, monkeypatch, before, status):
    approval = await asked(agent, "/api/apps/delete", id=shop["id"])
    await driver.post("/api/approvals/approve", id=approval)
    ends = await platform.database.read(lambda session: session.get(Approval, approval).expires_at)
    monkeypatch.setattr(service, "now", lambda: ends - before)
    assert (await agent.post("/api/apps/delete", json={"id": shop["id"]})).status_code == status
