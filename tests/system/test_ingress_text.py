"""Any text in any field that reaches the ingress's configuration, against a real Caddy."""

import asyncio
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from better_paas.apps import fields
from better_paas.apps.routing import RoutingBody, changed, hashes
from better_paas.domains.claims import settle
from better_paas.domains.hosts import normalise, split_name
from better_paas.domains.render import Name, Site
from better_paas.domains.routing import Routing
from better_paas.errors import Invalid
from tests.system.ingress_world import World

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
SECRET = "what-only-the-server-knows"
VICTIM = ("victim.localhost", "shop.example.com", "shop.example.com/api")
# Text that could be taken for more than it is.
PIECES = [
    "xn--", "xn--0", "xn--bcher-kva", "ab--cd", "*", "*.localhost", "victim", "VICTIM", "victim.localhost", "shop", ".example.com",
    "ｖictim", "victim。localhost", "faß", "☃", "\u200d", "\u202e", "{", "}", "\\", "{env.PATH}", "{file./etc/passwd}", "{http.request.host}",
    "/", "/api", "/API", "..", "%2f", "?", "#", ":80", "@", "-", "_", "~", " ", "\t", "\r\n", "\x00", "$", "$2a$10$", "a" * 63, "0", "1.2.3.4", "[::1]",
]  # fmt: skip
anything = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.from_regex(r"\A(xn--)?[a-z0-9-]{1,20}(\.[a-z0-9-]{1,10}){0,2}(/[A-Za-z0-9._~-]{1,8})?\Z"),
    st.sampled_from([*VICTIM, "shop.example.com/API", "Shop.Example.com.", "shop.example.com/api/x", "localhost", "*.example.com"]),
)  # fmt: skip
checked_name: TypeAdapter[str] = TypeAdapter(fields.Name)


@pytest.fixture(scope="module")
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(loop):
    async def start() -> World:
        made = World()
        made.app("victim", *(Name(*split_name_of(name), age=age) for age, name in enumerate(VICTIM)))
        made.sites[0] = replace(
            made.sites[0], names=tuple(replace(name, is_default=name.host == VICTIM[0]) for name in made.sites[0].names)
        )
        made.app("attacker")
        await made.ingress.start()
        return made

    os.environ["SECRET_OF_THE_SERVER"] = SECRET
    made = loop.run_until_complete(start())
    yield made
    loop.run_until_complete(made.close())
    del os.environ["SECRET_OF_THE_SERVER"]


def split_name_of(name: str) -> tuple[str, bool, str]:
    host, slash, path = name.partition("/")
    return host, False, slash + path


def serves_the_victim(world: World) -> None:
    for host, path in (("victim.localhost", "/"), ("shop.example.com", "/x"), ("shop.example.com", "/api/orders")):
        assert world.ask(host, path)[:2] == (200, "victim"), (host, path)


def accepted(check, *texts: Any) -> Any:
    """What the check makes of it, or None if it refuses it; nothing else may come of it."""
    try:
        return check(*texts)
    except (Invalid, ValidationError):
        return None


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    app_name=anything, domains=st.lists(anything, max_size=3), redirect=anything, https=st.booleans(), strip=st.booleans(),
    project=st.sampled_from(["attacker", "victim"]), header=st.tuples(anything, anything), removed=anything,
    account=st.tuples(anything, st.text(min_size=1, max_size=20)), body_mb=st.integers(), seconds=st.integers(),
)  # fmt: skip
def test_what_our_checks_let_through_is_loaded_and_takes_nobody_s_route(
    world, loop, app_name, domains, redirect, https, strip, project, header, removed, account, body_mb, seconds
):
    name = accepted(checked_name.validate_python, app_name) or "attacker"
    target = accepted(normalise, redirect) or ""
    names = [Name(f"{'attacker' if name == 'victim' else name}.localhost", is_default=True)]
    for age, text in enumerate(domains):
        found = accepted(split_name, text)
        # Names below the platform's own are refused when they are added (tests/api/test_domains.py).
        if found is not None and not found[0].endswith(".localhost"):
            names.append(Name(found[0], https, found[1], strip and bool(found[1]), target, age=10 + age))
    routing = Routing()
    for rules in (
        {"responseHeaders": dict([header])}, {"removeHeaders": [removed]}, {"maxBodyMb": body_mb}, {"timeoutSeconds": seconds},
        {"basicAuth": [{"username": account[0], "password": account[1]}]},
    ):  # fmt: skip
        if (checked := accepted(RoutingBody.model_validate, rules)) is not None:
            routing = changed(routing, checked, hashes(checked))
    world.sites[1] = Site("attacker", tuple(names), routing=routing, project_id=project)
    loop.run_until_complete(world.ingress.apply())
    assert world.ingress.problem == ""
    assert "refused" not in world.reasons().values()
    serves_the_victim(world)


routings = st.builds(
    Routing,
    accounts=st.lists(st.tuples(anything, anything), max_size=2).map(tuple),
    set_headers=st.lists(st.tuples(anything, anything), max_size=2).map(tuple),
    drop_headers=st.lists(anything, max_size=2).map(tuple),
    largest_body=st.integers(-(2**70), 2**70),
    answer_seconds=st.integers(-(2**70), 2**70),
)
names = st.builds(
    Name, host=anything, https=st.booleans(), path=anything, strip=st.booleans(), redirect_to=st.just("") | anything,
    is_default=st.booleans(), age=st.integers(5, 50),
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(names, max_size=3).map(tuple), routing=st.just(Routing()) | routings)
def test_whatever_the_state_holds_the_others_are_served(world, loop, names, routing):
    """As a bug, an older version or a hand in the database may have left it."""
    # That a default host claims last is the rule (tests/api/test_domains.py), not a fault.
    names = (*(name for name in names if name.host.lower() != VICTIM[0]), Name("attacker.localhost", age=9))
    world.sites[1] = Site("attacker", names, routing=routing, project_id="attacker")
    loop.run_until_complete(world.ingress.apply())
    assert world.ingress.problem == ""
    serves_the_victim(world)


@given(st.lists(st.tuples(st.sampled_from("pq"), st.lists(names, max_size=4)), max_size=5))
def test_each_host_and_path_is_there_once_with_one_winner(parts):
    sites = [Site(f"a{number}", tuple(names), project_id=project) for number, (project, names) in enumerate(parts)]
    claims, unserved = settle(sites, "own.example.com")
    places = [(claim.name.host.lower(), claim.name.path.lower()) for claim in claims]
    assert len(set(places)) == len(places)
    assert "own.example.com" not in {host for host, _ in places}
    for host in {host for host, _ in places}:
        assert len({claim.site.project_id for claim in claims if claim.name.host.lower() == host}) == 1
    again, left = settle(sites[::-1], "own.example.com")
    assert {(claim.site.app_id, claim.name.host, claim.name.path) for claim in again} == {
        (claim.site.app_id, claim.name.host, claim.name.path) for claim in claims
    }
    assert set(left) == set(unserved)


@pytest.mark.parametrize(
    "text",
    ["{env.SECRET_OF_THE_SERVER}", "\\{env.SECRET_OF_THE_SERVER}", "\\\\{env.SECRET_OF_THE_SERVER}", "{{env.SECRET_OF_THE_SERVER}}",
     "{file./etc/hostname}", "{http.request.host}", "{system.hostname}", "{time.now}", "{", "}", "\\}", '{"group":"a"}', "{env.HOME:x}", "é€"],
)  # fmt: skip
def test_what_stands_in_braces_arrives_byte_for_byte(world, loop, text):
    """None can be given (tests/api/test_domains.py); what was stored all the same is put out as it is."""
    names = (Name("attacker.localhost"),)
    world.sites[1] = Site("attacker", names, routing=Routing(set_headers=(("X-Said", text),)), project_id="attacker")
    loop.run_until_complete(world.ingress.apply())
    _, _, headers = world.ask("attacker.localhost")
    assert headers["X-Said"].encode("latin-1").decode() == text
