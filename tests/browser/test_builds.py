"""Settings of builds, and deployments that wait, settle or never served, in the dashboard."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.system.servers import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.browser]

SAVED = "Saved. The next deployment uses it."
FOLDS = ("More about building", "A site of files", "More about running")
SLOW = "FROM better-paas/python:3.11\nRUN sleep 120\n"


@pytest.fixture
def app(paas):
    made = paas.live(
        "plain", "sample:hello-static", envVars={"TOKEN": "canary"}, secretKeys=["TOKEN"], portOverride=9000
    )
    yield made
    paas.purge(made)


@pytest.fixture
def queued(paas, git):
    """A deployment that waits for the one before it."""
    made = paas.deploy("busy", git.repository("busy.git", {"Dockerfile": SLOW}).url)
    wait_until(lambda: paas.status(made["deploymentId"]) == "building", 30)
    yield paas.post("/api/apps/redeploy", id=made["id"])
    for entry in paas.get("/api/deployments/history", appId=made["id"]):
        if entry["status"] in ("queued", "building"):
            paas.post("/api/apps/cancel", id=made["id"], deploymentId=entry["id"])
    paas.purge(made)


@pytest.fixture
def unlucky(paas, git):
    """An app with two good versions, and a newest one that never served."""
    repository = git.repository("unlucky.git", {"index.html": "one"}, "One")
    made = paas.live("unlucky", repository.url)
    repository.commit({"index.html": "two"}, "Two")
    paas.redeploy(made)
    repository.commit({"Dockerfile": "FROM better-paas/python:3.11\nRUN false\n"}, "Three")
    paas.ended(paas.post("/api/apps/redeploy", id=made["id"])["deploymentId"])
    yield paas.app(made["id"])
    paas.purge(made)


def unfold(page: Page) -> None:
    for name in FOLDS:
        page.get_by_role("button", name=re.compile(name)).click()


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_settings_of_builds_are_saved_and_come_back(app, visit, paas):
    visitor = visit()
    page = visitor.open(f"/apps/{app['id']}?tab=settings")
    unfold(page)
    expect(page.get_by_label("Output folder")).to_have_attribute("placeholder", ".")
    expect(page.get_by_role("combobox", name="Serve the output as files")).to_have_value("as found out: yes")
    expect(page.get_by_role("combobox", name="Single-page app")).to_have_value("as found out: no")
    choose(page, "How to build", "Ignore the Dockerfile")
    choose(page, "Serve the output as files", "yes")
    choose(page, "Single-page app", "no")
    texts = {"Version": "3.11", "Output folder": "public", "Good statuses": "200-299,401"}
    for label, value in texts.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Packages for building").fill("libpq-dev, gcc")
    page.get_by_label("Packages for running").fill("libpq5  ffmpeg")
    page.get_by_label("TOKEN", exact=True).check()
    page.get_by_label("Fetch submodules too").check(force=True)
    assert visitor.axe() == []
    assert visitor.disorder() == []
    page.get_by_role("button", name="Save 10 changes").click()
    expect(page.get_by_text(SAVED)).to_be_visible()
    stored = {
        "buildMethod": "plan", "staticSite": True, "singlePage": False, "runtimeVersion": "3.11", "outputDir": "public",
        "healthStatus": "200-299,401", "aptPackages": ["libpq-dev", "gcc"], "runAptPackages": ["libpq5", "ffmpeg"],
        "buildSecrets": ["TOKEN"], "submodules": True,
    }  # fmt: skip
    assert {name: paas.app(app["id"])[name] for name in stored} == stored

    page.reload()
    # What is folded says what is set.
    expect(page.get_by_role("button", name="A site of files")).to_contain_text(
        "Output folder, Serve the output as files"
    )
    unfold(page)
    for label, value in {**texts, "Packages for building": "libpq-dev gcc"}.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(value)
    expect(page.get_by_role("combobox", name="Single-page app")).to_have_value("no")
    expect(page.get_by_label("TOKEN", exact=True)).to_be_checked()
    choose(page, "Single-page app", "as found out")
    page.get_by_label("TOKEN", exact=True).uncheck()
    page.get_by_role("button", name="Save 2 changes").click()
    wait_until(lambda: paas.app(app["id"])["buildSecrets"] == [], 10)
    assert paas.app(app["id"])["singlePage"] is None


def test_a_port_can_be_cleared(app, visit, paas):
    page = visit().open(f"/apps/{app['id']}?tab=settings")
    expect(page.get_by_label("Port", exact=True)).to_have_value("9000")
    page.get_by_label("Port", exact=True).fill("")
    page.get_by_role("button", name="Save 1 change").click()
    expect(page.get_by_text(SAVED)).to_be_visible()
    assert paas.app(app["id"])["portOverride"] is None


def test_a_new_app_is_sent_with_what_was_set(visit, paas):
    visitor = visit(theme="dark", width=375)
    page = visitor.open("/new")
    page.get_by_role("combobox", name="Repository").fill("sample:hello-static")
    page.get_by_role("button", name="Add a variable").click()
    page.get_by_label("Name of variable 1").fill("REGISTRY_TOKEN")
    page.get_by_label("REGISTRY_TOKEN is secret").check(force=True)
    page.get_by_role("button", name="Change build and run settings").click()
    unfold(page)
    page.get_by_label("Packages for running").fill("ffmpeg")
    page.get_by_label("REGISTRY_TOKEN", exact=True).check()
    choose(page, "Single-page app", "yes")
    expect(page.get_by_label("Output folder")).to_have_attribute("placeholder", ".", timeout=20_000)
    assert visitor.axe() == []
    assert visitor.disorder() == []
    visitor.picture("new-app-settings-dark-375")
    with page.expect_request("**/api/deploy") as sent:
        page.get_by_role("button", name="Deploy hello-static").click()
    assert sent.value.post_data_json == {
        "gitRepo": "sample:hello-static", "name": "hello-static", "envVars": {"REGISTRY_TOKEN": ""},
        "secretKeys": ["REGISTRY_TOKEN"], "buildSecrets": ["REGISTRY_TOKEN"], "runAptPackages": ["ffmpeg"],
        "singlePage": True,
    }  # fmt: skip
    page.wait_for_url("**/deployments/*")
    paas.ended(page.url.rsplit("/", 1)[1])
    visitor.open("/")
    paas.purge(next(app for app in paas.get("/api/apps") if app["name"] == "hello-static"))


def test_a_queued_deployment_says_what_it_waits_for(queued, visit):
    visitor = visit()
    page = visitor.open(f"/deployments/{queued['deploymentId']}")
    waits = "It waits for the deployment of this app that is on its way."
    expect(page.locator(".head .status.queued")).to_be_visible()
    expect(page.locator(".head")).to_contain_text(waits)
    expect(page.get_by_role("region", name="Steps").get_by_role("listitem")).to_contain_text(["Queued", "All"])
    assert visitor.axe() == []
    visitor.picture("deployment-queued")
    visitor.open("/deployments")
    expect(page.get_by_role("listitem").filter(has_text="Queued")).to_contain_text(waits)


def test_a_deployment_is_a_success_once_it_has_stayed_up(visit, paas):
    made = paas.deploy("settles", "sample:hello-static")
    visitor = visit(width=375)
    page = visitor.open(f"/deployments/{made['deploymentId']}")
    expect(page.locator(".head .status.building")).to_have_text("Live, watching its start", timeout=60_000)
    visitor.picture("deployment-settling-375")
    expect(page.locator(".head .status.success")).to_be_visible(timeout=10_000)
    expect(page.locator(".head")).to_contain_text(re.compile(r"may still be taken back until \d\d:\d\d"))
    assert visitor.axe() == []
    assert visitor.disorder() == []
    found = paas.get("/api/deployments/get", id=made["deploymentId"])
    shown = page.get_by_role("region", name="Steps").get_by_role("listitem").locator("span.dim").all_inner_texts()
    seconds = [float(text.removesuffix(" s")) for text in shown]
    assert abs(sum(seconds) - found["duration"]) < 0.5 + 0.5 * len(seconds)
    visitor.open("/")
    paas.purge(made)


def test_going_back_from_one_that_never_served_asks_which_version(unlucky, visit, paas):
    visitor = visit()
    page = visitor.open("/")
    card = page.get_by_role("link", name=re.compile("unlucky"))
    expect(card).to_contain_text("The last deployment failed")
    expect(card).to_contain_text("the version before it serves")
    card.click()
    expect(page.locator(".head")).to_contain_text("the version before it serves")
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    asked = page.get_by_role("dialog", name="Which version?")
    expect(asked).to_contain_text("never served")
    expect(asked.get_by_role("button", name=re.compile(r"Deploy \w{7} again, which serves"))).to_be_visible()
    assert visitor.axe() == []
    visitor.picture("rollback-which")
    asked.get_by_role("button", name=re.compile(r"Go behind it, to \w{7} ")).click()
    expect(page.get_by_text(re.compile(r"On the way from \w{7} back to \w{7}"))).to_be_visible()
    expect(page.locator(".head .status.success")).to_be_visible(timeout=30_000)
    assert paas.visit(unlucky).text == "one"
    visitor.open("/")
    visitor.forgive("409")
