"""What one app may reach though the server keeps apps from it: who says so, and what comes of it."""

import pytest

from better_paas import policy
from better_paas.apps import reach
from better_paas.apps.models import App
from better_paas.runtime.addresses import hardware_address
from better_paas.settings import Settings


class Keeper:
    """In the place of the firewall: notes what apps reach whenever the rules are put in, and what runs then."""

    problem = ""

    def __init__(self, platform) -> None:
        self.platform, self.seen = platform, []

    async def keep(self) -> None: ...

    async def ensure(self) -> None:
        found = await self.platform.database.read(reach.of_releases)
        self.seen.append((found, set(self.platform.runtime.specs)))


@pytest.fixture
def keeper(platform):
    platform.firewall = Keeper(platform)
    yield platform.firewall
    platform.firewall = None


async def test_it_is_kept_in_one_way_of_writing_and_shown(driver, platform, keeper):
    app = await driver.live()
    assert app["reach"] == []
    wanted = ["10.0.0.5:5432", " 10.1.0.0/16 ", "10.0.0.5/32:5432", "[fd00::0:1]:80"]
    changed = await driver.post("/api/apps/reach", id=app["id"], reach=wanted)
    assert changed["reach"] == ["10.0.0.5:5432", "10.1.0.0/16", "[fd00::1]:80"]
    assert (await driver.app(app["id"]))["reach"] == changed["reach"]
    ((found, _),) = keeper.seen
    assert [list(map(str, one.openings)) for one in found] == [changed["reach"]]
    assert hardware_address(app["activeDeployId"], "main") in found[0].senders


async def test_the_rules_are_there_before_a_release_of_it_and_no_other_starts_one(driver, keeper):
    other, app = await driver.live("other"), await driver.live()
    assert keeper.seen == []
    await driver.post("/api/apps/reach", id=app["id"], reach=["10.0.0.5:5432"])
    keeper.seen.clear()
    changed = await driver.post("/api/apps/update", id=app["id"], releaseCommand="migrate", processes={"jobs": "run"})
    ended = await driver.ended((await driver.post("/api/apps/redeploy", id=changed["id"]))["deploymentId"])
    await driver.ended((await driver.post("/api/apps/redeploy", id=other["id"]))["deploymentId"])
    assert len(keeper.seen) == 2  # the release command, and the release
    for found, running in keeper.seen:
        assert ended["id"] not in running
        new = {hardware_address(ended["id"], name) for name in ("main", "once", "jobs")}
        assert any(new == set(one.senders) for one in found)
        assert not any(hardware_address(other["activeDeployId"], "main") in one.senders for one in found)


async def test_it_outlives_all_that_happens_to_an_app(driver):
    app = await driver.live()
    first = app["activeDeployId"]
    await driver.post("/api/apps/reach", id=app["id"], reach=["10.0.0.5:5432"])
    await driver.post("/api/apps/rename", id=app["id"], name="renamed")
    await driver.post("/api/apps/update", id=app["id"], branch="next")
    await driver.ended((await driver.post("/api/apps/redeploy", id=app["id"]))["deploymentId"])
    await driver.ended((await driver.post("/api/apps/rollback", id=app["id"], deploymentId=first))["deploymentId"])
    await driver.post("/api/apps/delete", id=app["id"])
    assert (await driver.post("/api/apps/restore", id=app["id"]))["reach"] == ["10.0.0.5:5432"]
    assert (await driver.post("/api/apps/reach", id=app["id"], reach=[]))["reach"] == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["db.example.com:5432"], "no address such as"),
        (["10.0.0.5:70000"], "names no port"),
        (["10.0.0.5/24"], "host bits set"),
        (["10.0.0.5 -j ACCEPT"], "no address such as"),
        (["fd00::1"], "no address such as"),
        ([""], "no address such as"),
        ([f"10.0.0.{number}" for number in range(21)], "at most 20"),
        ("10.0.0.5", "list"),
        (None, "list"),
    ],
)
async def test_what_is_no_opening_is_refused(driver, wanted, said):
    app = await driver.deploy()
    answer = await driver.post("/api/apps/reach", status=400, id=app["id"], reach=wanted)
    assert said in answer["error"], answer
    assert (await driver.app(app["id"]))["reach"] == []


async def test_no_agent_sets_it_on_no_way(driver, anonymous, platform):
    app = await driver.live()
    body = {"name": "all", "scopes": list(policy.SCOPES), "requireApproval": "none", "ratePerMinute": 60000}
    token = (await driver.post("/api/agents/create", **body))["token"]
    anonymous.headers["Authorization"] = f"Bearer {token}"
    refused = await driver.post("/api/apps/reach", status=403, id=app["id"], reach=["10.0.0.5"])
    assert refused["error"] == "Forbidden: admin token required"
    for path, fields in (
        ("/api/apps/update", {"id": app["id"]}),
        ("/api/deploy", {"name": "new", "gitRepo": "sample:hello-python"}),
    ):
        await driver.post(path, status=400, **fields, reach=["10.0.0.5"])
    stored = await platform.database.read(lambda session: [row.reach for row in session.query(App)])
    assert all(row == [] for row in stored)


async def test_the_log_says_what_it_was_and_is(driver):
    app = await driver.live()
    await driver.post("/api/apps/reach", id=app["id"], reach=["10.0.0.5:5432"])
    await driver.post("/api/apps/reach", id=app["id"], reach=["10.0.0.6"])
    found = await driver.client.get("/api/audit-logs", params={"action": "app:reach", "outcome": "success"})
    assert [entry["diff"] for entry in found.json()] == [
        {"reach": [["10.0.0.5:5432"], ["10.0.0.6"]]},
        {"reach": [[], ["10.0.0.5:5432"]]},
    ]
    assert all(entry["risk"] == "host" for entry in found.json() if "risk" in entry)


async def test_processes_of_the_machine_are_kept_from_nothing(driver, platform, monkeypatch):
    app = await driver.live()
    monkeypatch.setattr(platform, "settings", Settings(**{**platform.settings.model_dump(), "runtime": "process"}))
    answer = await driver.post("/api/apps/reach", status=400, id=app["id"], reach=["10.0.0.5"])
    assert "RUNTIME=process" in answer["error"]
