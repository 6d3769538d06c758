"""What is told of a release that comes up: where it listens, what it answers, and that it has stayed up."""

import asyncio
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from better_paas.builders.plan import DEFAULT_PORT, BuildPlan
from better_paas.deployments import healthy, service, watch
from better_paas.kit.listeners import Listener


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(healthy, "_LOOK_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(healthy, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(healthy, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(healthy, "_ELSEWHERE_SECONDS", 0.3)


async def failed(driver, **fields) -> dict:
    app = await driver.deploy(**fields)
    ended = await driver.ended(app["deploymentId"])
    assert ended["status"] == "failed", ended
    return ended


async def test_what_listens_only_for_itself_is_told_where(driver, platform, impatient):
    platform.runtime.listens = False
    platform.runtime.found_listening = [Listener(3000, "127.0.0.1", True)]
    ended = await failed(driver)
    assert ended["error"] == "it listens on 127.0.0.1:3000, where nothing can reach it"
    assert "0.0.0.0" in ended["hint"]
    assert "It listens on 127.0.0.1:3000" in await driver.log(ended["id"])


def listening_at_3000(platform, *others: Listener):
    """The runtime, whose apps answer nowhere but there."""
    runtime = platform.runtime
    runtime.listens = False
    runtime.found_listening = [Listener(3000, "0.0.0.0", False), *others]
    start = runtime.start

    async def start_at(spec):
        runtime.listens = spec.container_port == 3000
        await start(spec)

    runtime.start = start_at
    return runtime


async def test_another_port_is_taken_and_told(driver, platform, impatient):
    runtime = listening_at_3000(platform, Listener(9229, "127.0.0.1", True))
    app = await driver.live()
    spec = runtime.specs[app["activeDeployId"]]
    assert (spec.container_port, spec.environment["PORT"]) == (3000, "3000")
    found = (await driver.client.get("/api/deployments/get", params={"id": app["activeDeployId"]})).json()
    assert found["plan"]["port"] == 3000
    assert "It listens on port 3000" in await driver.log(app["activeDeployId"])


async def test_a_port_that_is_only_the_first_is_not_taken(driver, platform, impatient, monkeypatch):
    """Many open one for figures before they listen where they should."""
    monkeypatch.setattr(healthy, "_ELSEWHERE_SECONDS", 5)
    runtime = platform.runtime
    runtime.listens = False
    runtime.found_listening = [Listener(9090, "0.0.0.0", False)]
    asked = await driver.deploy()
    await asyncio.sleep(0.8)
    runtime.listens = True
    spec = next(iter(runtime.specs.values()))
    await runtime.start(spec)
    assert (await driver.ended(asked["deploymentId"]))["status"] == "success"
    assert runtime.specs[asked["deploymentId"]].container_port == 8080
    assert "It listens on 0.0.0.0:9090, and not on 8080" in await driver.log(asked["deploymentId"])


async def test_where_its_owner_says_the_port_no_other_is_taken(driver, platform, impatient):
    platform.runtime.listens = False
    platform.runtime.found_listening = [Listener(9090, "0.0.0.0", False)]
    ended = await failed(driver, portOverride=8000)
    assert ended["error"].startswith("the app did not become healthy within")
    assert "It listens on 0.0.0.0:9090, and not on 8000" in await driver.log(ended["id"])


async def test_where_the_version_before_listened_is_taken_at_once(driver, platform, impatient, monkeypatch):
    runtime = listening_at_3000(platform)
    app = await driver.live()
    monkeypatch.setattr(healthy, "_ELSEWHERE_SECONDS", 60)
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(again["deploymentId"]))["status"] == "success"
    assert runtime.specs[again["deploymentId"]].container_port == 3000


async def test_what_moves_each_time_is_refused(driver, platform, impatient):
    platform.runtime.listens = False
    ports = iter(range(3000, 4000))
    platform.runtime.listeners = lambda _: asyncio.sleep(0, [Listener(next(ports) // 3, "0.0.0.0", False)])
    assert "another port each time" in (await failed(driver))["error"]


@pytest.mark.parametrize(
    ("exposed", "override", "port"),
    [([80], None, 80), ([443, 9000], None, 443), ([22, 3000], None, 3000), ([80], 81, 81)],
)
async def test_the_port_is_that_of_the_image(driver, platform, git_dockerfile, exposed, override, port):
    platform.runtime.exposes = exposed
    app = await driver.live(gitRepo=git_dockerfile, portOverride=override)
    assert platform.runtime.specs[app["activeDeployId"]].container_port == port


@pytest.fixture
def git_dockerfile(monkeypatch):
    """A sample with a Dockerfile of its own."""
    from better_paas.builders import detect

    def by_dockerfile(files, wanted):
        return BuildPlan("dockerfile", dockerfile_path="Dockerfile", port=wanted.port or DEFAULT_PORT)

    monkeypatch.setattr(detect, "_by_dockerfile", by_dockerfile)
    monkeypatch.setattr("better_paas.deployments.planning.Planner.make_recipe", lambda *_: asyncio.sleep(0))
    return "sample:hello-python"


async def test_an_own_dockerfile_runs_with_what_the_repository_says(driver, platform, git_dockerfile, monkeypatch):
    from better_paas.builders import detect

    plan = BuildPlan(
        "dockerfile",
        start="serve",
        environment={"A": "1", "B": "1"},
        health_path="/up",
        health_status="418",
    )
    monkeypatch.setattr(detect, "_by_dockerfile", lambda *_: plan)
    platform.runtime.answers = b"HTTP/1.1 418 x\r\nContent-Length: 0\r\n\r\n"
    app = await driver.live(gitRepo=git_dockerfile, envVars={"B": "2"})
    spec = platform.runtime.specs[app["activeDeployId"]]
    assert (spec.start_command, spec.environment["A"], spec.environment["B"]) == ("serve", "1", "2")


async def test_variables_of_the_platform_win_and_are_told(driver, platform):
    app = await driver.live(envVars={"PORT": "99", "HOSTNAME": "mine", "HOST": "127.0.0.1"})
    environment = platform.runtime.specs[app["activeDeployId"]].environment
    assert (environment["PORT"], environment["HOST"], environment["HOSTNAME"]) == ("8080", "0.0.0.0", "0.0.0.0")
    assert "HOST, HOSTNAME, PORT among the app's variables" in await driver.log(app["activeDeployId"])


async def test_a_first_page_that_fails_is_live_with_a_warning(driver, platform):
    platform.runtime.answers = b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"
    app = await driver.live()
    assert "GET / answered 500" in await driver.log(app["activeDeployId"])


async def test_404_of_a_health_path_is_not_healthy_unless_it_is_said(driver, platform):
    platform.runtime.answers = b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"
    ended = await failed(driver, healthPath="/health")
    assert "answered 404" in ended["error"]
    assert (await driver.live("other", healthPath="/health", healthStatus="200-299,404"))[
        "healthStatus"
    ] == "200-299,404"
    for wrong in ("abc", "99", "600", "300-200", "200,", "200-"):
        await driver.post("/api/deploy", 400, name="wrong", gitRepo="sample:hello-node", healthStatus=wrong)


async def test_waiting_for_health_holds_no_build_slot(driver, platform):
    """As many as may build at once wait for their health; one more builds meanwhile."""
    platform.runtime.listens = False
    waiting = [await driver.deploy(f"slow-{number}") for number in range(platform.settings.build_concurrency)]
    async with asyncio.timeout(10):
        while len(platform.runtime.running) < len(waiting):
            await asyncio.sleep(0.02)
    platform.runtime.listens = True
    await driver.live("quick")
    for app in waiting:
        found = (await driver.client.get("/api/deployments/get", params={"id": app["deploymentId"]})).json()
        assert found["status"] == "building"


async def test_what_a_queued_one_waits_for_is_said(driver, platform):
    platform.runtime.build_gate = asyncio.Event()
    slots = platform.settings.build_concurrency
    apps = [await driver.deploy(f"app-{number}") for number in range(slots + 2)]
    async with asyncio.timeout(10):
        while len(told := await waits(driver, apps)) < slots + 2 or told.count("") != slots:
            await asyncio.sleep(0.02)
    assert told[-2:] == ["It waits until a build has ended.", "It waits until a build has ended, and 1 is before it."]
    assert "waits until a build has ended" in await driver.log(apps[-1]["deploymentId"])
    again = await driver.post("/api/apps/redeploy", id=apps[0]["id"])
    assert await waits(driver, [again]) == ["It waits for the deployment of this app that is on its way."]
    platform.runtime.build_gate.set()
    for app in apps:
        await driver.ended(app["deploymentId"])


async def waits(driver, apps) -> list[str]:
    answers = [await driver.client.get("/api/deployments/get", params={"id": app["deploymentId"]}) for app in apps]
    return [answer.json()["waitsFor"] for answer in answers]


async def test_a_success_is_settled_when_it_has_stayed_up(driver, platform, monkeypatch):
    monkeypatch.setattr(service, "SETTLING", timedelta(seconds=0.5))
    monkeypatch.setattr(service, "_LAST_LOOK", timedelta(0))
    app = await driver.live(watchMinutes=10)
    path, query = "/api/deployments/get", {"id": app["activeDeployId"]}
    found = (await driver.client.get(path, params=query)).json()
    assert (found["status"], found["settled"], bool(found["watchedUntil"])) == ("success", False, True)
    assert found["duration"] >= sum(step["seconds"] for step in found["steps"]) - 0.05
    await asyncio.sleep(0.6)
    assert (await driver.client.get(path, params=query)).json()["settled"]


async def test_what_ends_at_once_after_it_went_live_is_taken_back_at_once(driver, platform, monkeypatch):
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.05)
    app = await driver.live(watchMinutes=10)
    second = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(second["deploymentId"]))["status"] == "success"
    platform.runtime.restarts[second["deploymentId"]] = 1
    async with asyncio.timeout(10):
        while (found := await driver.app(app["id"]))["latestDeployment"]["trigger"] != "watch" or (
            found["latestDeployment"]["status"] != "success"
        ):
            await asyncio.sleep(0.02)
    taken = (await driver.client.get("/api/deployments/get", params={"id": second["deploymentId"]})).json()
    assert (taken["status"], taken["settled"], taken["watchedUntil"]) == ("failed", True, None)
    assert "was taken back" in found["statusDetail"] and found["statusDetail"].endswith("serves.")


async def test_back_from_what_never_served_asks_which(driver, platform):
    app = await driver.live()
    await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended((await driver.app(app["id"]))["latestDeployment"]["id"])
    serves = (await driver.app(app["id"]))["activeDeployId"]
    platform.runtime.build_error = "it broke"
    broken = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended(broken["deploymentId"])
    refused = await driver.post("/api/apps/rollback", 409, id=app["id"])
    assert refused["code"] == "newest_never_served" and app["activeDeployId"] in refused["hint"]
    back = await driver.post("/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"])
    assert (back["from"], back["to"]) == (serves, app["activeDeployId"])


async def test_a_worker_that_runs_out_of_memory_is_an_event_of_an_app_that_runs(driver, platform):
    from better_paas.kit.quoted import Statement

    app = await driver.live(watchMinutes=0)
    await platform.operations._note_fault(app["activeDeployId"], Statement("it ran out of memory"), None)
    found = await driver.app(app["id"])
    assert (found["status"], found["statusDetail"]) == ("running", "It runs. it ran out of memory.")
    platform.runtime.running.clear()
    await platform.operations._note_fault(app["activeDeployId"], Statement("it ran out of memory"), None)
    assert (await driver.app(app["id"]))["status"] == "failed"


@pytest.mark.parametrize("fields", [{"memory": "900000g"}, {"cpus": "999"}])
async def test_limits_above_what_the_server_has_are_refused_with_what_there_is(driver, fields):
    refused = await driver.post("/api/deploy", 400, name="large", gitRepo="sample:hello-node", **fields)
    assert "is more than the server has, which is" in refused["error"]


async def test_a_port_can_be_taken_back(driver):
    app = await driver.live(portOverride=9000)
    for cleared in (None, 0, ""):
        await driver.post("/api/apps/update", id=app["id"], portOverride=9000)
        assert (await driver.post("/api/apps/update", id=app["id"], portOverride=cleared))["portOverride"] is None


@pytest.mark.parametrize("kind", ["first", "not watched", "rollback"])
async def test_what_does_not_stay_up_is_no_success(driver, platform, monkeypatch, kind):
    """Also where nothing is gone back to by itself."""
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.05)
    app = await driver.live(watchMinutes=0 if kind == "not watched" else 5)
    asked = app
    if kind != "first":
        asked = await driver.post("/api/apps/redeploy", id=app["id"])
        await driver.ended(asked["deploymentId"])
    if kind == "rollback":
        asked = await driver.post("/api/apps/rollback", id=app["id"])
        await driver.ended(asked["deploymentId"])
    query = {"id": asked["deploymentId"] if kind != "first" else app["activeDeployId"]}
    platform.runtime.restarts[query["id"]] = 9
    async with asyncio.timeout(5):
        while True:
            found = (await driver.client.get("/api/deployments/get", params=query)).json()
            if found["status"] != "success":
                break
            assert not found["settled"]
            await asyncio.sleep(0.05)
    assert (found["status"], found["settled"]) == ("failed", True)
    assert "it failed after it had gone live: it ended 9 times" in found["error"]
    assert "again and again" in found["hint"]
    assert (await driver.app(app["id"]))["status"] == "failed"


async def test_a_server_that_was_away_in_the_first_moments_looks_all_the_same(driver, platform, monkeypatch):
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.3)
    monkeypatch.setattr(service, "SETTLING", timedelta(seconds=0.1))
    app = await driver.live(watchMinutes=0)
    platform.runtime.restarts[app["activeDeployId"]] = 9
    query = {"id": app["activeDeployId"]}
    async with asyncio.timeout(5):
        while (await driver.client.get("/api/deployments/get", params=query)).json()["status"] == "success":
            await asyncio.sleep(0.05)


async def test_a_server_that_starts_again_takes_nothing_back_that_had_stayed_up(driver, platform, monkeypatch):
    """That it was started again once since is no reason."""
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(service, "SETTLING", timedelta(seconds=0.2))
    app = await driver.live(watchMinutes=10)
    second = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended(second["deploymentId"])
    await asyncio.sleep(1)
    platform.runtime.restarts[second["deploymentId"]] = 1
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.05)
    resumed = SimpleNamespace(payload={"deploymentId": second["deploymentId"], "minutes": 10})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(platform.watcher.watch(resumed), 0.5)
    found = (await driver.client.get("/api/deployments/get", params={"id": second["deploymentId"]})).json()
    assert found["status"] == "success"
    assert (await driver.app(app["id"]))["activeDeployId"] == second["deploymentId"]


async def test_a_deployment_that_fails_ends_no_watch(driver, platform, monkeypatch):
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(service, "SETTLING", timedelta(seconds=60))
    app = await driver.live(watchMinutes=0)
    gate = platform.runtime.build_gate = asyncio.Event()
    platform.runtime.build_error = "it broke"
    other = await driver.post("/api/apps/redeploy", id=app["id"])
    await asyncio.sleep(0.3)
    platform.runtime.restarts[app["activeDeployId"]] = 9
    gate.set()
    assert (await driver.ended(other["deploymentId"]))["status"] == "failed"
    query = {"id": app["activeDeployId"]}
    async with asyncio.timeout(5):
        while (await driver.client.get("/api/deployments/get", params=query)).json()["status"] == "success":
            await asyncio.sleep(0.05)


async def test_a_watch_that_begins_while_another_deployment_is_on_its_way_goes_on(driver, platform):
    """The other may fail, and then this one still is what serves."""
    app = await driver.live(watchMinutes=0)
    gate = platform.runtime.build_gate = asyncio.Event()
    other = await driver.post("/api/apps/redeploy", id=app["id"])
    late = SimpleNamespace(payload={"deploymentId": app["activeDeployId"], "minutes": 0})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(platform.watcher.watch(late), 0.3)
    gate.set()
    await driver.ended(other["deploymentId"])


async def test_back_from_what_went_live_and_failed(driver, platform, monkeypatch):
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.05)
    app = await driver.live(watchMinutes=0)
    second = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended(second["deploymentId"])
    platform.runtime.restarts[second["deploymentId"]] = 9
    query = {"id": second["deploymentId"]}
    async with asyncio.timeout(5):
        while (await driver.client.get("/api/deployments/get", params=query)).json()["status"] == "success":
            await asyncio.sleep(0.05)
    back = await driver.post("/api/apps/rollback", id=app["id"])
    assert (back["from"], back["to"]) == (second["deploymentId"], app["activeDeployId"])


async def test_an_app_that_comes_up_slowly_is_not_moved_from_its_port(driver, platform, impatient):
    runtime = platform.runtime
    app = await driver.live()
    runtime.listens = False
    runtime.found_listening = [Listener(9010, "0.0.0.0", False)]
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(again["deploymentId"]))["status"] == "failed"
    assert "It listens on 0.0.0.0:9010, and not on 8080" in await driver.log(again["deploymentId"])
    assert (await driver.app(app["id"]))["activeDeployId"] == app["activeDeployId"]


async def test_what_ended_once_and_stays_up_is_a_success_later(driver, platform, monkeypatch):
    monkeypatch.setattr(watch, "_FIRST_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(service, "SETTLING", timedelta(seconds=1))
    app = await driver.live()
    query = {"id": app["activeDeployId"]}
    await asyncio.sleep(0.5)
    platform.runtime.restarts[query["id"]] = 1
    begun, found = time.monotonic(), {"settled": False}
    async with asyncio.timeout(5):
        while not found["settled"]:
            found = (await driver.client.get("/api/deployments/get", params=query)).json()
            assert found["status"] == "success"
            await asyncio.sleep(0.05)
    assert time.monotonic() - begun > 0.9  # and not the half second that was left before it ended
    assert "it ended as soon as it was live" in (await driver.app(app["id"]))["statusDetail"]
