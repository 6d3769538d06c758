"""Secrets are sealed on disk, the key can be changed at any moment, and a wrong one stops the start."""

import asyncio
import os

import pytest

from better_paas.bootstrap import Platform
from better_paas.errors import StartRefused
from better_paas.kit.crypto import new_key
from tests.fakes import FakeBases, FakeIngress, FakeRuntime
from tests.stored import everything, execute

SECRETS = ("canary-of-a-variable", "canary-of-an-open-one", "canary-git-token")


def again(settings, **changes) -> Platform:
    return Platform(settings.model_copy(update=changes), FakeRuntime(), FakeIngress(), FakeBases())


async def with_secrets(driver) -> dict:
    return await driver.live(envVars={"KEY": SECRETS[0], "OPEN": SECRETS[1]}, secretKeys=["KEY"], gitToken=SECRETS[2])


async def test_nothing_secret_is_in_the_database_files(driver, settings):
    app = await with_secrets(driver)
    assert app["envVars"] == {"KEY": "***", "OPEN": SECRETS[1]}
    stored = everything(settings)
    assert not [secret for secret in SECRETS if secret.encode() in stored]
    assert oct((settings.data_dir / "secret.key").stat().st_mode & 0o777) == "0o600"


async def test_a_value_that_was_moved_to_another_app_fails_and_never_runs_empty(driver, platform, settings):
    first, second = await with_secrets(driver), await driver.live("other", envVars={"A": "1"})
    execute(
        settings,
        "UPDATE apps SET env_vars = (SELECT env_vars FROM apps WHERE id = ?) WHERE id = ?",
        first["id"],
        second["id"],
    )
    starts = len(platform.runtime.specs)
    answer = await driver.post("/api/apps/redeploy", id=second["id"])
    ended = await driver.ended(answer["deploymentId"])
    assert ended["status"] == "failed"
    assert "can't be opened" in ended["error"]
    assert len(platform.runtime.specs) == starts
    verified = await driver.post("/api/keys/verify")
    assert not verified["ok"]
    assert verified["faults"] == [f"the value at apps/{second['id']}/env_vars was changed or moved"]


async def test_one_app_that_can_not_be_opened_does_not_hide_the_others(driver, settings):
    first, second = await with_secrets(driver), await driver.live("other", envVars={"A": "1"})
    execute(
        settings,
        "UPDATE apps SET env_vars = (SELECT env_vars FROM apps WHERE id = ?) WHERE id = ?",
        first["id"],
        second["id"],
    )
    listed = {app["name"]: app for app in (await driver.client.get("/api/apps")).json()}
    assert set(listed) == {"shop", "other"}
    assert "can't be opened" in listed["other"]["statusDetail"]
    # The way out: its values are set anew.
    await driver.post("/api/apps/update", id=second["id"], envVars={"A": "2"})
    assert (await driver.app(second["id"]))["envVars"] == {"A": "2"}


async def test_the_change_of_the_key(driver, platform, settings):
    app = await with_secrets(driver)
    before = (settings.data_dir / "secret.key").read_text().strip()
    made = await driver.post("/api/keys/rotate")
    async with asyncio.timeout(10):
        while (settings.data_dir / "secret.key").read_text().count("\n") != 1 or before in (
            settings.data_dir / "secret.key"
        ).read_text():
            await asyncio.sleep(0.05)
    verified = await driver.post("/api/keys/verify")
    assert (verified["ok"], list(verified["byKey"])) == (True, [made["id"]])
    keys = (await driver.client.get("/api/keys")).json()["keys"]
    assert {key["id"]: key["active"] for key in keys}[made["id"]]
    assert (await driver.app(app["id"]))["envVars"]["OPEN"] == SECRETS[1]
    await driver.post("/api/apps/redeploy", id=app["id"])


async def test_a_change_that_was_killed_goes_on_at_the_next_start(driver, platform, settings):
    await with_secrets(driver)
    old = platform.vault.ring.active
    await platform.stop()
    # As if the server had died right after the new key was on disk.
    platform.vault.source.save([new_key(), old])
    later = again(settings)
    await later.start()
    try:
        async with asyncio.timeout(10):
            while len(later.vault.ring.keys) > 1:
                await asyncio.sleep(0.05)
        assert later.vault.ring.active.id != old.id
    finally:
        await later.stop()


async def test_clear_text_from_before_is_read_and_sealed(driver, platform, settings):
    app = await with_secrets(driver)
    await platform.stop()
    execute(settings, "UPDATE apps SET env_vars = ?, git_token = ?", '{"OLD": "canary-clear"}', "clear-token")
    later = again(settings)
    await later.start()
    try:
        async with asyncio.timeout(10):
            while execute(settings, "SELECT git_token FROM apps")[0][0] == "clear-token":
                await asyncio.sleep(0.05)
        from better_paas.apps import secrets
        from better_paas.apps.models import App

        def unit(session):
            found = session.get(App, app["id"])
            return secrets.environment(session, found), secrets.git_token(session, found)

        assert await later.database.read(unit) == ({"OLD": "canary-clear"}, "clear-token")
    finally:
        await later.stop()


@pytest.mark.parametrize("how", ["missing", "another", "empty", "not a key"])
async def test_a_start_without_the_right_key_is_refused(driver, platform, settings, how):
    await with_secrets(driver)
    await platform.stop()
    path = settings.data_dir / "secret.key"
    kept = path.read_text()
    if how == "missing":
        path.unlink()
    else:
        path.write_text({"another": os.urandom(32).hex(), "empty": "", "not a key": "hello"}[how])
    with pytest.raises(StartRefused) as refused:
        await again(settings).start()
    assert refused.value.hint
    assert str(refused.value)
    path.write_text(kept)
    later = again(settings)
    await later.start()
    await later.stop()


async def test_a_key_from_outside_takes_over(driver, platform, settings):
    app = await with_secrets(driver)
    await platform.stop()
    key = os.urandom(32).hex()
    later = again(settings, better_paas_secret_key=key)
    await later.start()
    try:
        async with asyncio.timeout(10):
            while await later.database.read(_stale):
                await asyncio.sleep(0.05)
    finally:
        await later.stop()
    # The file is no longer needed; another key is refused.
    (settings.data_dir / "secret.key").unlink()
    last = again(settings, better_paas_secret_key=key)
    await last.start()
    assert app
    await last.stop()
    with pytest.raises(StartRefused, match="not the one"):
        await again(settings, better_paas_secret_key=os.urandom(32).hex()).start()


def _stale(session):
    from better_paas.vault import service
    from better_paas.vault.slots import SLOTS

    return service.stale_rows(session, SLOTS) or service.is_changing(session)


async def test_a_change_of_the_key_that_begins_while_another_ends(driver, platform, settings):
    app = await with_secrets(driver)
    made = []
    for _ in range(5):
        answer = await driver.client.post("/api/keys/rotate")
        if answer.status_code == 200:
            made.append(answer.json()["id"])
    async with asyncio.timeout(10):
        while (settings.data_dir / "secret.key").read_text().count("\n") != 1:
            await asyncio.sleep(0.02)
    assert platform.vault.ring.ids == (made[-1],)
    assert (await driver.post("/api/keys/verify"))["ok"]
    assert (await driver.app(app["id"]))["envVars"]["OPEN"] == SECRETS[1]
