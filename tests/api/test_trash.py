"""Deleting is soft: what goes, what stays, what comes back, and what goes for good."""

from datetime import timedelta

from better_paas.apps.models import App
from better_paas.kit.clock import now


async def test_a_deleted_app_comes_back_as_it_was(driver, platform, admin):
    app = await driver.live(volumes=["data:/data"], domains=["shop.example.com"], envVars={"A": "1"})
    await driver.post("/api/apps/delete", id=app["id"])
    assert (await admin.get("/api/apps/get", params={"id": app["id"]})).status_code == 404
    assert (await admin.get("/api/projects")).json() == []
    assert platform.runtime.specs == {}
    (kept,) = (await admin.get("/api/apps/trash")).json()
    assert kept["name"] == "shop"
    assert kept["volumes"] == [{"name": "data", "size": 1_200_000_000}]
    assert kept["images"] == 1
    assert kept["domains"] == ["shop.example.com"]
    assert kept["purgeAt"] > kept["deletedAt"]
    back = await driver.post("/api/apps/restore", id=app["id"])
    assert {name: back[name] for name in app if name not in ("latestDeployment",)} == {
        name: app[name] for name in app if name not in ("latestDeployment",)
    }
    assert platform.ingress.routes[app["id"]] == str(app["port"])
    assert (await admin.get("/api/apps/trash")).json() == []
    assert [project["name"] for project in (await admin.get("/api/projects")).json()] == ["shop"]


async def test_a_name_and_a_domain_in_the_trash_are_free(driver, admin):
    old = await driver.live(domains=["shop.example.com"])
    await driver.post("/api/apps/delete", id=old["id"])
    new = await driver.live(domains=["shop.example.com"])
    assert new["name"] == "shop"
    back = await driver.post("/api/apps/restore", id=old["id"])
    assert back["name"] == "shop-2"
    assert back["domains"] == []
    names = sorted(project["name"] for project in (await admin.get("/api/projects")).json())
    assert names == ["shop", "shop-2"]


async def test_a_path_of_a_host_that_another_got_meanwhile_does_not_come_back(driver):
    old = await driver.live(domains=["example.com/x", "mine.example.com"])
    await driver.post("/api/apps/delete", id=old["id"])
    new = await driver.live(domains=["example.com"])
    back = await driver.post("/api/apps/restore", id=old["id"])
    assert back["domains"] == ["mine.example.com"]
    assert (await driver.app(new["id"]))["domains"] == ["example.com"]


async def test_a_stopped_app_comes_back_stopped(driver, platform):
    app = await driver.live()
    await driver.post("/api/apps/stop", id=app["id"])
    await driver.post("/api/apps/delete", id=app["id"])
    assert (await driver.post("/api/apps/restore", id=app["id"]))["status"] == "stopped"
    assert platform.ingress.routes[app["id"]] == "stopped"
    assert platform.runtime.running == set()


async def test_an_app_that_does_not_start_any_more_is_back_all_the_same(driver, platform):
    app = await driver.live()
    await driver.post("/api/apps/delete", id=app["id"])
    platform.runtime.exits = True
    answer = await driver.post("/api/apps/restore", status=503, id=app["id"])
    assert answer["code"] == "app_exited"
    assert (await driver.app(app["id"]))["name"] == "shop"


async def test_a_deleted_project_comes_back_with_its_app(driver, admin):
    project = await driver.post("/api/projects/create", name="team")
    app = await driver.live(projectId=project["id"])
    await driver.post("/api/projects/delete", id=project["id"])
    assert (await admin.get("/api/projects")).json() == []
    assert (await admin.get("/api/projects/get", params={"id": project["id"]})).status_code == 404
    assert (await driver.post("/api/projects/create", name="team"))["name"] == "team"
    await driver.post("/api/apps/restore", id=app["id"])
    assert sorted(found["name"] for found in (await admin.get("/api/projects")).json()) == ["team", "team-2"]


async def test_purging_names_what_it_means_and_takes_only_its_own_volumes(driver, platform, admin):
    project = await driver.post("/api/projects/create", name="team")
    app = await driver.live(projectId=project["id"], volumes=["data:/data", "both:/both"])
    other = await driver.live("other", projectId=project["id"], volumes=["both:/both"])
    await admin.get("/api/volumes")
    await driver.post("/api/apps/purge", status=404, id=app["id"], name="shop")
    await driver.post("/api/apps/delete", id=app["id"])
    await driver.post("/api/apps/purge", status=409, id=app["id"], name="chop")
    gone = await driver.post("/api/apps/purge", id=app["id"], name="shop", volumes=True)
    assert gone == {"status": "purged", "images": 1, "volumes": ["data"]}
    listed = (await admin.get("/api/volumes")).json()
    assert [(volume["name"], volume["apps"]) for volume in listed] == [("both", ["other"])]
    await driver.post("/api/apps/restore", status=404, id=app["id"])
    assert (await driver.app(other["id"]))["status"] == "running"


async def test_what_is_too_long_in_the_trash_goes_but_its_volumes_stay(driver, platform, admin):
    app = await driver.live(volumes=["data:/data"])
    await admin.get("/api/volumes")
    await driver.post("/api/apps/delete", id=app["id"])
    await platform.operations.purge_expired(7)
    assert len((await admin.get("/api/apps/trash")).json()) == 1

    def age(session):
        session.get(App, app["id"]).deleted_at = now() - timedelta(days=7, seconds=1)

    await platform.database.write(age)
    await platform.operations.purge_expired(7)
    assert (await admin.get("/api/apps/trash")).json() == []
    (left,) = (await admin.get("/api/volumes")).json()
    assert (left["name"], left["apps"], left["project"]) == ("data", [], "")
    assert (await driver.post("/api/volumes/delete", projectId=left["projectId"], name="data"))["size"] == left["size"]
    assert (await admin.get("/api/volumes")).json() == []


async def test_a_volume_in_use_is_not_deleted(driver, admin):
    app = await driver.live(volumes=["data:/data"])
    (volume,) = (await admin.get("/api/volumes")).json()
    assert volume["apps"] == ["shop"]
    answer = await driver.post("/api/volumes/delete", status=409, projectId=volume["projectId"], name="data")
    assert "shop uses this volume" in answer["error"]
    await driver.post("/api/apps/delete", id=app["id"])
    answer = await driver.post("/api/volumes/delete", status=409, projectId=volume["projectId"], name="data")
    assert "in the trash" in answer["error"]
    assert (await admin.get("/api/volumes")).json()[0]["inTrash"] is True


async def test_a_server_that_was_killed_while_it_deleted_ends_it_at_the_next_start(driver, platform):
    """The commit is the deletion: what runs is taken away when the state is brought in step."""
    from better_paas.apps import trash

    app = await driver.live()
    await platform.database.write(lambda session: trash.put(session, app["id"]))
    assert platform.runtime.running
    await platform.operations.reconcile()
    assert platform.runtime.specs == {}


async def test_a_volume_that_is_gone_is_missed(driver, platform, admin):
    """An app that finds an empty volume where its data was begins anew: it is rather not started."""
    app = await driver.live(volumes=["data:/data"])
    (volume,) = (await admin.get("/api/volumes")).json()
    assert volume["missing"] is False
    platform.runtime.kept.clear()
    ended = await driver.ended((await driver.post("/api/apps/redeploy", id=app["id"]))["deploymentId"])
    assert ended["status"] == "failed"
    assert ("a volume is missing" in ended["error"], ended["quoted"]) == (True, "data")
    assert "forget the volume" in ended["hint"]
    assert platform.runtime.kept == set()
    # The one that serves goes on; once it has ended it is not started either.
    assert (await driver.app(app["id"]))["status"] == "running"
    await driver.post("/api/apps/stop", id=app["id"])
    assert "is missing" in (await driver.post("/api/apps/start", status=503, id=app["id"]))["error"]
    (volume,) = (await admin.get("/api/volumes")).json()
    assert (volume["missing"], volume["size"], volume["apps"]) == (True, None, ["shop"])
    checked = (await admin.get("/api/system/doctor")).json()
    assert "Volume data" in [finding["name"] for finding in checked["findings"]]
    # Whoever knows that there is nothing to lose says so.
    forgotten = await driver.post("/api/volumes/delete", projectId=volume["projectId"], name="data")
    assert forgotten["status"] == "forgotten"
    await driver.post("/api/apps/start", id=app["id"])
    assert (await admin.get("/api/volumes")).json()[0]["missing"] is False


async def test_a_volume_that_a_person_brought_back_is_there_and_not_forgotten(driver, platform, admin):
    """The engine knows it by its name alone: nothing on it says whose it is."""
    app = await driver.live(volumes=["data:/data"])
    await driver.post("/api/apps/stop", id=app["id"])
    key = (app["projectId"], "data")
    platform.runtime.unmarked.add(key)
    (volume,) = (await admin.get("/api/volumes")).json()
    assert (volume["missing"], volume["size"]) == (False, 1_200_000_000)
    refused = await driver.post("/api/volumes/delete", status=409, projectId=key[0], name="data")
    assert "shop uses this volume" in refused["error"]
    assert platform.runtime.kept == {key}
