"""Names that the ingress refuses, against a real Caddy: they are left out, and nobody else notices."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import replace

import pytest

from better_paas.caddy import process
from better_paas.caddy.process import CaddyFailed, CaddySilent
from better_paas.domains import ingress
from better_paas.domains.render import Certificate, Name, Site
from better_paas.domains.routing import Routing
from better_paas.kit.subprocess import ProgramFailed
from tests import stored
from tests.system.ingress_world import World, until

# Caddy outlives what started it, which Python warns of.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
BAD = "xn--0.example.com"


@pytest.fixture
async def world():
    made = World()
    yield made
    await made.close()


def config(world: World) -> dict:
    return json.loads((world.settings.folder / "config.json").read_text())


def https_hosts(world: World) -> list[str]:
    policies = config(world)["apps"]["tls"]["automation"]["policies"]
    return [host for policy in policies for host in policy["subjects"]]


async def test_a_name_that_is_refused_is_left_out_and_all_others_are_served(world):
    world.app("good", "good.localhost")
    await world.ingress.start()
    world.app("bad", "bad.localhost", BAD)
    world.app("late", "late.localhost")
    await world.ingress.apply()
    for host in ("good", "late", "bad"):  # its other name too
        assert world.ask(f"{host}.localhost")[:2] == (200, host)
    assert world.reasons() == {BAD: "refused"}
    assert world.told == ["bad"]
    assert world.ingress.problem == ""


async def test_it_takes_https_from_nobody(world):
    world.app("good", Name("good.example.com", https=True))
    world.app("bad", Name(BAD, https=True))
    await world.ingress.start()
    assert world.ingress.problem == ""
    assert https_hosts(world) == ["good.example.com"]
    with socket.create_connection(("127.0.0.1", world.settings.https_port), timeout=5):
        pass


async def test_it_is_tried_again_when_it_changes_and_not_before(world, monkeypatch):
    world.app("good", "good.localhost")
    bad = world.app("bad", BAD)
    await world.ingress.start()
    examined = []
    monkeypatch.setattr(world.ingress._caddy, "refuses", examined.append)
    world.app("late", "late.localhost")
    await world.ingress.apply()
    # So does a new server: what was found out is kept.
    await world.ingress.detach()
    world.ingress = world.new_ingress()
    monkeypatch.setattr(world.ingress._caddy, "refuses", examined.append)
    await world.ingress.start()
    assert examined == []
    assert world.ask("late.localhost")[1] == "late"
    world.sites[world.sites.index(bad)] = replace(bad, names=(Name("mended.localhost"),))
    await world.ingress.apply()
    assert world.ask("mended.localhost")[1] == "bad"
    assert world.reasons() == {}


async def test_the_first_start_with_a_bad_state_serves_all_but_the_bad(world):
    for number in range(40):
        world.app(f"a{number}", f"a{number}.localhost")
    for number in (3, 17, 18):
        world.app(f"b{number}", f"xn--{number}-.localhost")
    started = time.monotonic()
    await world.ingress.start()
    assert time.monotonic() - started < 15
    assert {world.ask(f"a{number}.localhost")[1] for number in range(40)} == {f"a{number}" for number in range(40)}
    assert len(world.reasons()) == 3


async def test_a_restart_begins_with_the_newest_that_was_taken(world):
    world.app("good", "good.localhost")
    await world.ingress.start()
    world.app("bad", BAD)
    await world.ingress.apply()
    assert BAD not in json.dumps(config(world))
    killed = world.pid
    os.kill(killed, signal.SIGKILL)
    await until(lambda: world.pid != killed and world.ingress.problem == "")
    assert world.ask("good.localhost")[1] == "good"
    # And so does one whose newest can't be begun with any more, such as after an update of Caddy.
    await world.ingress.detach()
    os.kill(world.pid, signal.SIGKILL)
    (world.settings.folder / "config.json").write_text('{"apps": {"gone": {}}}')
    world.ingress = world.new_ingress()
    await world.ingress.start()
    assert world.ingress.problem == ""
    assert world.ask("good.localhost")[1] == "good"


async def test_a_taken_https_port_is_nobody_s_name(world):
    world.app("plain", "plain.localhost")
    world.app("secure", Name("secure.example.com", https=True))
    with socket.socket() as other:
        other.bind(("127.0.0.1", world.settings.https_port))
        other.listen()
        await world.ingress.start()
        assert "HTTPS is not served" in world.ingress.problem
        assert world.ask("plain.localhost")[1] == "plain"
        assert world.reasons() == {}
    world.app("more", "more.localhost")
    await world.ingress.apply()
    assert world.ingress.problem == ""
    assert https_hosts(world) == ["secure.example.com"]


async def test_https_is_served_by_itself_once_its_port_is_free(world, monkeypatch):
    monkeypatch.setattr(ingress, "_RETRY_SECONDS", 0.5)
    world.app("secure", Name("secure.example.com", https=True))
    with socket.socket() as other:
        other.bind(("127.0.0.1", world.settings.https_port))
        other.listen()
        await world.ingress.start()
        assert "HTTPS is not served" in world.ingress.problem
    await until(lambda: world.ingress.problem == "")
    assert https_hosts(world) == ["secure.example.com"]


async def test_an_examination_that_is_killed_says_nothing_of_a_name(world, monkeypatch):
    """As where memory runs out: the name would be left out for good."""

    async def killed(*_, **__):
        raise ProgramFailed("caddy", -9, "", "it was killed")

    await world.ingress.start()
    monkeypatch.setattr(process, "run", killed)
    with pytest.raises(CaddyFailed, match="could not be examined"):
        await world.ingress._caddy.refuses({})


async def test_one_whose_sockets_are_gone_is_started_again(world, monkeypatch):
    """As after a start that failed half-way: it takes nothing any more."""
    world.app("good", "good.localhost")
    await world.ingress.start()
    broken, post = world.pid, world.ingress._caddy._post

    async def refuses(config, force=False):
        if world.pid == broken:
            raise CaddyFailed("use of closed network connection")
        await post(config, force)

    monkeypatch.setattr(world.ingress._caddy, "_post", refuses)
    world.app("late", "late.localhost")
    with contextlib.suppress(CaddyFailed):  # the new one may be there before it is given up
        await world.ingress.apply()
    await until(lambda: world.pid != broken and world.ingress.problem == "" and world.ingress.serves("late"))
    assert world.ask("late.localhost")[1] == "late"


async def test_damaged_files_of_a_certificate_take_only_what_needs_them(world):
    broken = world.folder / "broken.crt"
    broken.write_text("nothing")
    world.certificates = (Certificate("*.example.com", str(broken), str(broken)),)
    world.app("secure", Name("secure.example.com", https=True))
    await world.ingress.start()
    assert "the wildcard certificate is not served" in world.ingress.problem
    assert https_hosts(world) == ["secure.example.com"]
    assert world.reasons() == {}


async def test_rules_that_are_refused_are_left_out_with_their_app(world):
    """None can be stored; one that was, before they were checked, stops nobody."""
    world.app("good", "good.localhost")
    world.app("bad", "bad.localhost", "bad.example.com", routing=Routing(accounts=(("", ""),)))
    await world.ingress.start()
    assert world.ask("good.localhost")[1] == "good"
    assert world.ask("bad.localhost")[0] == 404
    assert world.reasons() == {"bad.localhost": "refused", "bad.example.com": "refused"}


async def test_one_that_does_not_answer_holds_nobody_up_and_is_told_later(world, monkeypatch):
    monkeypatch.setattr(process, "_LOAD_SECONDS", 1.0)
    monkeypatch.setattr("better_paas.domains.ingress._AGAIN_SECONDS", 1.0)
    world.app("good", "good.localhost")
    await world.ingress.start()
    os.kill(world.pid, signal.SIGSTOP)
    try:
        world.app("late", "late.localhost")
        started = time.monotonic()
        heard = await asyncio.gather(*(world.ingress.apply() for _ in range(30)), return_exceptions=True)
        assert {type(error) for error in heard} == {CaddySilent}
        assert time.monotonic() - started < 5
        assert "does not answer" in world.ingress.problem
    finally:
        os.kill(world.pid, signal.SIGCONT)
    await until(lambda: world.ingress.problem == "")
    assert world.ask("late.localhost")[1] == "late"


async def test_a_new_server_replaces_one_that_does_not_answer(world, monkeypatch):
    monkeypatch.setattr(process, "_ANSWER_SECONDS", 0.5)
    world.app("good", "good.localhost")
    await world.ingress.start()
    await world.ingress.detach()
    hung = world.pid
    os.kill(hung, signal.SIGSTOP)
    world.ingress = world.new_ingress()
    await world.ingress.start()
    assert world.pid != hung
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)
    assert [world.ask("good.localhost")[1] for _ in range(20)] == ["good"] * 20


async def test_200_apps_are_loaded_at_once_and_one_bad_among_them_soon_found(world):
    world.sites = [world_site(number) for number in range(200)]
    started = time.monotonic()
    await world.ingress.start()
    first = time.monotonic() - started
    world.app("bad", BAD)
    started = time.monotonic()
    await world.ingress.apply()
    found = time.monotonic() - started
    # Measured: 0.8 s and 1.8 s.
    assert (len(world.reasons()), first < 10, found < 10) == (1, True, True)


def world_site(number: int) -> Site:
    return Site(
        f"a{number}",
        (Name(f"a{number}.localhost"), Name(f"b{number}.example.com", https=True)),
        project_id=f"a{number}",
    )


@pytest.mark.engine
def test_through_the_api_others_go_on_over_a_restart_of_the_machine(own_paas):
    """A name that was stored before it was checked: server and ingress begin with it, and others change theirs."""
    good, bad = own_paas.live("good"), own_paas.live("bad")
    own_paas.kill(signal.SIGTERM)
    os.kill(own_paas.caddy_pid(), signal.SIGKILL)
    columns = "name, app_id, redirect_to, strip_path, created_at"
    values = (BAD, bad["id"], "", False, "2020-01-01 00:00:00.000000")
    stored.execute(own_paas, f"INSERT INTO domains ({columns}) VALUES (?, ?, ?, ?, ?)", *values)
    own_paas.start()
    for app in ("good", "bad"):
        assert own_paas.visit(f"{app}.localhost").status_code == 200
    own_paas.post("/api/apps/domains/add", id=good["id"], domain="good.example.com")
    assert own_paas.visit("good.example.com").status_code in (200, 308)
    health = own_paas.get("/api/health")
    assert (health["ingress"], health["unservedNames"]) == ("ok", 1)
    assert "leaves out 1" in own_paas.get("/api/apps/get", id=bad["id"])["statusDetail"]
    shown = {entry["name"]: entry["problem"] for entry in own_paas.get("/api/apps/domains", id=bad["id"])}
    assert "refuses" in shown[BAD]
    own_paas.post("/api/apps/domains/remove", id=bad["id"], domain=BAD)
    assert own_paas.get("/api/health")["unservedNames"] == 0
