"""`paas connect` with a real browser: the page that asks, the yes, the no, and what it can't be tricked into."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.system.servers import ADMIN_TOKEN, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.browser]
PAAS = str(Path(sys.executable).with_name("paas"))


@pytest.fixture
def command(paas, tmp_path):
    """`paas connect` that waits; gives the process, the page's address and the home directory."""
    address = tmp_path / "address"
    opener = tmp_path / "browser"
    opener.write_text(f"#!{sys.executable}\nimport sys\nopen({str(address)!r}, 'w').write(sys.argv[1])\n")
    opener.chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "BROWSER": f"{opener} %s"}
    url = f"http://127.0.0.1:{paas.api_port}"
    with subprocess.Popen(
        [PAAS, "connect", url], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        wait_until(lambda: address.exists() and address.read_text(), 10)
        yield process, address.read_text(), tmp_path
        process.kill()


def test_a_person_signs_in_chooses_and_allows(visit, paas, world, command):
    process, address, home = command
    visitor = visit(token="")
    page = visitor.page
    page.goto(address)
    expect(page.get_by_role("heading", name="Sign in to Better-PaaS")).to_be_visible()
    page.get_by_label("Admin token").fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Authorize CLI")).to_be_visible()
    expect(page.get_by_label("Name of the token")).to_have_value(re.compile(".+ CLI"))
    expect(page.get_by_label("Deployer: also deploys, changes, stops and starts apps")).to_be_checked()
    expect(page.get_by_text("this computer")).to_be_visible()
    page.get_by_label("Name of the token").fill("my-macbook CLI")
    page.get_by_text("Chosen projects and apps").click()
    page.get_by_role("combobox", name="Projects and apps").fill("orders-api")
    page.get_by_role("option", name="orders-api (app)").click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Only in app orders-api.")).to_be_visible()
    assert visitor.axe() == []
    page.get_by_role("button", name="Authorize CLI").click()
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    # The admin token is nowhere but in the page's own session.
    assert ADMIN_TOKEN not in page.content() + page.url
    shown, _ = process.communicate(timeout=20)
    url = f"http://127.0.0.1:{paas.api_port}"
    assert shown == (
        f"Connecting to {url} …\nOpening browser to authorize the CLI…\nWaiting for authorization in the browser…\n\n"
        f"Connected successfully.\n  URL:     {url}\n  Profile: deployer\n  Agent:   my-macbook CLI\n"
        f"  Config:  {home}/.paas/config.json\n\nTry: paas status\n"
    )
    token = json.loads((home / ".paas" / "config.json").read_text())["token"]
    with paas.holding(token) as agent:
        assert [app["name"] for app in agent.get("/api/apps").json()] == ["orders-api"]
    # The answer's address is in no log of ours, and works no second time.
    assert process.returncode == 0


def test_a_person_refuses(visit, command):
    process, address, home = command
    page = visit().page
    page.goto(address)
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("heading", name="Not connected")).to_be_visible()
    process.wait(20)
    assert process.returncode == 3
    assert not (home / ".paas" / "config.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/callback"}, {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"code_challenge_method": "plain"}, {"code_challenge": ""}, {"state": ""}, {"client_id": "someone"},
    ],
)  # fmt: skip
def test_a_page_that_was_tampered_with_asks_nothing(visit, command, change):
    _, address, _ = command
    parts = urlsplit(address)
    fields = {name: values[0] for name, values in parse_qs(parts.query).items()} | change
    visitor = visit()
    page = visitor.page
    page.goto(parts._replace(query="&".join(f"{name}={value}" for name, value in fields.items())).geturl())
    expect(page.get_by_role("heading", name="This sign-in can't go on")).to_be_visible()
    expect(page.get_by_role("button", name="Authorize CLI")).to_have_count(0)
    visitor.forgive("400")


def test_the_page_can_not_be_framed(visit, paas, command):
    _, address, _ = command
    visitor = visit(token="")
    page = visitor.page
    page.goto("data:text/html,<h1>evil</h1>")
    page.evaluate(
        "address => { const frame = document.createElement('iframe'); frame.src = address; document.body.append(frame) }",
        address,
    )
    page.wait_for_timeout(1500)
    assert all("Authorize" not in (frame.content() if frame != page.main_frame else "") for frame in page.frames)
    visitor.faults.clear()


def test_a_terminal_is_connected_by_its_code_and_words(visit, paas):
    asked = paas.client.post("/api/connect/device", json={"name": "box CLI", "machine": "root@box"}).json()
    visitor = visit()
    page = visitor.open("/connect/device")
    assert visitor.axe() == []
    page.get_by_label("Code").fill(asked["userCode"].lower())
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("root@box (as it says)")).to_be_visible()
    expect(page.get_by_role("button", name="Authorize")).to_be_disabled()
    page.get_by_label(asked["words"]).check()
    assert visitor.axe() == []
    visitor.picture("connect-device-words")
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    answer = paas.client.post("/api/connect/device/token", json={"deviceCode": asked["deviceCode"]}).json()
    assert answer["name"] == "box CLI"
    paas.post("/api/agents/delete", id=answer["agentId"])


def test_wrong_words_end_it(visit, paas):
    asked = paas.client.post("/api/connect/device", json={}).json()
    visitor = visit()
    page = visitor.open("/connect/device")
    page.get_by_label("Code").fill(asked["userCode"])
    page.get_by_role("button", name="Go on").click()
    wrong = page.get_by_role("radiogroup", name="Which words does the terminal show?").get_by_role("radio")
    labels = [wrong.nth(index).get_attribute("value") for index in range(3)]
    page.get_by_label(next(label for label in labels if label != asked["words"])).check()
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_role("heading", name="Not connected")).to_be_visible()
    visitor.forgive("403")


def test_a_trust_rule_is_made_and_deleted(visit, paas):
    visitor = visit()
    page = visitor.open("/agents")
    page.get_by_role("button", name="New trust rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_placeholder("shop, main branch").fill("shop, main branch")
    dialog.get_by_label("Repository").fill("me/shop")
    expect(dialog.get_by_text("Start deployments of new apps from Git.")).to_be_visible()
    assert visitor.axe() == []
    visitor.picture("new-trust-rule")
    dialog.get_by_role("button", name="Make the rule").click()
    expect(page.get_by_text("repository is me/shop and ref is refs/heads/main")).to_be_visible()
    rule = paas.get("/api/trust")[0]
    assert (rule["issuer"], rule["profile"]) == ("https://token.actions.githubusercontent.com", "deployer")
    page.get_by_role("button", name="Delete the rule shop, main branch").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the rule").click()
    expect(page.get_by_text("repository is me/shop")).to_be_hidden()
    assert paas.get("/api/trust") == []
