"""The main job over the API, with a runtime of memory."""

import asyncio
import functools
import tempfile
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from better_paas.apps import operations
from better_paas.bootstrap import Platform
from better_paas.deployments import service
from better_paas.jobs import worker
from better_paas.kit.quoted import Statement
from better_paas.runtime.protocol import RuntimeFailed
from tests.fakes import FakeBases, FakeIngress, FakeRuntime


async def test_the_answer_comes_at_once_and_leads_to_the_progress(driver, platform):
    platform.runtime.build_gate = asyncio.Event()
    app = await driver.deploy(envVars={"A": "1"})
    assert app["status"] == "building"
    assert platform.ingress.routes[app["id"]] == "waiting"
    platform.runtime.build_gate.set()
    ended = await driver.ended(app["deploymentId"])
    assert ended["status"] == "success"
    assert [step["name"] for step in ended["steps"]] == ["fetch", "plan", "build", "start", "probe", "live"]
    assert all(step["status"] == "done" for step in ended["steps"])
    app = await driver.app(app["id"])
    assert app["status"] == "running"
    assert platform.ingress.routes[app["id"]] == str(app["port"])


async def test_the_release_gets_port_host_and_variables(driver, platform):
    await driver.live(envVars={"A": "1", "B": "x\ny"}, secretKeys=["B"])
    spec = next(iter(platform.runtime.specs.values()))
    assert spec.environment == {"A": "1", "B": "x\ny", "PORT": "8080", "HOST": "0.0.0.0", "HOSTNAME": "0.0.0.0"}
    assert spec.memory == "1g"


async def test_secret_values_leave_by_no_answer_and_no_log(driver, platform, admin):
    app = await driver.live(
        envVars={"KEY": "the-secret-value", "OPEN": "yes"}, secretKeys=["KEY"], gitToken="git-token-1"
    )
    assert app["envVars"] == {"KEY": "***", "OPEN": "yes"}
    assert app["gitToken"] == "***"
    listed = (await admin.get("/api/apps")).text + (await admin.get("/api/audit-logs")).text
    runtime = (await admin.get("/api/apps/runtime-logs", params={"id": app["id"]})).text
    assert "the-secret-value" not in listed + runtime + await driver.log(app["activeDeployId"])
    assert "***" in runtime
    request = next(iter(platform.runtime.built.values()))
    assert "the-secret-value" not in request.recipe.dockerfile + str(request.recipe.lent)


async def test_a_redeploy_replaces_the_release_and_the_old_one_goes(driver, platform):
    app = await driver.live()
    answer = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(answer["deploymentId"]))["status"] == "success"
    assert platform.ingress.routes[app["id"]] != str(app["port"])
    async with asyncio.timeout(5):
        while len(platform.runtime.specs) > 1:
            await asyncio.sleep(0.05)


async def test_a_failed_build_leaves_the_old_release(driver, platform):
    app = await driver.live()
    platform.runtime.build_error = "the build failed: exit code 1"
    answer = await driver.post("/api/apps/redeploy", id=app["id"])
    ended = await driver.ended(answer["deploymentId"])
    assert (ended["status"], ended["error"], ended["hint"]) == ("failed", "the build failed: exit code 1", "mend it")
    after = await driver.app(app["id"])
    assert (after["status"], after["port"]) == ("running", app["port"])
    assert platform.ingress.routes[app["id"]] == str(app["port"])
    assert "the version before it serves" in after["statusDetail"]


@pytest.mark.parametrize(
    ("fault", "words"), [("exits", "did not stay up"), ("listens", "did not become healthy within 3 s")]
)
async def test_an_app_that_does_not_come_up(driver, platform, fault, words):
    app = await driver.live()
    setattr(platform.runtime, fault, fault == "exits")
    answer = await driver.post("/api/apps/redeploy", id=app["id"])
    ended = await driver.ended(answer["deploymentId"])
    assert ended["status"] == "failed"
    assert words in ended["error"]
    assert ended["hint"]
    assert platform.ingress.routes[app["id"]] == str(app["port"])
    async with asyncio.timeout(5):
        while len(platform.runtime.specs) > 1:
            await asyncio.sleep(0.02)
    assert "app │ hello" in await driver.log(ended["id"])


async def test_a_newer_deployment_replaces_the_queued_one(driver, platform):
    platform.runtime.build_gate = asyncio.Event()
    app = await driver.deploy()
    second = await driver.post("/api/apps/redeploy", id=app["id"])
    third = await driver.post("/api/apps/redeploy", id=app["id"])
    platform.runtime.build_gate.set()
    results = [
        (await driver.ended(found))["status"]
        for found in (app["deploymentId"], second["deploymentId"], third["deploymentId"])
    ]
    assert results == ["success", "cancelled", "success"]
    assert (await driver.app(app["id"]))["activeDeployId"] == third["deploymentId"]


async def test_cancelling_a_build(driver, platform):
    app = await driver.live()
    platform.runtime.build_gate = asyncio.Event()
    answer = await driver.post("/api/apps/redeploy", id=app["id"])
    await asyncio.sleep(0.2)
    await driver.post("/api/apps/cancel", id=app["id"])
    ended = await driver.ended(answer["deploymentId"])
    assert ended["status"] == "cancelled"
    assert [step["status"] for step in ended["steps"]][-1] == "cancelled"
    assert (await driver.app(app["id"]))["status"] == "running"
    await driver.post("/api/apps/cancel", status=400, id=app["id"])


async def test_cancelling_a_queued_deployment(driver, platform):
    platform.runtime.build_gate = asyncio.Event()
    app = await driver.deploy()
    waiting = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.post("/api/apps/cancel", id=app["id"], deploymentId=waiting["deploymentId"])
    platform.runtime.build_gate.set()
    assert (await driver.ended(waiting["deploymentId"]))["status"] == "cancelled"
    assert (await driver.ended(app["deploymentId"]))["status"] == "success"


async def test_what_a_deployment_changed(driver, admin):
    app = await driver.live(envVars={"A": "1", "B": "same", "GONE": "x"}, secretKeys=["A"])

    async def compared(**query) -> dict:
        return (await admin.get("/api/deployments/compare", params=query)).json()

    first = await compared(id=app["activeDeployId"])
    assert (first["withId"], first["added"]) == (None, [])
    await driver.post(
        "/api/apps/update",
        id=app["id"],
        envVars={"A": "2", "B": "same", "NEW": "y"},
        memory="256m",
        startCommand="python x.py",
    )
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended(again["deploymentId"])
    found = await compared(id=again["deploymentId"])
    assert found["withId"] == app["activeDeployId"]
    assert (found["added"], found["removed"], found["changed"]) == (["NEW"], ["GONE"], ["A"])
    assert {"name": "memory", "before": "1g", "after": "256m"} in found["settings"]
    assert [change["name"] for change in found["plan"]] == ["start"]
    assert "secret" not in str(found)
    other = await driver.live("other")
    refused = await admin.get(
        "/api/deployments/compare", params={"id": app["activeDeployId"], "withId": other["activeDeployId"]}
    )
    assert refused.status_code == 400


async def test_rolling_back_brings_image_and_variables_back(driver, platform):
    app = await driver.live(envVars={"V": "1"})
    await driver.post("/api/apps/update", id=app["id"], envVars={"V": "2"})
    second = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended(second["deploymentId"])
    builds = len(platform.runtime.built)
    back = await driver.post("/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"])
    ended = await driver.ended(back["deploymentId"])
    assert (ended["status"], ended["rollbackOf"], ended["trigger"]) == ("success", app["activeDeployId"], "rollback")
    assert len(platform.runtime.built) == builds
    spec = platform.runtime.specs[back["deploymentId"]]
    assert spec.environment["V"] == "1"
    assert spec.image.endswith(app["activeDeployId"])


async def test_rolling_back_to_nonsense(driver, platform):
    one, two = await driver.live("one"), await driver.live("two")
    await driver.post("/api/apps/rollback", status=400, id=one["id"], deploymentId=two["activeDeployId"])
    await driver.post("/api/apps/rollback", status=404, id=one["id"], deploymentId="nope")
    platform.runtime.built.clear()
    answer = await driver.post("/api/apps/rollback", id=one["id"], deploymentId=one["activeDeployId"])
    ended = await driver.ended(answer["deploymentId"])
    assert ended["error"] == "the image of that deployment is gone"


async def test_rolling_back_without_naming_a_version_goes_to_the_one_before(driver, platform):
    app = await driver.live()
    nothing = await driver.post("/api/apps/rollback", status=400, id=app["id"])
    assert "no earlier version" in nothing["error"]
    redeployed = []
    for _ in range(2):
        answer = await driver.post("/api/apps/redeploy", id=app["id"])
        assert (await driver.ended(answer["deploymentId"]))["status"] == "success"
        redeployed.append(answer["deploymentId"])
    # What served before: a second rollback undoes the first.
    for expected in redeployed:
        back = await driver.post("/api/apps/rollback", id=app["id"])
        ended = await driver.ended(back["deploymentId"])
        assert (ended["status"], ended["trigger"]) == ("success", "rollback")
        assert platform.runtime.specs[back["deploymentId"]].image.endswith(expected)


async def test_five_images_are_kept(driver, platform):
    app = await driver.live()
    for _ in range(6):
        answer = await driver.post("/api/apps/redeploy", id=app["id"])
        await driver.ended(answer["deploymentId"])
    async with asyncio.timeout(10):
        while len(platform.runtime.built) > 5:
            await asyncio.sleep(0.05)
    assert len(platform.runtime.built) == 5


async def test_stop_and_start(driver, platform):
    app = await driver.live()
    assert await driver.post("/api/apps/stop", id=app["id"]) == {"status": "stopped"}
    assert platform.ingress.routes[app["id"]] == "stopped"
    assert (await driver.app(app["id"]))["status"] == "stopped"
    assert await driver.post("/api/apps/start", id=app["id"]) == {"status": "running"}
    assert platform.ingress.routes[app["id"]] == str(app["port"])
    assert (await driver.app(app["id"]))["status"] == "running"


async def test_starting_what_does_not_come_up_is_told(driver, platform):
    app = await driver.live()
    await driver.post("/api/apps/stop", id=app["id"])
    platform.runtime.exits = True
    answer = await driver.post("/api/apps/start", status=503, id=app["id"])
    assert answer["code"] == "app_exited"
    assert platform.ingress.routes[app["id"]] == "stopped"


async def test_stopping_during_a_deployment_is_refused_and_deleting_ends_it(driver, platform, admin):
    platform.runtime.build_gate = asyncio.Event()
    app = await driver.deploy()
    await asyncio.sleep(0.2)
    answer = await driver.post("/api/apps/stop", status=409, id=app["id"])
    assert answer["code"] == "deployment_active"
    assert await driver.post("/api/apps/delete", id=app["id"]) == {"status": "deleted"}
    assert (await admin.get("/api/apps")).json() == []
    assert platform.runtime.specs == {}
    assert platform.ingress.routes == {}


async def test_deleting_takes_everything_but_the_project_of_others(driver, platform, admin):
    project = await driver.post("/api/projects/create", name="team")
    app = await driver.live(projectId=project["id"])
    alone = await driver.live("alone")
    await driver.post("/api/apps/delete", id=app["id"])
    await driver.post("/api/apps/delete", id=alone["id"])
    assert [found["name"] for found in (await admin.get("/api/projects")).json()] == ["team"]
    assert (await admin.get("/api/deployments/history")).json() == []
    assert len(platform.runtime.built) == 2  # the trash keeps what it takes to bring them back
    for name, found in (("shop", app), ("alone", alone)):
        await driver.post("/api/apps/purge", id=found["id"], name=name)
    assert platform.runtime.built == {}
    assert not (platform.data_dir / "logs" / app["id"]).exists()


async def test_update_is_partial(driver):
    app = await driver.live(
        envVars={"A": "1", "S": "secret-1"},
        secretKeys=["S"],
        healthPath="/health",
        memory="256m",
        domains=["a.example.com"],
    )
    after = await driver.post("/api/apps/update", id=app["id"], branch="main")
    assert after["branch"] == "main"
    for name in ("gitRepo", "healthPath", "memory", "envVars", "secretKeys", "domains"):
        assert after[name] == app[name], name


async def test_secrets_are_kept_by_three_stars_and_never_become_readable(driver, platform):
    app = await driver.live(envVars={"S": "secret-1", "A": "1"}, secretKeys=["S"])
    await driver.post("/api/apps/update", id=app["id"], envVars={"S": "***", "B": "2"})
    answer = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended(answer["deploymentId"])
    spec = platform.runtime.specs[answer["deploymentId"]]
    assert spec.environment["S"] == "secret-1"
    assert "A" not in spec.environment
    refused = await driver.post("/api/apps/update", status=400, id=app["id"], envVars={"S": "***"}, secretKeys=[])
    assert "S is secret" in refused["error"]
    await driver.post("/api/apps/update", status=400, id=app["id"], envVars={"NEW": "***"})


async def test_names(driver):
    first, second = await driver.deploy("shop"), await driver.deploy("shop")
    assert [first["name"], second["name"]] == ["shop", "shop-2"]
    await driver.post("/api/apps/rename", status=409, id=second["id"], name="shop")
    renamed = await driver.post("/api/apps/rename", id=second["id"], name="store")
    assert renamed["defaultHost"] == "store.localhost"


async def test_domains(driver):
    one, two = await driver.deploy("one"), await driver.deploy("two")
    added = await driver.post("/api/apps/domains/add", id=one["id"], domain="Shop.Example.com")
    assert added["domains"] == ["shop.example.com"]
    assert added["url"] == "http://shop.example.com" or added["url"].startswith("https://shop.example.com")
    answer = await driver.post("/api/apps/domains/add", status=409, id=two["id"], domain="shop.example.com")
    assert answer["code"] == "domain_taken"
    await driver.post("/api/apps/domains/add", status=409, id=two["id"], domain="one.localhost")
    assert (await driver.post("/api/apps/domains/remove", id=one["id"], domain="shop.example.com"))["domains"] == []
    await driver.post("/api/apps/domains/remove", status=404, id=one["id"], domain="shop.example.com")


async def test_history_is_filtered_and_paged(driver, admin):
    app = await driver.live()
    other = await driver.live("other")
    for _ in range(3):
        await driver.ended((await driver.post("/api/apps/redeploy", id=app["id"]))["deploymentId"])
    mine = (await admin.get("/api/deployments/history", params={"appId": app["id"]})).json()
    assert len(mine) == 4
    assert other["activeDeployId"] not in [entry["id"] for entry in mine]
    first = await admin.get("/api/deployments/history", params={"limit": 2})
    second = await admin.get("/api/deployments/history", params={"limit": 10, "cursor": first.headers["X-Next-Cursor"]})
    ids = [entry["id"] for entry in first.json() + second.json()]
    assert len(ids) == len(set(ids)) == 5
    assert (await admin.get("/api/deployments/history", params={"status": "failed"})).json() == []
    assert (await admin.get("/api/deployments/history", params={"status": "nope"})).status_code == 400
    assert "logs" not in first.json()[0]


async def test_projects(driver, admin):
    project = await driver.post("/api/projects/create", name="team", description="ours")
    assert (project["status"], project["serviceCount"]) == ("stopped", 0)
    app = await driver.live(projectId=project["id"])
    await driver.post("/api/projects/create", status=409, name="team")
    detail = (await admin.get("/api/projects/get", params={"id": project["id"]})).json()
    assert (detail["status"], [found["id"] for found in detail["services"]]) == ("running", [app["id"]])
    assert (await driver.post("/api/projects/rename", id=project["id"], name="crew"))["name"] == "crew"
    await driver.post("/api/projects/delete", id=project["id"])
    assert (await admin.get("/api/projects")).json() == []
    assert (await admin.get("/api/apps")).json() == []


async def test_the_plan_is_shown_without_building(driver, platform):
    worker = await driver.post("/api/deploy/plan", gitRepo="sample:hello-node", kind="worker")
    assert worker["port"] == 0
    plan = await driver.post("/api/deploy/plan", gitRepo="sample:hello-node")
    assert (plan["runtime"], plan["start"]) == ("node", "node server.js")
    assert plan["dockerfile"].startswith("FROM node:22-bookworm-slim")
    assert plan["summary"] == "Node 22 · node server.js · port 8080"
    assert platform.runtime.built == {}
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    assert Path(tempfile.gettempdir()).is_relative_to(platform.data_dir)


async def test_the_start_sweeps_leftovers_and_no_plan_that_is_being_made(settings):
    (settings.data_dir / "builds" / "plan-of-a-killed-server").mkdir(parents=True)
    platform = Platform(settings, FakeRuntime(), FakeIngress(), FakeBases())  # type: ignore[arg-type]
    try:
        await platform.start()
        assert list(platform.workspace.iterdir()) == []
        (platform.workspace / "plan-in-use").mkdir()
        await platform.operations.reconcile()
        assert [folder.name for folder in platform.workspace.iterdir()] == ["plan-in-use"]
    finally:
        await platform.stop()


async def test_an_app_that_came_up_again_while_nobody_listened_is_running(driver, platform):
    """As after a restart of the engine: that each app ended was heard, that they began again was not."""
    app = await driver.live()
    fault = functools.partial(
        service.set_fault, deployment_id=app["activeDeployId"], fault=Statement("it ended with code 0")
    )
    await platform.database.write(fault)
    assert (await driver.app(app["id"]))["status"] == "failed"
    told = []
    await platform.operations.match_containers(told.append)
    assert (await driver.app(app["id"]))["status"] == "running"
    assert told == [app["id"]]


async def test_a_deployment_says_once_how_it_ended_however_long_that_can_t_be_stored(driver, platform, monkeypatch):
    monkeypatch.setattr(worker, "_PAUSE_SECONDS", 0.01)
    real, refused = service.fail, []

    def full(session, *arguments):
        if len(refused) < 3:
            refused.append(arguments)
            raise OperationalError("UPDATE", {}, Exception("database or disk is full"))
        return real(session, *arguments)

    monkeypatch.setattr(service, "fail", full)
    platform.runtime.build_error = "no such base"
    made = await driver.post("/api/deploy", name="shop", gitRepo="sample:hello-python")
    assert (await driver.ended(made["deploymentId"]))["status"] == "failed"
    assert len(refused) == 3
    assert (await driver.log(made["deploymentId"])).count("Deployment failed") == 1


async def test_faults_are_listened_for_once_the_engine_is_there_again(platform, monkeypatch):
    """While it starts, its containers do: what happens then is seen by looking, so it has to be looked at last."""
    monkeypatch.setattr(operations, "_RECONNECT_SECONDS", 0.01)
    runtime, states, looks = platform.runtime, platform.runtime.states, []

    async def listened(times):
        # Whoever leads looks at what is there as it begins, at any time beside its watch where servers share a state.
        async with asyncio.timeout(15):
            while runtime.listened < times or not runtime.looked:
                await asyncio.sleep(0.01)

    async def starting():
        looks.append(runtime.listened)
        if len(looks) < 3:
            raise RuntimeFailed("the engine can't be reached", "")
        return await states()

    await listened(1)
    monkeypatch.setattr(runtime, "states", starting)
    runtime.breaks_off.set()
    await listened(2)
    assert looks == [1, 1, 1]
