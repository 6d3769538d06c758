"""Changing over: one writer at a volume, processes beside the main one, watching and going back."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from better_paas.apps.idempotency import AnsweredCall
from better_paas.deployments import watch
from better_paas.deployments.models import Release
from better_paas.kit.clock import now


async def test_two_releases_never_write_to_one_volume(driver, platform):
    app = await driver.live(volumes=["data:/data"])
    first = app["activeDeployId"]
    seen = []
    start = platform.runtime.start

    async def look(spec):
        seen.append((set(platform.runtime.running), platform.ingress.routes[app["id"]]))
        await start(spec)

    platform.runtime.start = look
    told = platform.ingress.applied
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(again["deploymentId"]))["status"] == "success"
    assert seen == [(set(), "held")]
    # Before requests are held the ingress is told that they may be: a rollback may have brought the volume back.
    assert platform.ingress.applied_before_held > told
    assert first in platform.runtime.stopped
    assert platform.ingress.routes[app["id"]] == str((await driver.app(app["id"]))["port"])
    assert "Only one release may write to data" in await driver.log(again["deploymentId"])


@pytest.mark.parametrize("volume", ["data:/data:shared", "data:/data:ro"])
async def test_a_volume_that_may_be_shared_changes_over_side_by_side(driver, platform, volume):
    app = await driver.live(volumes=[volume])
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(again["deploymentId"]))["status"] == "success"
    assert "Only one release" not in await driver.log(again["deploymentId"])


async def test_a_release_that_fails_in_its_place_gives_it_back(driver, platform):
    app = await driver.live(volumes=["data:/data"])
    start, broken = platform.runtime.start, []

    async def fail_the_new_one(spec):
        if spec.deployment_id != app["activeDeployId"]:
            broken.append(spec.deployment_id)
            platform.runtime.listens = False
        else:
            assert platform.runtime.running == set()  # the failed one is gone before the old one writes again
            platform.runtime.listens = True
        await start(spec)

    platform.runtime.start = fail_the_new_one
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(again["deploymentId"]))["status"] == "failed"
    async with asyncio.timeout(5):
        while platform.ingress.routes[app["id"]] != str(app["port"]):
            await asyncio.sleep(0.05)
    assert platform.runtime.running == {app["activeDeployId"]}
    assert (await driver.app(app["id"]))["status"] == "running"


async def test_a_stopped_app_that_is_being_started_is_waited_for(driver, platform, admin):
    app = await driver.live(volumes=["data:/data"])
    await driver.post("/api/apps/stop", id=app["id"])
    start, beside = platform.runtime.start, []

    async def look(spec):
        if spec.deployment_id != app["activeDeployId"]:
            beside.append(set(platform.runtime.running))
        platform.runtime.listens = spec.deployment_id != app["activeDeployId"]
        await start(spec)

    platform.runtime.start = look
    starting = asyncio.create_task(admin.post("/api/apps/start", json={"id": app["id"]}))
    async with asyncio.timeout(5):
        while app["activeDeployId"] not in platform.runtime.running:
            await asyncio.sleep(0.01)
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(again["deploymentId"]))["status"] == "success"
    assert (await starting).status_code == 503  # it never answered
    assert beside == [set()]


async def test_a_killed_changeover_is_taken_back_at_the_next_start(driver, platform):
    from better_paas.deployments import service

    app = await driver.live(volumes=["data:/data"])

    def hold(session):
        service.hold(session, service.release_of(session, app["activeDeployId"]).id)

    await platform.database.write(hold)
    await platform.runtime.stop(app["activeDeployId"])
    platform.ingress.hold(app["id"])
    await platform.operations.recover_interrupted()
    await platform.operations.reconcile()
    assert platform.runtime.running == {app["activeDeployId"]}
    assert platform.ingress.routes[app["id"]] == str(app["port"])


async def test_processes_of_the_app_run_beside_it(driver, platform):
    app = await driver.live(processes={"worker": "python worker.py"}, releaseCommand="python migrate.py")
    spec = platform.runtime.specs[app["activeDeployId"]]
    assert spec.processes == {"worker": "python worker.py"}
    assert platform.runtime.ran_once == ["python migrate.py"]
    log = await driver.log(app["activeDeployId"])
    assert "release │ migrated" in log
    back = await driver.post("/api/apps/redeploy", id=app["id"])
    await driver.ended(back["deploymentId"])
    assert platform.runtime.ran_once == ["python migrate.py"] * 2
    rolled = await driver.post("/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"])
    await driver.ended(rolled["deploymentId"])
    assert platform.runtime.ran_once == ["python migrate.py"] * 2  # what was migrated stays migrated


async def test_a_release_command_that_fails_leaves_the_old_release(driver, platform):
    app = await driver.live()
    await driver.post("/api/apps/update", id=app["id"], releaseCommand="python migrate.py")
    platform.runtime.once_code = 3
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    ended = await driver.ended(again["deploymentId"])
    assert (ended["status"], ended["error"], ended["quoted"]) == (
        "failed", "the release command ended with code 3", "migrated",
    )  # fmt: skip
    assert (await driver.app(app["id"]))["activeDeployId"] == app["activeDeployId"]


async def test_a_worker_needs_no_port(driver, platform, monkeypatch):
    monkeypatch.setattr("better_paas.deployments.healthy._WORKER_SECONDS", 0.1)
    app = await driver.live(kind="worker")
    assert (app["port"], app["url"], app["status"]) == (None, "", "running")
    spec = platform.runtime.specs[app["activeDeployId"]]
    assert (spec.container_port, spec.host_port) == (0, 0)
    assert "PORT" not in spec.environment
    assert platform.ingress.routes[app["id"]] == "worker"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watch, "_FAILING_SECONDS", 0.3)


async def second_version(driver, app):
    again = await driver.post("/api/apps/redeploy", id=app["id"])
    assert (await driver.ended(again["deploymentId"]))["status"] == "success"
    return again["deploymentId"]


async def went_back(driver, app) -> dict:
    async with asyncio.timeout(10):
        while True:
            listed = (await driver.client.get("/api/deployments/history", params={"appId": app["id"]})).json()
            if listed[0]["trigger"] == "watch" and listed[0]["status"] == "success":
                return listed[0]
            await asyncio.sleep(0.05)


async def test_a_release_that_crashes_after_it_went_live_is_taken_back(driver, platform, quick, admin, monkeypatch):
    monkeypatch.setattr("better_paas.deployments.service.SETTLING", timedelta())
    app = await driver.live()
    bad = await second_version(driver, app)
    platform.runtime.restarts[bad] = 3
    back = await went_back(driver, app)
    assert back["rollbackOf"] == app["activeDeployId"]
    assert (await driver.app(app["id"]))["activeDeployId"] == back["id"]
    failed = (await admin.get("/api/deployments/get", params={"id": bad})).json()
    assert failed["status"] == "failed"
    assert "it ended 3 times" in failed["error"]
    log = await driver.log(bad)
    assert f"hello from {bad}" in log
    assert "Going back: it ended 3 times" in log
    (entry,) = (await admin.get("/api/audit-logs", params={"action": "app:rollback"})).json()
    assert (entry["actorType"], entry["resourceId"]) == ("system", app["id"])


async def test_a_release_that_stops_answering_is_taken_back_but_a_slow_moment_is_forgiven(driver, platform, quick):
    app = await driver.live()
    bad = await second_version(driver, app)
    server = platform.runtime.servers.pop(bad)
    server.close()
    await asyncio.sleep(0.15)
    spec = platform.runtime.specs[bad]
    await platform.runtime.start(spec)
    await asyncio.sleep(0.5)
    assert (await driver.app(app["id"]))["activeDeployId"] == bad
    platform.runtime.servers.pop(bad).close()
    assert (await went_back(driver, app))["rollbackOf"] == app["activeDeployId"]


async def test_with_nothing_to_go_back_to_the_app_is_shown_as_failing(driver, platform, quick):
    app = await driver.live()
    platform.runtime.restarts[app["activeDeployId"]] = 5
    async with asyncio.timeout(5):
        while (await driver.app(app["id"]))["status"] != "failed":
            await asyncio.sleep(0.05)


async def test_the_watch_begins_when_it_goes_live(driver, platform, quick):
    """A migration that takes longer than the watch does not take its place."""
    app = await driver.live(watchMinutes=1)

    def take_long(session):
        session.execute(update(Release).values(created_at=now() - timedelta(minutes=10)))

    start = platform.runtime.start

    async def slow(spec):
        await platform.database.write(take_long)
        await start(spec)

    platform.runtime.start = slow
    bad = await second_version(driver, app)
    platform.runtime.restarts[bad] = 9
    assert (await went_back(driver, app))["rollbackOf"] == app["activeDeployId"]


async def test_going_back_waits_for_nobody_s_build(driver, platform):
    app = await driver.live("shop")
    await second_version(driver, app)
    gate = platform.runtime.build_gate = asyncio.Event()
    others = [await driver.deploy(name) for name in ("one", "two", "three")]
    back = await driver.post("/api/apps/rollback", id=app["id"])
    assert (await driver.ended(back["deploymentId"]))["status"] == "success"
    gate.set()
    for other in others:
        assert (await driver.ended(other["deploymentId"]))["status"] == "success"


async def test_who_does_not_want_it_is_not_watched(driver, platform, quick):
    app = await driver.live(watchMinutes=0)
    bad = await second_version(driver, app)
    platform.runtime.restarts[bad] = 9
    await asyncio.sleep(0.5)
    assert (await driver.app(app["id"]))["activeDeployId"] == bad


async def test_a_deployment_that_is_asked_for_twice_is_made_once(driver, platform, admin):
    body = {"name": "shop", "gitRepo": "sample:hello-python"}
    key = {"Idempotency-Key": "3f1c"}
    both = await asyncio.gather(*(admin.post("/api/deploy", json=body, headers=key) for _ in range(2)))
    assert {answer.json().get("code") for answer in both} <= {None, "idempotency_key_in_use"}
    third = await admin.post("/api/deploy", json=body, headers=key)
    assert third.status_code == 200
    assert [app["name"] for app in (await admin.get("/api/apps")).json()] == ["shop"]
    other = await admin.post("/api/deploy", json={**body, "name": "else"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    await driver.ended(third.json()["deploymentId"])
    again = [
        await admin.post("/api/apps/redeploy", json={"id": third.json()["id"]}, headers={"Idempotency-Key": "r1"})
        for _ in range(2)
    ]
    assert again[0].json()["deploymentId"] == again[1].json()["deploymentId"]
    await platform.database.write(
        lambda session: session.execute(update(AnsweredCall).values(created_at=now() - timedelta(hours=25)))
    )
    forgotten = await admin.post(
        "/api/apps/redeploy", json={"id": third.json()["id"]}, headers={"Idempotency-Key": "r1"}
    )
    assert forgotten.json()["deploymentId"] != again[0].json()["deploymentId"]
    long = await admin.post("/api/deploy", json=body, headers={"Idempotency-Key": "x" * 201})
    assert long.status_code == 400
