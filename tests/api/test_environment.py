"""Variables arrive as they were typed, and nobody's change of one takes another's away."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from better_paas.apps import secrets
from better_paas.apps import service as apps
from tests.api.test_agents import holding, make

VALUES = [
    "",
    " ",
    " both ",
    "ends\n",
    "\n",
    "\r\n",
    "a\u2028b",
    "\u2028",
    "C:\\new\\table",
    "$HOME `id` '\"",
    "é🙂",
    "\t",
]


@pytest.fixture
async def shop(driver):
    return await driver.live("shop", envVars={"A": "1", "KEY": "hidden"}, secretKeys=["KEY"], watchMinutes=0)


async def stored(driver, app: dict) -> dict[str, str]:
    return (await driver.app(app["id"]))["envVars"]


async def test_ten_at_once_keep_all(driver, shop):
    calls = [driver.post("/api/apps/env", id=shop["id"], set={f"N{number}": str(number)}) for number in range(10)]
    await asyncio.gather(*calls, driver.post("/api/apps/env", id=shop["id"], unset=["A"]))
    assert await stored(driver, shop) == {"KEY": "***"} | {f"N{number}": str(number) for number in range(10)}


async def test_ten_stale_updates_change_once(driver, shop):
    """Each sends all variables as it read them, and one of its own."""
    calls = [
        driver.client.post(
            "/api/apps/update",
            json={"id": shop["id"], "version": shop["version"], "envVars": {**shop["envVars"], f"N{number}": "1"}},
        )
        for number in range(10)
    ]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"stale"}
    assert len(await stored(driver, shop)) == 3


async def test_the_version_follows_the_settings(driver, shop):
    seen = [shop["version"]]
    for changes in ({"memory": "256m"}, {"envVars": {"A": "2"}}, {"domains": ["a.example.com"]}, {"branch": "next"}):
        changed = await driver.post("/api/apps/update", id=shop["id"], version=seen[-1], **changes)
        seen.append(changed["version"])
    assert len(set(seen)) == 5
    await driver.post("/api/apps/stop", id=shop["id"])
    assert (await driver.app(shop["id"]))["version"] == seen[-1]
    refused = await driver.post("/api/apps/update", 409, id=shop["id"], version=seen[0], memory="1g")
    assert refused["hint"]


async def test_secrets_stay_secret_until_they_are_sent_again(driver, shop):
    await driver.post("/api/apps/env", id=shop["id"], set={"KEY": "other", "B": "2"}, secret=["B"])
    assert await stored(driver, shop) == {"A": "1", "B": "***", "KEY": "***"}
    await driver.post("/api/apps/env", 400, id=shop["id"], plain=["KEY"])
    await driver.post("/api/apps/env", id=shop["id"], set={"KEY": "shown"}, plain=["KEY"])
    assert (await stored(driver, shop))["KEY"] == "shown"


@pytest.mark.parametrize(
    "body",
    [
        {"unset": ["NONE"]}, {"secret": ["NONE"]}, {"set": {"A": "1"}, "unset": ["A"]}, {"set": {"B": "***"}},
        {"set": {"1A": "x"}}, {"set": {"B": "\0"}}, {"set": {"B": "ä" * 20_000}}, {"secret": ["A"], "plain": ["A"]},
    ],
)  # fmt: skip
async def test_what_can_not_be_is_refused_as_a_whole(driver, shop, body):
    refused = await driver.post("/api/apps/env", 400, id=shop["id"], **body)
    assert refused["error"]
    assert await stored(driver, shop) == {"A": "1", "KEY": "***"}


async def test_half_a_character_is_refused(driver, shop):
    text = json.dumps({"id": shop["id"], "set": {"B": "\ud83d"}})
    answer = await driver.client.post("/api/apps/env", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("value", VALUES)
async def test_values_arrive_byte_for_byte(driver, value):
    app = await driver.live("exact", envVars={"V": value}, watchMinutes=0)
    assert (await stored(driver, app))["V"] == value
    await driver.post("/api/apps/update", id=app["id"], envVars={"V": value + "x"})
    await driver.post("/api/apps/env", id=app["id"], set={"W": value, "V": value})
    assert await stored(driver, app) == {"V": value, "W": value}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60))
async def test_any_text_is_a_value(platform, driver, value):
    apps = (await driver.client.get("/api/apps")).json()
    app = apps[0] if apps else await driver.live("any", watchMinutes=0, envVars={"V": "x"})
    if value == "***":  # which stands for what is stored
        return
    await driver.post("/api/apps/env", id=app["id"], set={"V": value})
    assert (await stored(driver, app))["V"] == value


async def test_what_is_shown_of_a_secret_stands_for_it(driver, shop, platform):
    """Agents are shown it of all that looks like a secret, and lists that are exported have it."""

    def real(session):
        return secrets.environment(session, apps.get(session, shop["id"]))

    await driver.post("/api/apps/env", id=shop["id"], set={"A": "***", "KEY": "***", "B": "2"})
    assert await platform.database.read(real) == {"A": "1", "KEY": "hidden", "B": "2"}
    # Nothing is stored that it could stand for: a list that was exported from elsewhere.
    refused = await driver.post("/api/apps/env", 400, id=shop["id"], set={"NEW": "***"})
    assert refused["error"] == "NEW has the value ***, as secrets are shown"
    refused = await driver.post("/api/apps/env", 400, id=shop["id"], set={"KEY": "***"}, plain=["KEY"])
    assert "to make it readable, send its value again" in refused["error"]


async def test_names_and_addresses_are_trimmed_and_passwords_are_not(driver):
    app = await driver.live(" shop ", memory=" 256m", domains=[" a.example.com "], envVars={"A": " 1 "})
    assert (app["name"], app["memory"], app["domains"]) == ("shop", "256m", ["a.example.com"])
    body = {"id": app["id"], "basicAuth": [{"username": "me", "password": " spaced "}]}
    first = await driver.post("/api/apps/routing", **body)
    again = await driver.post(
        "/api/apps/routing", id=app["id"], version=first["version"], basicAuth=[{"username": "me", "password": "***"}]
    )
    await driver.post("/api/apps/routing", 409, version="older", **body)
    assert again["version"] == first["version"]


async def test_two_at_once_change_different_rules_of_requests(driver, shop):
    await asyncio.gather(
        driver.post("/api/apps/routing", id=shop["id"], maxBodyMb=5),
        driver.post("/api/apps/routing", id=shop["id"], basicAuth=[{"username": "me", "password": "secret"}]),
        driver.post("/api/apps/routing", id=shop["id"], timeoutSeconds=9),
    )
    found = (await driver.client.get("/api/apps/routing", params={"id": shop["id"]})).json()
    assert (found["maxBodyMb"], found["timeoutSeconds"], len(found["basicAuth"])) == (5, 9, 1)


async def test_a_token_s_rights_are_not_written_over_unseen(driver):
    made = await make(driver, scopes=["apps:read"])
    seen = next(agent for agent in (await driver.client.get("/api/agents")).json() if agent["id"] == made["id"])
    await driver.post("/api/agents/update", id=made["id"], version=seen["version"], scopes=["apps:read", "logs:read"])
    refused = await driver.post("/api/agents/update", 409, id=made["id"], version=seen["version"], scopes=[])
    assert refused["code"] == "stale"


async def test_an_agent_is_asked_for_what_it_takes_away_at_that_moment(platform, driver, shop):
    """It adds a variable to those it read; what others add meanwhile must not go without a question."""
    made = await make(driver, scopes=["apps:read", "apps:write"], requireApproval="destructive")
    async with holding(platform, made["token"]) as agent:
        whole = {"id": shop["id"], "envVars": {**shop["envVars"], "MINE": "1"}}
        others = [driver.post("/api/apps/env", id=shop["id"], set={f"N{number}": "1"}) for number in range(20)]
        answers = await asyncio.gather(*[agent.post("/api/apps/update", json=whole) for _ in range(10)], *others)
        assert {answer.status_code for answer in answers[:10]} <= {200, 202, 409}
        assert {f"N{number}" for number in range(20)} <= set(await stored(driver, shop))
        removal = {"id": shop["id"], "unset": ["A"]}
        asked = await agent.post("/api/apps/env", json=removal)
        assert asked.status_code == 202 and "takes away 1 variable" in asked.json()["summary"]
        assert (await agent.post("/api/apps/env", json={"id": shop["id"], "set": {"A": "2"}})).status_code == 200
        # What was approved was approved of another state.
        await driver.post("/api/approvals/approve", id=asked.json()["approvalId"])
        assert (await agent.post("/api/apps/env", json=removal)).status_code == 202


@pytest.mark.parametrize(
    ("path", "kept", "taken"),
    [
        ("/api/apps/update", {"processes": {"worker": "python other.py"}}, {"processes": {}}),
        ("/api/apps/update", {"processes": {"worker": "x", "more": "y"}}, {"processes": {"worker": ""}}),
        ("/api/apps/update", {"volumes": ["data:/data", "more:/more"]}, {"volumes": []}),
        ("/api/apps/update", {"domains": ["a.example", "b.example"]}, {"domains": []}),
        (
            "/api/apps/routing",
            {"basicAuth": [{"username": "ann", "password": "***"}, {"username": "bob", "password": "x"}]},
            {"basicAuth": []},
        ),
        ("/api/apps/routing", {"responseHeaders": {"X-Frame-Options": "DENY"}}, {"responseHeaders": {}}),
    ],
)
async def test_an_agent_is_asked_before_what_is_there_goes(platform, driver, shop, path, kept, taken):
    """Whatever is replaced as a whole: without its accounts an app is open to everybody."""
    there = {"processes": {"worker": "python worker.py"}, "volumes": ["data:/data"], "domains": ["a.example"]}
    await driver.post("/api/apps/update", id=shop["id"], **there)
    rules = {"basicAuth": [{"username": "ann", "password": "x"}], "responseHeaders": {"X-Frame-Options": "SAMEORIGIN"}}
    await driver.post("/api/apps/routing", id=shop["id"], **rules)
    made = await make(driver, scopes=["apps:read", "apps:write"], requireApproval="destructive")
    async with holding(platform, made["token"]) as agent:
        allowed = await agent.post(path, json={"id": shop["id"], **kept})
        assert allowed.status_code == 200, allowed.text
        asked = await agent.post(path, json={"id": shop["id"], **taken})
        assert asked.status_code == 202 and "Takes away" in asked.json()["summary"], asked.text
