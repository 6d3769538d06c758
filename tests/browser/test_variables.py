"""Variables and settings in the dashboard: bytes stay what they are, and nobody's change is lost."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Held

pytestmark = [pytest.mark.engine, pytest.mark.browser]

KEY = "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8\n  +/=\n-----END PRIVATE KEY-----\n"
TELLS = """import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({name: os.environ.get(name) for name in ('SIGNING', 'NOTE')}).encode())
http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
"""
# What a text or a form might change on its way.
VALUES = {
    "AUTH_URL": "not secret",
    "BLANKS": "  x ",
    "EMPTY": "",
    "LINES": "a\n\n b\n",
    "PATH_OF_OURS": "C:\\new\\table\\",
    "QUOTES": 'it\'s "$B" # `no` comment',
    "SEPARATORS": "a\u2028b\u0085",
    "WINDOWS": "a\r\nb\r",
}
SAVED = "Saved. The next deployment uses it."


@pytest.fixture
def app(paas):
    made = paas.live("words", "sample:hello-static", envVars={**VALUES, "SEALED": "canary"}, secretKeys=["SEALED"])
    yield made
    paas.purge(made)


@pytest.fixture
def tells(paas, git):
    """An app that answers with two of its variables."""
    made = paas.live("tells", git.repository("tells.git", {"main.py": TELLS, "Procfile": "web: python main.py"}).url)
    yield made
    paas.purge(made)


def variables(visit, app, **options) -> tuple:
    visitor = visit(**options)
    return visitor, visitor.open(f"/apps/{app['id']}?tab=variables")


def save(page: Page) -> dict:
    """What the page sends for it."""
    with page.expect_request("**/api/apps/env") as sent:
        page.get_by_role("button", name="Save for the next deployment").click()
    expect(page.get_by_text(SAVED)).to_be_visible()
    return sent.value.post_data_json


def paste(page: Page, label: str, text: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.get_by_label(label, exact=True).click()
    page.keyboard.press("Control+v")


def changed_meanwhile(page: Page):
    return page.get_by_role("alert").filter(has_text="changed meanwhile")


# The app is asked for first: a page that is open when it goes would ask for it in vain.
def test_a_pasted_key_arrives_byte_for_byte(tells, visit, paas):
    visitor, page = variables(visit, tells)
    for name, value in (("SIGNING", KEY), ("NOTE", "  one\ntwo ")):
        page.get_by_role("button", name="Add a variable").click()
        page.get_by_label(re.compile(r"Name of variable \d")).fill(name)
        paste(page, f"Value of {name}", value)
        expect(page.get_by_label(f"Value of {name}", exact=True)).to_have_value(value)
        expect(page.get_by_label(f"Value of {name}", exact=True)).to_be_focused()
    page.get_by_label("SIGNING is secret").check(force=True)
    page.mouse.move(0, 0)
    assert visitor.axe() == []
    assert visitor.disorder() == []
    page.get_by_role("button", name="Save and deploy").click()
    expect(page.get_by_text("Saved; a deployment is on its way")).to_be_visible()
    paas.ended(paas.get("/api/deployments/history", appId=tells["id"])[0]["id"])
    assert json.loads(paas.visit(tells).text) == {"SIGNING": KEY, "NOTE": "  one\ntwo "}
    expect(page.get_by_label("Value of SIGNING", exact=True)).to_have_value("")


def test_text_that_is_not_edited_changes_nothing(app, visit, paas):
    _, page = variables(visit, app)
    page.get_by_role("button", name="Edit as text").click()
    page.get_by_role("button", name="Take it over").click()
    expect(page.get_by_role("button", name="Edit as text")).to_be_visible()
    expect(page.get_by_label("What will change")).to_have_count(0)
    page.get_by_role("button", name="Add a variable").click()
    page.get_by_label("Name of variable 10").fill("MORE")
    assert save(page) == {"id": app["id"], "set": {"MORE": ""}, "unset": [], "secret": [], "plain": []}
    assert paas.app(app["id"])["envVars"] == {**VALUES, "SEALED": "***", "MORE": ""}


def test_a_mistake_in_a_pasted_file_names_its_line(app, visit):
    visitor, page = variables(visit, app, theme="dark", width=375)
    page.get_by_role("button", name="Paste a .env").click()
    box = page.get_by_label("Paste a .env file")
    box.fill("A=1\nB='x' y\n")
    expect(page.get_by_text("Line 2: text behind a closing quote")).to_be_visible()
    expect(page.get_by_role("button", name="Take over 0 variables")).to_be_disabled()
    assert visitor.axe() == []
    box.fill("A=1\nB_TOKEN='x y' # note\n")
    # It would be left out of what is saved.
    expect(page.get_by_role("button", name="Save for the next deployment")).to_be_disabled()
    page.get_by_role("button", name="Take over 2 variables").click()
    expect(page.get_by_label("What will change")).to_have_text("+ A+ B_TOKEN")
    expect(page.get_by_label("B_TOKEN is secret")).to_be_checked()
    assert visitor.disorder() == []


@pytest.mark.parametrize("live", [True, False], ids=["that hear of each other", "that do not"])
def test_two_tabs_with_different_variables_both_stay(app, visit, paas, live):
    (_, one), (_, two) = variables(visit, app), variables(visit, app)
    if not live:
        Held(two, "**/api/events")
        two.reload()
    two.get_by_label("Value of BLANKS").fill("two")
    two.get_by_label("Remove EMPTY").click()
    one.get_by_label("Value of AUTH_URL").fill("one")
    save(one)
    expect(two.get_by_label("Value of AUTH_URL")).to_have_value("one" if live else "not secret")
    expect(two.get_by_label("What will change")).to_have_text("− EMPTY~ BLANKS")
    save(two)
    stored = {name: value for name, value in VALUES.items() if name != "EMPTY"}
    expected = {**stored, "AUTH_URL": "one", "BLANKS": "two", "SEALED": "***"}
    assert paas.app(app["id"])["envVars"] == expected
    expect(one.get_by_label("Value of BLANKS")).to_have_value("two")


def test_two_tabs_with_the_same_variable_see_both_values(app, visit, paas):
    visitor, page = variables(visit, app)
    page.get_by_label("Value of BLANKS").fill("mine")
    paas.post("/api/apps/env", id=app["id"], set={"BLANKS": "theirs"})
    expect(changed_meanwhile(page).get_by_role("row", name="BLANKS theirs mine")).to_be_visible()
    assert visitor.axe() == []
    changed_meanwhile(page).scroll_into_view_if_needed()
    visitor.picture("variables-conflict")
    page.get_by_role("button", name="Keep mine").click()
    save(page)
    assert paas.app(app["id"])["envVars"]["BLANKS"] == "mine"
    page.get_by_label("Value of BLANKS").fill("again")
    paas.post("/api/apps/env", id=app["id"], unset=["BLANKS"])
    expect(changed_meanwhile(page).get_by_role("row", name="BLANKS not there again")).to_be_visible()
    page.get_by_role("button", name="Load what is there now").click()
    expect(page.get_by_label("Value of BLANKS")).to_have_count(0)
    expect(page.get_by_label("What will change")).to_have_count(0)


def test_settings_that_were_changed_meanwhile_are_not_saved_over(app, visit, paas):
    visitor = visit()
    Held(visitor.page, "**/api/events")
    page = visitor.open(f"/apps/{app['id']}?tab=settings")
    field, alert = page.get_by_label("Health path"), changed_meanwhile(page)
    field.fill("/mine")
    paas.post("/api/apps/update", id=app["id"], healthPath="/theirs", memory="300m")
    page.get_by_role("button", name="Save 1 change").click()
    expect(alert.get_by_role("row", name="Health path /theirs /mine")).to_be_visible()
    assert paas.app(app["id"])["healthPath"] == "/theirs"
    expect(field).to_have_value("/mine")
    assert visitor.axe() == []
    visitor.picture("settings-conflict")
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_text(SAVED)).to_be_visible()
    stored = paas.app(app["id"])
    assert (stored["healthPath"], stored["memory"]) == ("/mine", "300m")
    expect(page.get_by_label("Memory")).to_have_value("300m")
    page.get_by_role("alert").filter(has_text=SAVED).get_by_role("button", name="Undo").click()
    expect(field).to_have_value("/theirs")

    field.fill("/again")
    paas.post("/api/apps/update", id=app["id"], healthPath="")
    page.get_by_role("button", name="Save 1 change").click()
    expect(alert.get_by_role("row", name="Health path empty /again")).to_be_visible()
    page.get_by_role("button", name="Load what is there now").click()
    expect(field).to_have_value("")
    expect(alert).to_have_count(0)
    visitor.forgive("409")


def test_rules_that_were_changed_meanwhile_are_not_saved_over(app, visit, paas):
    visitor = visit(width=375)
    Held(visitor.page, "**/api/events")
    page = visitor.open(f"/apps/{app['id']}?tab=domains")
    page.get_by_label("Largest request (MiB)").fill("20")
    paas.post("/api/apps/routing", id=app["id"], maxBodyMb=5, timeoutSeconds=60)
    page.get_by_role("button", name="Save the rules").click()
    expect(changed_meanwhile(page).get_by_role("row", name="Largest request (MiB) 5 20")).to_be_visible()
    assert visitor.axe() == []
    assert visitor.disorder() == []
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_text("Saved, and in effect")).to_be_visible()
    rules = paas.get("/api/apps/routing", id=app["id"])
    assert (rules["maxBodyMb"], rules["timeoutSeconds"]) == (20, 60)
    visitor.forgive("409")


def test_what_is_typed_stays_while_other_settings_change(app, visit, paas):
    page = visit().open(f"/apps/{app['id']}?tab=settings")
    page.get_by_label("Start command").fill("python typed.py")
    paas.post("/api/apps/update", id=app["id"], memory="200m")
    expect(page.get_by_label("Memory")).to_have_value("200m")
    expect(page.get_by_label("Start command")).to_have_value("python typed.py")
    page.get_by_role("button", name="Save 1 change").click()
    expect(page.get_by_text(SAVED)).to_be_visible()
    assert paas.app(app["id"])["memory"] == "200m"
