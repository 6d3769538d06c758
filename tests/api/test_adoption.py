"""What runs and is not in the state: shown, left alone, and taken in or removed by a person's word."""

import pytest
from sqlalchemy import delete

from better_paas.apps import service as apps
from better_paas.apps.models import App
from better_paas.bootstrap import Platform
from better_paas.deployments.models import Deployment, Release
from better_paas.errors import StartRefused
from better_paas.projects.models import Project
from tests.fakes import FakeBases, FakeIngress


async def audited(driver, action: str) -> list[tuple[str, str, str]]:
    """Outcome, id and name of each entry, newest first."""
    answer = (await driver.client.get("/api/audit-logs", params={"action": action})).json()
    return [(one["outcome"], one["resourceId"], one["resourceName"]) for one in answer]


async def forget_deployment(platform, app) -> None:
    """The state from before this app's deployment."""

    def unit(session):
        session.get(App, app["id"]).live_release_id = None
        session.execute(delete(Release).where(Release.app_id == app["id"]))
        session.execute(delete(Deployment).where(Deployment.app_id == app["id"]))

    await platform.database.write(unit)


async def forget_app(platform, app) -> None:
    """The state from before this app."""
    await forget_deployment(platform, app)

    def unit(session):
        session.execute(delete(App).where(App.id == app["id"]))
        session.execute(delete(Project).where(Project.id == app["projectId"]))

    await platform.database.write(unit)


async def health(client) -> dict:
    return (await client.get("/api/health")).json()


async def test_what_the_state_never_heard_of_is_shown_and_left_alone(driver, platform):
    app = await driver.live("shop")
    (deployment,) = platform.runtime.running
    route = platform.ingress.routes[app["id"]]
    await forget_deployment(platform, app)
    await platform.operations.reconcile()
    assert platform.runtime.running == {deployment}
    assert platform.ingress.routes[app["id"]] == route
    found = await health(driver.client)
    assert found["status"] == "degraded"
    assert "does not know 1 release" in found["parts"]["releases"]["state"]
    doctor = (await driver.client.get("/api/system/doctor")).json()
    assert any("better-paas adopt" in finding["advice"] for finding in doctor["findings"])
    # Beside it nothing else is started: the two would write to the same volumes.
    answer = await driver.client.post("/api/apps/redeploy", json={"id": app["id"]})
    ended = await driver.ended(answer.json()["deploymentId"])
    assert ended["status"] == "failed"
    assert "does not know" in ended["error"]
    assert platform.runtime.running == {deployment}


async def test_what_a_killed_server_left_of_a_known_deployment_goes_by_itself(driver, platform):
    await driver.live("shop")
    (deployment,) = platform.runtime.running

    def unit(session):
        session.execute(delete(Release))
        session.get(Deployment, deployment).status = "failed"

    await platform.database.write(unit)
    await platform.operations.match_containers()
    assert platform.runtime.specs == {}
    assert platform.operations.problem == ""


async def test_an_app_that_was_lost_is_taken_in_with_what_is_known_of_it(driver, platform):
    app = await driver.live("shop", envVars={"TOKEN": "s3cret-value"}, volumes=["data:/data"], memory="256m")
    (deployment,) = platform.runtime.running
    await forget_app(platform, app)
    found = await platform.adoption.unknown(await platform.runtime.states())
    assert found.releases.keys() == {deployment}
    specs = await platform.adoption.describe(found)
    await platform.adoption.adopt(list(specs.values()))
    assert await audited(driver, "app:adopt") == [("success", app["id"], "shop")]
    await platform.operations.reconcile()
    assert platform.operations.problem == ""
    assert platform.runtime.running == {deployment}
    back = (await driver.client.get("/api/apps/get", params={"id": app["id"]})).json()
    assert (back["name"], back["status"], back["memory"], back["volumes"]) == (
        "shop",
        "running",
        "256m",
        ["data:/data"],
    )
    # Which of its variables were secret nobody knows: all are.
    assert back["envVars"] == {"TOKEN": "***"}
    answer = await driver.client.post("/api/apps/redeploy", json={"id": app["id"]})
    assert answer.status_code < 500
    await driver.client.post("/api/apps/update", json={"id": app["id"], "gitRepo": app["gitRepo"]})
    answer = await driver.client.post("/api/apps/redeploy", json={"id": app["id"]})
    assert (await driver.ended(answer.json()["deploymentId"]))["status"] == "success"
    assert platform.runtime.specs[answer.json()["deploymentId"]].environment["TOKEN"] == "s3cret-value"


async def test_a_release_that_is_newer_than_the_state_is_taken_in(driver, platform):
    app = await driver.live("shop")
    (deployment,) = platform.runtime.running
    await forget_deployment(platform, app)
    specs = await platform.adoption.describe(await platform.adoption.unknown(await platform.runtime.states()))
    (taken,) = await platform.adoption.adopt(list(specs.values()))
    assert taken.id == app["id"]
    await platform.operations.reconcile()
    shown = (await driver.client.get("/api/apps/get", params={"id": app["id"]})).json()
    assert (shown["status"], shown["gitRepo"]) == ("running", app["gitRepo"])
    assert platform.runtime.running == {deployment}


async def test_what_nobody_wants_is_removed_by_a_person_s_word(driver, platform):
    app = await driver.live("shop")
    await forget_app(platform, app)
    (platform.data_dir / "routes" / app["id"]).mkdir(parents=True)
    found = await platform.adoption.unknown(await platform.runtime.states())
    assert found.routes == {app["id"]}
    await platform.adoption.forget(found, await platform.adoption.describe(found))
    assert platform.runtime.running == set()
    assert (await platform.adoption.unknown(await platform.runtime.states())).problem == ""
    assert list((platform.data_dir / "routes").iterdir()) == []
    assert await audited(driver, "app:forget") == [(outcome, app["id"], "shop") for outcome in ("success", "intent")]


async def test_a_state_without_the_apps_that_have_routes_does_not_start(settings, driver, platform):
    app = await driver.live("shop")
    await platform.stop()
    routes = settings.data_dir / "routes"
    (routes / app["id"]).mkdir(parents=True)
    again = Platform(settings, platform.runtime, FakeIngress(), FakeBases())
    await again.open()
    await again.stop()
    (routes / "never-heard-of").mkdir()
    again = Platform(settings, platform.runtime, FakeIngress(), FakeBases())
    with pytest.raises(StartRefused, match="does not know 1 route") as refused:
        await again.open()
    assert "better-paas adopt" in refused.value.hint
    await again.open(with_unknown=True)
    assert await again.database.read(lambda session: len(apps.all_apps(session))) == 1
    await again.stop()


async def test_an_id_that_is_lost_is_found_again_or_asked_for(settings, platform):
    await platform.stop()
    file = settings.data_dir / "instance_id"
    before = file.read_text()
    file.unlink()
    Platform(settings, platform.runtime, FakeIngress(), FakeBases())
    assert file.read_text() == before
    file.unlink()
    (settings.data_dir / "audit.pub").unlink()
    (settings.data_dir / "routes" / "shop").mkdir(parents=True)
    with pytest.raises(StartRefused, match="instance_id is missing"):
        Platform(settings, platform.runtime, FakeIngress(), FakeBases())
