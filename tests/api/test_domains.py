"""Whose a host is, who may take a path of it, and which names are refused."""

import dataclasses

import pytest

from better_paas.domains.claims import settle
from better_paas.domains.models import Domain
from better_paas.domains.unserved import Reason, Unserved
from better_paas.kit.clock import now
from better_paas.metrics import doctor
from better_paas.settings import load_or_exit


async def test_a_path_of_a_host_stays_in_the_project_and_in_sight(driver, admin):
    project = await driver.post("/api/projects/create", name="team")
    shop = await driver.live("shop", projectId=project["id"], domains=["example.com"])
    api = await driver.live("api", projectId=project["id"])
    stranger = await driver.live("stranger")
    assert (await driver.post("/api/apps/domains/add", status=409, id=stranger["id"], domain="example.com/x"))[
        "code"
    ] == ("domain_taken")
    made = await driver.post("/api/agents/create", name="one-app", profile="deployer", apps=[api["id"]])
    token = {"Authorization": f"Bearer {made['token']}"}
    for path, body in (
        ("/api/apps/domains/add", {"id": api["id"], "domain": "example.com/steal"}),
        ("/api/apps/update", {"id": api["id"], "domains": ["example.com/steal"]}),
    ):
        refused = await admin.post(path, json=body, headers=token)
        assert (refused.status_code, refused.json()["code"]) == (409, "domain_taken"), path
    added = await driver.post("/api/apps/domains/add", id=api["id"], domain="example.com/api")
    assert added["domains"] == ["example.com/api"]
    await driver.post("/api/apps/domains/add", status=409, id=shop["id"], domain="example.com/api")


async def test_what_is_no_path(driver):
    app = await driver.live()
    for wrong in ("example.com/../x", "example.com/a b", "example.com/{env.HOME}", "example.com/a*"):
        await driver.post("/api/apps/domains/add", status=400, id=app["id"], domain=wrong)
    await driver.post("/api/apps/domains/add", id=app["id"], domain="Example.com/API/")
    assert (await driver.app(app["id"]))["domains"] == ["example.com/API"]


async def test_redirects_neither_loop_nor_lead_to_themselves(driver):
    app = await driver.live(domains=["a.example.com", "b.example.com"])
    change = "/api/apps/domains/update"
    await driver.post(change, status=400, id=app["id"], domain="a.example.com", redirectTo="a.example.com")
    await driver.post(change, id=app["id"], domain="a.example.com", redirectTo="b.example.com")
    await driver.post(change, status=400, id=app["id"], domain="b.example.com", redirectTo="a.example.com")
    await driver.post(change, status=404, id=app["id"], domain="c.example.com", redirectTo="b.example.com")
    await driver.post(change, status=400, id=app["id"], domain="b.example.com", stripPath=True)


async def test_rules_keep_passwords_to_themselves(driver, admin, platform):
    app = await driver.live()
    rules = await driver.post(
        "/api/apps/routing", id=app["id"], basicAuth=[{"username": "ann", "password": "a-long-password"}]
    )
    assert rules["basicAuth"] == [{"username": "ann", "password": "***"}]
    kept = await driver.post("/api/apps/routing", id=app["id"], basicAuth=rules["basicAuth"], maxBodyMb=5)
    assert (kept["basicAuth"], kept["maxBodyMb"]) == (rules["basicAuth"], 5)
    await driver.post("/api/apps/routing", status=400, id=app["id"], basicAuth=[{"username": "bob", "password": "***"}])
    for body in (
        {"responseHeaders": {"X-A": "{http.request.host}"}},
        {"responseHeaders": {"Content-Length": "5"}},
        {"removeHeaders": ["X A"]},
        {"basicAuth": [{"username": "a:b", "password": "x"}]},
        {"basicAuth": [{"username": "a", "password": "x" * 73}]},
    ):
        await driver.post("/api/apps/routing", status=400, id=app["id"], **body)
    everything = (await admin.get("/api/audit-logs")).text + (await admin.get("/api/apps")).text
    assert "a-long-password" not in everything
    assert "$2b$" not in everything


BAD = "xn--0.example.com"


async def test_names_that_the_ingress_would_refuse_are_refused_wherever_they_come_in(driver):
    app = await driver.live(domains=["good.example.com"])
    source = {"gitRepo": "sample:hello-python"}
    for path, body in (
        ("/api/apps/domains/add", {"id": app["id"], "domain": BAD}),
        ("/api/apps/domains/add", {"id": app["id"], "domain": f"{BAD}/path"}),
        ("/api/apps/domains/update", {"id": app["id"], "domain": "good.example.com", "redirectTo": BAD}),
        ("/api/apps/update", {"id": app["id"], "domains": ["good.example.com", BAD]}),
        ("/api/deploy", {"name": "other", "domains": [BAD], **source}),
        ("/api/deploy", {"name": "xn--oops", **source}),
        ("/api/deploy", {"name": "ab--cd", **source}),
        ("/api/apps/rename", {"id": app["id"], "name": "xn--oops"}),
    ):
        refused = await driver.post(path, status=400, **body)
        assert "'xn--'" in refused["error"], (path, body, refused)
    await driver.post("/api/apps/rename", id=app["id"], name="xn--bcher-kva")  # stands for letters
    assert (await driver.app(app["id"]))["domains"] == ["good.example.com"]


async def stored(platform, app_id: str, name: str) -> None:
    """As from before it was checked."""

    def unit(session):
        session.add(Domain(name=name, app_id=app_id, redirect_to="", strip_path=False, created_at=now()))

    await platform.database.write(unit)


async def test_one_that_is_there_from_before_can_be_seen_and_removed(driver, admin, platform):
    app = await driver.live()
    await stored(platform, app["id"], BAD)
    shown = (await admin.get("/api/apps/domains", params={"id": app["id"]})).json()
    assert [entry["name"] for entry in shown] == ["shop.localhost", BAD]
    await driver.post("/api/apps/delete", id=app["id"])
    await driver.post("/api/apps/restore", id=app["id"])
    assert (await driver.post("/api/apps/domains/remove", id=app["id"], domain=BAD))["domains"] == []


async def test_upper_and_lower_case_of_a_path_are_one_domain(driver):
    project = await driver.post("/api/projects/create", name="team")
    shop = await driver.live("shop", projectId=project["id"], domains=["example.com", "example.com/api"])
    api = await driver.live("api", projectId=project["id"])
    await driver.post("/api/apps/domains/add", status=409, id=api["id"], domain="example.com/API")
    added = await driver.post("/api/apps/domains/add", id=shop["id"], domain="example.com/Api")
    assert added["domains"] == ["example.com", "example.com/api"]


async def test_what_the_ingress_leaves_out_is_said_wherever_one_looks(driver, admin, platform):
    app, other = await driver.live(domains=["taken.example.com"]), await driver.live("other")
    listed = (await admin.get("/api/apps")).json()
    assert {entry["statusDetail"] for entry in listed} == {""}
    (platform.data_dir / "caddy").mkdir(exist_ok=True)  # the ingress's own, which is not there in these tests
    platform.unserved.replace([Unserved(app["id"], "taken.example.com", Reason.REFUSED, "key")])
    detail = "The ingress leaves out 1 of its names: GET /api/apps/domains says why."
    assert (await driver.app(app["id"]))["statusDetail"] == detail
    listed = {entry["id"]: entry["statusDetail"] for entry in (await admin.get("/api/apps")).json()}
    assert listed == {app["id"]: detail, other["id"]: ""}
    shown = {entry["name"]: entry for entry in (await admin.get("/api/apps/domains", params={"id": app["id"]})).json()}
    assert shown["taken.example.com"]["problem"] == Reason.REFUSED.problem
    assert shown["taken.example.com"]["hint"] == Reason.REFUSED.hint
    assert shown["shop.localhost"]["problem"] == ""
    health = (await admin.get("/api/health")).json()
    assert (health["ingress"], health["unservedNames"]) == ("ok", 1)
    found = [finding for finding in await doctor.examine(platform) if Reason.REFUSED.problem in finding.state]
    assert [(finding.name, finding.level) for finding in found] == [("Domain taken.example.com", "bad")]
    platform.unserved.replace([])
    assert (await driver.app(app["id"]))["statusDetail"] == ""


async def test_a_domain_keeps_its_app_when_apps_domain_is_changed(driver, platform):
    """The new default host of another app is the same: it claims last."""
    mine = await driver.live("mine", domains=["shop.example.com"])
    await driver.live("shop")
    platform.rules = dataclasses.replace(platform.rules, suffix="example.com", own="paas.example.com")
    await driver.live("paas")
    claims, unserved = settle(await platform._sites(), platform.rules.own)
    owners = {claim.name.host: claim.site.app_id for claim in claims}
    assert owners == {"shop.example.com": mine["id"], "mine.example.com": mine["id"]}
    assert {(entry.name, entry.reason) for entry in unserved} == {
        ("shop.example.com", Reason.TAKEN),
        ("paas.example.com", Reason.OWN),
    }


@pytest.mark.parametrize("name", ["apps_domain", "paas_domain"])
def test_a_domain_in_the_settings_that_is_none_stops_the_start(name, monkeypatch, capsys):
    monkeypatch.setenv(name.upper(), BAD)
    with pytest.raises(SystemExit):
        load_or_exit()
    said = capsys.readouterr().err
    assert f"{name.upper()}: 'xn--0' is no part of a domain name" in said
    assert "Write the name in its own letters" in said
    monkeypatch.setenv(name.upper(), "Apps.Example.com.")
    assert getattr(load_or_exit(), name) == "apps.example.com"
    monkeypatch.setenv(name.upper(), "a." * 110 + "com")
    with pytest.raises(SystemExit):
        load_or_exit()
