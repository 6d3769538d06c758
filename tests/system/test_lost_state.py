"""A state that was lost, is older than what runs, or is damaged: apps go on, and nothing of theirs is removed."""

import os
import subprocess
import sys

import pytest

from tests.system.servers import PaasServer, app_ports, docker, wait_until
from tests.system.test_crashes import containers_of, text_app

pytestmark = pytest.mark.engine


@pytest.fixture
def own(tmp_path):
    server = PaasServer(tmp_path / "data", APP_PORTS=app_ports(26000), DRAIN_SECONDS="1")
    server.start()
    yield server
    server.close()


def refused(server: PaasServer) -> str:
    """What a server that must not start says. It ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "better_paas", "serve"],
        env={**os.environ, **server.settings}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def lose(server: PaasServer) -> None:
    """The file of the state is there and empty."""
    server.kill()
    for path in server.data.glob("better-paas.db*"):
        path.unlink()
    (server.data / "better-paas.db").touch()


def test_an_empty_state_takes_nothing_away_and_what_runs_is_taken_in(own, git):
    shop = own.live("shop", git.repository("lost-shop.git", text_app("shop")).url, envVars={"GREETING": "hello"})
    blog = own.live("blog", git.repository("lost-blog.git", text_app("blog")).url)
    before = {app["id"]: containers_of(app) for app in (shop, blog)}
    lose(own)
    said = refused(own)
    assert "does not know 2 routes" in said
    assert "better-paas adopt" in said
    assert {app["id"]: containers_of(app) for app in (shop, blog)} == before
    assert (own.visit(shop).text, own.visit(blog).text) == ("shop", "blog")
    # Without a person's word nothing goes.
    assert "app shop" in own.command("forget", code=1)
    assert own.visit(shop).text == "shop"
    assert "shop is taken in" in own.command("adopt")
    own.start()
    wait_until(lambda: own.get("/api/health")["parts"]["releases"]["state"] == "ok", 30)
    assert {app["name"]: app["status"] for app in own.get("/api/apps")} == {"shop": "running", "blog": "running"}
    assert {app["id"]: containers_of(app) for app in (shop, blog)} == before
    assert (own.visit(shop).text, own.visit(blog).text) == ("shop", "blog")
    own.post("/api/apps/update", id=shop["id"], gitRepo=shop["gitRepo"])
    own.redeploy(shop)
    assert own.visit(shop).text == "shop"
    environment = docker("inspect", "--format", "{{.Config.Env}}", containers_of(shop)[0])
    assert "GREETING=hello" in environment


def test_a_state_that_is_older_than_what_runs_takes_nothing_away(own, git):
    repository = git.repository("older.git", text_app("one"))
    app = own.live("older", repository.url)
    own.command("db", "backup")
    (copy,) = (own.data / "state-backups").glob("*by-hand.db")
    repository.commit(text_app("two"), "Second")
    own.redeploy(app)
    wait_until(lambda: len(containers_of(app)) == 1, 30)
    newer = containers_of(app)
    own.kill()
    own.command("db", "restore", str(copy))
    own.start()
    wait_until(lambda: own.get("/api/health")["status"] == "degraded", 30)
    assert "does not know 1 release" in own.get("/api/health")["parts"]["releases"]["state"]
    assert containers_of(app) == newer
    assert own.visit(app).text == "two"
    own.kill()
    own.command("adopt")
    own.start()
    wait_until(lambda: own.get("/api/health")["status"] == "healthy", 30)
    assert (containers_of(app), own.visit(app).text) == (newer, "two")


def test_what_nobody_wants_any_more_is_forgotten(own, git):
    app = own.live("unwanted", git.repository("unwanted.git", text_app("x")).url)
    lose(own)
    own.command("forget", "--yes")
    assert containers_of(app) == []
    own.start()
    assert own.get("/api/apps") == []
    assert "knows all" in stopped(own).command("forget")


def stopped(server: PaasServer) -> PaasServer:
    server.kill()
    return server


def test_a_damaged_state_is_brought_back_from_a_copy(own, git):
    app = own.live("damaged", git.repository("damaged.git", text_app("well")).url)
    own.command("db", "backup")
    (copy,) = (own.data / "state-backups").glob("*by-hand.db")
    own.kill()
    for more in ("-wal", "-shm"):
        (own.data / f"better-paas.db{more}").unlink(missing_ok=True)
    content = copy.read_bytes()
    (own.data / "better-paas.db").write_bytes(content[: len(content) // 2 // 4096 * 4096])
    said = refused(own)
    assert "damaged" in said or "can't be opened" in said
    assert "better-paas db restore" in said
    assert "not whole" in own.command("db", "check", code=1)
    own.command("db", "restore", str(copy))
    assert "whole" in own.command("db", "check")
    own.start()
    assert own.visit(app).text == "well"
    assert len(containers_of(app)) == 1
