"""The dashboard as a person uses it, in Chromium, against a real platform."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Held, Visitor
from tests.cloudflare import TOKEN, FakeCloudflare
from tests.system.servers import ADMIN_TOKEN, PaasServer, app_ports, lose_volume

pytestmark = [pytest.mark.engine, pytest.mark.browser]


def test_signing_in_and_out(visit, paas):
    visitor = visit(token="")
    page = visitor.open("/")
    expect(page.get_by_role("heading", name="Sign in to Better-PaaS")).to_be_visible()
    assert visitor.axe() == []
    visitor.picture("sign-in")
    page.get_by_label("Admin token").fill("wrong-token-of-mine")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Unauthorized")
    page.get_by_label("Admin token").fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Apps")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Better-PaaS")).to_be_visible()
    visitor.forgive("401")


def test_the_main_job_from_an_empty_start_to_a_rollback(visit, paas, git):
    repository = git.repository("wizard.git", {"index.html": "first"}, "First version")
    visitor = visit()
    page = visitor.open("/")
    if not paas.get("/api/apps"):
        expect(page.get_by_role("heading", name="Bring your first app")).to_be_visible()
        visitor.picture("apps-empty")
        page.get_by_role("link", name="Deploy from Git").click()
    else:
        page.get_by_role("link", name="New app").click()
    page.get_by_role("combobox", name="Repository").fill(repository.url)
    expect(page.get_by_text("Static site · serves . · port 8080")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Show the Dockerfile").click()
    expect(page.get_by_label("Dockerfile", exact=True).first).to_have_value(re.compile("FROM caddy"))
    page.get_by_role("button", name="Paste a .env").click()
    page.get_by_label("Paste a .env file").fill('# settings\nexport MODE="production"\nAPI_TOKEN=abc123 # mine\n')
    page.get_by_role("button", name="Take over 2 variables").click()
    expect(page.get_by_label("API_TOKEN is secret")).to_be_checked()
    expect(page.get_by_label("MODE is secret")).not_to_be_checked()
    assert visitor.axe() == []
    visitor.picture("new-app")
    page.get_by_role("button", name="Deploy wizard").click()
    expect(page.locator(".status.success").first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("log")).to_contain_text("Live after")
    expect(page.get_by_role("link", name="Open wizard")).to_be_visible()
    app = next(found for found in paas.get("/api/apps") if found["name"] == "wizard")
    assert app["envVars"] == {"MODE": "production", "API_TOKEN": "***"}
    assert paas.visit(app).text == "first"

    repository.commit({"index.html": "second"}, "Second version")
    page.get_by_role("button", name="Deploy the newest commit").click()
    page.wait_for_timeout(500)
    visitor.open(f"/apps/{app['id']}?tab=deployments")
    expect(page.get_by_text("Second version")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Serving")).to_be_visible()
    page.get_by_role("button", name="Roll back").first.wait_for(timeout=30_000)
    assert paas.visit(app).text == "second"
    page.get_by_role("button", name="Roll back").first.click()
    page.get_by_role("button", name=re.compile(r"Roll back to \w{7}")).click()
    expect(page).to_have_url(re.compile("/deployments/"))
    # In the head: the list that was left a moment ago has some too.
    expect(page.locator(".head .status.success")).to_be_visible(timeout=30_000)
    assert paas.visit(app).text == "first"

    visitor.open(f"/apps/{app['id']}?tab=settings")
    page.get_by_role("button", name="Delete wizard").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("wizard.localhost stops answering")
    expect(dialog.get_by_role("button", name="Delete wizard")).to_be_disabled()
    dialog.get_by_label("Type wizard to confirm").fill("wizard")
    dialog.get_by_role("button", name="Delete wizard").click()
    expect(page).to_have_url(re.compile("/$"))
    # What the API can undo, the page offers to undo.
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("wizard is back")).to_be_visible(timeout=20_000)
    assert paas.visit(app).text == "first"
    paas.post("/api/apps/delete", id=app["id"])
    visitor.open("/trash")
    expect(page.get_by_role("button", name="Restore wizard")).to_be_visible()
    page.get_by_role("listitem").filter(has_text="wizard").get_by_role("button", name="Delete for good").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type wizard to confirm").fill("wizard")
    dialog.get_by_role("button", name="Delete wizard for good").click()
    expect(page.get_by_role("button", name="Restore wizard")).to_be_hidden()
    assert "wizard" not in [found["name"] for found in paas.get("/api/apps")]
    visitor.forgive("404")  # the page asked once more for the app that it had just deleted


def test_a_build_is_seen_as_it_happens_and_can_be_cancelled(visit, paas, git):
    slow = git.repository(
        "slowly.git",
        {
            "Dockerfile": "FROM better-paas/python:3.11\nRUN for n in 1 2 3 4 5 6 7 8 9; do echo number $n; sleep 1; done; sleep 60\n"
        },
    )
    app = paas.deploy("slowly", slow.url)
    visitor = visit(theme="dark")
    page = visitor.open(f"/deployments/{app['deploymentId']}")
    expect(page.locator(".status.building").first).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("number 2", timeout=30_000)
    visitor.picture("building-dark")
    expect(page.get_by_role("log")).to_contain_text("number 5", timeout=10_000)
    page.get_by_role("button", name="Cancel deployment").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the deployment").click()
    expect(page.locator(".status.cancelled").first).to_be_visible(timeout=20_000)
    visitor.open("/deployments")
    paas.post("/api/apps/delete", id=app["id"])


def test_lists_are_live_and_filtered(visit, paas, world):
    visitor = visit()
    page = visitor.open("/")
    expect(page.get_by_role("link", name=re.compile("storefront"))).to_be_visible()
    page.get_by_label("Filter apps").fill("orders")
    expect(page.get_by_role("link", name=re.compile("storefront"))).to_be_hidden()
    page.get_by_label("Filter apps").fill("")
    app = paas.deploy("appears", "sample:hello-static")
    expect(page.get_by_role("link", name=re.compile("appears"))).to_be_visible()
    paas.ended(app["deploymentId"])
    expect(page.get_by_role("link", name=re.compile("appears.*Running"))).to_be_visible()
    paas.post("/api/apps/delete", id=app["id"])
    expect(page.get_by_role("link", name=re.compile("appears"))).to_be_hidden()


def test_variables_domains_and_stopping(visit, paas, world):
    app = world["shop"]
    visitor = visit()
    page = visitor.open(f"/apps/{app['id']}?tab=variables")
    expect(page.get_by_label("Value of API_KEY", exact=True)).to_have_value("")
    page.get_by_label("Value of LOG_LEVEL").fill("debug")
    page.get_by_role("button", name="Save for the next deployment").click()
    expect(page.get_by_text("Saved. The next deployment uses it.")).to_be_visible()
    assert paas.app(app["id"])["envVars"] == {"LOG_LEVEL": "debug", "API_KEY": "***"}
    page = visitor.open(f"/apps/{app['id']}?tab=domains")
    page.get_by_label("Add a domain").fill("shop.example.test")
    page.get_by_role("button", name="Add shop.example.test").click()
    expect(page.get_by_text("shop.example.test").first).to_be_visible()
    page.get_by_label("Change shop.example.test", exact=True).click()
    page.get_by_role("menuitem", name="Remove shop.example.test").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove shop.example.test").click()
    expect(page.get_by_label("Change shop.example.test", exact=True)).to_be_hidden()
    expect(page.get_by_role("dialog")).to_be_hidden()
    undo(page, "shop.example.test is removed")
    expect(page.get_by_label("Change shop.example.test", exact=True)).to_be_visible()
    paas.post("/api/apps/domains/remove", id=app["id"], domain="shop.example.test")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop storefront").click()
    expect(page.locator(".head .status.stopped")).to_be_visible()
    undo(page, "storefront is stopped")
    expect(page.locator(".head .status.running")).to_be_visible()
    page = visitor.open(f"/apps/{app['id']}?tab=settings")
    page.get_by_label("Health path").fill("/health")
    page.get_by_role("button", name="Save 1 change").click()
    undo(page, "Saved. The next deployment uses it.")
    expect(page.get_by_text("The settings are what they were")).to_be_visible()
    assert paas.app(app["id"])["healthPath"] == app["healthPath"]


def undo(page, message):
    page.get_by_role("alert").filter(has_text=message).get_by_role("button", name="Undo").click()


def test_ten_thousand_lines_with_search(visit, world):
    visitor = visit()
    page = visitor.open(f"/apps/{world['chatty']['id']}?tab=logs")
    expect(page.get_by_role("log")).to_contain_text("line 9999", timeout=20_000)
    assert page.locator(".log .line").count() < 200
    page.get_by_label("Search the log").fill("line 9000 of")  # across the end of a colour
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("line 9000 of the flood")
    page.get_by_label("Search the log").fill("line 9000")
    expect(page.locator("mark").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the log").click()
    assert "line 9999" in download.value.path().read_text()


def test_a_token_is_made_used_approved_and_revoked(visit, paas, world):
    visitor = visit()
    page = visitor.open("/agents")
    page.get_by_role("button", name=re.compile("New token|Make the first token")).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who or what uses it").fill("Claude Code on a laptop")
    expect(dialog.get_by_text("Start deployments of new apps from Git.")).to_be_visible()
    dialog.get_by_label("Choose scopes one by one").check()
    dialog.get_by_label("apps:delete").check()
    expect(dialog.get_by_text("Delete apps and projects.")).to_be_visible()
    dialog.get_by_text("Chosen projects and apps").click()
    dialog.get_by_role("combobox", name="Projects and apps").fill("orders-api")
    page.get_by_role("option", name="orders-api (app)").click()
    page.keyboard.press("Escape")
    expect(dialog.get_by_text("Only in app orders-api.")).to_be_visible()
    assert visitor.axe() == []
    visitor.picture("new-agent")
    dialog.get_by_role("button", name="Make the token").click()
    token = page.locator("[data-token]").text_content()
    assert token.startswith("bpagt_")
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_text("delete apps in orders-api")).to_be_visible()

    agent = paas.holding(token)
    assert [app["name"] for app in agent.get("/api/apps").json()] == ["orders-api"]
    asked = agent.post("/api/apps/delete", json={"id": world["api"]["id"]})
    assert asked.status_code == 202
    page.get_by_role("link", name=re.compile("Approvals 1 waiting")).click()
    expect(page.get_by_role("heading", name=re.compile("Puts app orders-api into the trash"))).to_be_visible()
    assert visitor.axe() == []
    page.get_by_role("button", name=re.compile("^Refuse: Puts app orders-api")).click()
    page.get_by_label("Why, for the agent to read").fill("Not before Monday.")
    assert visitor.axe() == []
    page.get_by_role("button", name="Refuse this call").click()
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    refused = agent.post("/api/apps/delete", json={"id": world["api"]["id"]})
    assert (refused.status_code, refused.json()["hint"]) == (403, "They say: Not before Monday.")

    visitor.open("/agents")
    page.get_by_role("link", name="Activity of Claude Code on a laptop").click()
    expect(page.get_by_text("app:delete").first).to_be_visible()
    page.locator(".trail > li > button").first.click()
    expect(page.get_by_text("by api from 127.0.0.1").first).to_be_visible()
    page.get_by_role("button", name="Prove the log").click()
    expect(page.get_by_text(re.compile(r"All \d+ entries fit"))).to_be_visible()
    assert visitor.axe() == []

    visitor.open("/agents")
    page.get_by_label("Freeze all agent tokens").click(force=True)
    page.get_by_role("dialog").get_by_role("button", name="Freeze all tokens").click()
    expect(page.get_by_text("All agent tokens are frozen")).to_be_visible()
    assert agent.post("/api/agents/self/child", json={"name": "x", "scopes": ["apps:read"]}).status_code == 403
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_label("All agent tokens are frozen")).to_be_enabled()
    page.get_by_label("All agent tokens are frozen").click(force=True)
    expect(page.get_by_text("Freeze all agent tokens")).to_be_visible()
    page.get_by_role("button", name="Revoke Claude Code on a laptop").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke Claude Code on a laptop").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Revoke Claude Code on a laptop")).to_be_hidden()
    assert agent.get("/api/apps").status_code == 401
    agent.close()


def test_by_keyboard_alone(visit, world):
    visitor = visit()
    page = visitor.open("/")
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Deployments")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.keyboard.press("/")
    page.keyboard.type("orders")
    for _ in range(12):
        page.keyboard.press("Tab")
        if "orders-api" in page.evaluate("document.activeElement.textContent"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="orders-api")).to_be_visible()


def test_the_palette_finds_by_a_few_letters(visit, world):
    visitor = visit()
    page = visitor.open("/")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find apps").fill("orders-api log")
    expect(page.get_by_role("option").first).to_contain_text("orders-api logs")
    assert visitor.axe() == []
    visitor.picture("palette")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Logs", selected=True)).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find apps").fill("trsh")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Trash")).to_be_visible()


def test_variables_as_text_show_what_will_change(visit, paas, world):
    app = world["shop"]
    visitor = visit()
    page = visitor.open(f"/apps/{app['id']}?tab=variables")
    page.get_by_role("button", name="Edit as text").click()
    box = page.get_by_label("All variables as text")
    box.fill(box.input_value() + "\nNEW_ONE=1\n")
    page.get_by_role("button", name="Take it over").click()
    expect(page.get_by_label("What will change")).to_contain_text("+ NEW_ONE")
    assert visitor.axe() == []
    visitor.picture("variables-diff")
    page.get_by_role("button", name="Undo the changes").click()
    expect(page.get_by_label("What will change")).not_to_be_visible()


def test_rules_of_a_domain_and_what_a_deployment_changed(visit, paas, world):
    app = world["shop"]
    visitor = visit()
    page = visitor.open(f"/apps/{app['id']}?tab=domains")
    page.get_by_role("button", name="Add a name").click()
    page.get_by_label("Name 1", exact=True).fill("ann")
    page.get_by_label("Password of ann", exact=True).fill("a-long-password")
    page.get_by_role("button", name="Save the rules").click()
    expect(page.get_by_text("Saved, and in effect")).to_be_visible()
    assert paas.visit(app).status_code == 401
    page.get_by_role("button", name="Remove ann").click()
    page.get_by_role("button", name="Save the rules").click()
    page.wait_for_timeout(500)
    assert paas.visit(app).status_code == 200
    paas.post("/api/apps/update", id=app["id"], memory="300m")
    changed = paas.redeploy(app)
    visitor.open(f"/deployments/{changed['id']}")
    panel = page.get_by_role("region", name="What changed")
    expect(panel).to_contain_text("300m")
    visitor.picture("deployment-changes")


def test_what_one_app_may_reach(visit, paas, world):
    app = world["shop"]
    visitor = visit()
    page = visitor.open(f"/apps/{app['id']}?tab=settings")
    field, save = page.get_by_label("Opened for this app"), page.get_by_role("button", name="Save what it may reach")
    expect(save).to_be_disabled()
    field.fill("10.0.0.5/32:5432\n\n 10.0.0.6 ")
    save.click()
    expect(page.get_by_text("Saved, and in effect")).to_be_visible()
    expect(field).to_have_value("10.0.0.5:5432\n10.0.0.6")
    assert visitor.axe() == []
    visitor.picture("settings-reach")
    field.fill("")
    save.click()
    expect(save).to_be_disabled()
    expect(field).to_have_value("")


def test_the_check_up_says_what_to_do(visit, world):
    visitor = visit()
    page = visitor.open("/system")
    page.get_by_role("button", name="Look at everything").click()
    expect(page.get_by_text("Container engine", exact=True)).to_be_visible(timeout=20_000)
    assert visitor.axe() == []
    visitor.picture("check-up")


def test_what_takes_long_shows_its_outline_first(visit, world):
    """While the answers are on their way the page says what comes."""
    visitor = visit()
    page = visitor.open("/")
    shop = f"/apps/{world['shop']['id']}"
    for path in ("/", shop, f"{shop}?tab=domains", "/projects", "/deployments", "/volumes", "/trash", "/agents", "/approvals", "/audit", "/system"):  # fmt: skip
        held = Held(page, "**/api/**")
        page.goto(visitor.base + path)
        expect(page.get_by_role("status", name="Loading").first).to_be_visible(timeout=2000)
        held.let_go()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)


def test_a_long_act_says_that_it_goes_on(visit, paas, world):
    visitor = visit()
    page = visitor.open(f"/apps/{world['shop']['id']}?tab=settings")
    held = Held(page, "**/api/apps/update")
    page.get_by_label("Health path").fill("/slow")
    button = page.get_by_role("button", name="Save 1 change")
    button.click()
    expect(button).to_have_attribute("data-loading", "true")
    held.let_go()
    expect(page.get_by_text("Saved. The next deployment uses it.")).to_be_visible()
    undo(page, "Saved. The next deployment uses it.")
    expect(page.get_by_text("The settings are what they were")).to_be_visible()


def test_a_phone_reaches_every_place(visit, world):
    visitor = visit(width=375)
    page = visitor.open("/")
    for place in ("Projects", "Volumes", "Audit", "Trash", "System"):
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name=place).click()
        expect(page.get_by_role("heading", name=place, level=1)).to_be_visible()
    page.get_by_role("button", name="More").click()
    assert visitor.axe() == []
    expect(page.get_by_role("menuitem", name="Sign out")).to_be_visible()
    visitor.picture("phone-more-375")


@pytest.mark.parametrize("width", [1440, 375])
def test_a_missing_volume_is_said_and_forgotten_on_purpose(visit, paas, width):
    app = paas.live("keeper", "sample:hello-static", volumes=["kept:/data"])
    paas.post("/api/apps/stop", id=app["id"])
    lose_volume(app, "kept")
    try:
        visitor = visit(width=width)
        page = visitor.open("/volumes")
        row = page.get_by_role("listitem").filter(has_text="Used by keeper")
        expect(row.get_by_text("Missing", exact=True)).to_be_visible()
        expect(page.get_by_text("1 of them missing.")).to_be_visible()
        assert visitor.axe() == []
        assert visitor.disorder() == []
        visitor.picture(f"volume-missing-{width}")
        page.get_by_role("button", name="Forget kept").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").fill("kept")
        dialog.get_by_role("button", name="Forget kept").click()
        expect(row).to_have_count(0)
        paas.post("/api/apps/start", id=app["id"])
        expect(row.get_by_text("In use")).to_be_visible()
    finally:
        paas.purge(app)


def test_cloudflare_is_connected_and_leads_a_domain_here(browser, tmp_path):
    cloudflare = FakeCloudflare(["example.test"])
    own = PaasServer(
        tmp_path / "data", APP_PORTS=app_ports(23900), CLOUDFLARE_API=cloudflare.url, PUBLIC_ADDRESS="203.0.113.7"
    )
    own.start()
    visitor = Visitor(browser, f"http://127.0.0.1:{own.api_port}")
    try:
        app = own.live("shop", domains=["www.example.test"])
        page = visitor.open("/system")
        page.get_by_label("API token").fill(TOKEN)
        page.get_by_role("button", name="Connect Cloudflare").click()
        expect(page.get_by_text("Connected", exact=True)).to_be_visible()
        assert visitor.axe() == []
        visitor.picture("cloudflare")
        visitor.open(f"/apps/{app['id']}?tab=domains")
        page.get_by_role("button", name="Lead www.example.test here by Cloudflare").click()
        expect(page.get_by_text("The DNS record is made")).to_be_visible()
        assert [(record["name"], record["content"]) for record in cloudflare.records.values()] == [
            ("www.example.test", "203.0.113.7")
        ]
        visitor.open("/system")
        page.get_by_role("button", name="Disconnect").click()
        page.get_by_role("button", name="Forget the token").click()
        expect(page.get_by_text("Not connected")).to_be_visible()
        assert visitor.faults == []
    finally:
        visitor.context.close()
        own.close()
        cloudflare.close()


PAGES = {
    "apps": "/",
    "new": "/new",
    "app": "/apps/{shop}",
    "app-deployments": "/apps/{shop}?tab=deployments",
    "app-logs": "/apps/{api}?tab=logs",
    "app-resources": "/apps/{api}?tab=resources",
    "projects": "/projects",
    "project": "/projects/{project}",
    "volumes": "/volumes",
    "trash": "/trash",
    "app-variables": "/apps/{shop}?tab=variables",
    "app-domains": "/apps/{api}?tab=domains",
    "app-settings": "/apps/{shop}?tab=settings",
    "deployments": "/deployments",
    "deployment": "/deployments/{live}",
    "deployment-failed": "/deployments/{failed}",
    "agents": "/agents",
    "approvals": "/approvals",
    "audit": "/audit",
    "system": "/system",
    "connect": "/connect/agent?client_id=paas-cli&redirect_uri=http%3A%2F%2F127.0.0.1%3A5%2Fcallback&state=sssssssssssssssss"
    "&code_challenge=vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv&code_challenge_method=S256&name=my-macbook+CLI",
    "connect-device": "/connect/device",
    "not-found": "/apps/nope",
}


def test_disorder_is_seen(visit):
    """The check of each page's looks finds what it is there for."""
    visitor = visit()
    page = visitor.open("/")
    assert visitor.disorder() == []
    page.evaluate("""document.querySelector('main').insertAdjacentHTML('beforeend',
      '<button style="width:90px;height:30px">Below</button><button style="width:90px;height:30px;margin-left:-50px">Above</button>'
      + '<p style="width:40px;overflow:hidden;white-space:nowrap">Words that nobody reads to their end</p>'
      + '<button style="all:unset;width:12px;height:12px;display:block">x</button>')""")
    found = "\n".join(visitor.disorder())
    assert '"Below" lies on "Above"' in found
    assert "is cut off" in found
    assert "12 x 12 px" in found


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 1440), ("dark", 375), ("light", 375)])
def test_every_page_in_every_dress(visit, paas, world, theme, width):
    live = paas.app(world["shop"]["id"])["activeDeployId"]
    failed = world["failed"]["latestDeployment"]["id"]
    places = {"shop": world["shop"]["id"], "api": world["api"]["id"], "live": live, "failed": failed}
    places["project"] = world["api"]["projectId"]
    visitor = visit(theme=theme, width=width)
    for name, path in PAGES.items():
        page = visitor.page
        page.goto(visitor.base + path.format(**places))
        page.locator("h1, .notice").first.wait_for()
        assert visitor.axe() == [], name
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{name} is {too_wide} px too wide"
        assert visitor.disorder() == [], name
        visitor.picture(f"{name}-{theme}-{width}")
    visitor.forgive("404")


def test_the_first_load_is_small(paas):
    import gzip
    import re as expressions

    page = paas.client.get("/").text
    scripts = expressions.findall(r'(?:src|href)="(/assets/[^"]+\.js)"', page)
    size = sum(len(gzip.compress(paas.client.get(script).content)) for script in scripts)
    assert scripts
    assert size < 260 * 1024
