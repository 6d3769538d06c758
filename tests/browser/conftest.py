"""Chromium on a platform with real apps: running, failed, stopped, long names and right-to-left text."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.system.conftest import git, paas  # noqa: F401  # fixtures
from tests.system.servers import ADMIN_TOKEN, GitServer, PaasServer

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield found
        found.close()


class Visitor:
    """A signed-in page that remembers what went wrong in it."""

    def __init__(
        self, browser: Browser, base: str, *, theme: str = "light", width: int = 1440, token: str = ADMIN_TOKEN
    ) -> None:
        self.base = base
        self.context = browser.new_context(
            color_scheme=theme,
            viewport={"width": width, "height": 900 if width > 400 else 812},
            reduced_motion="reduce",
        )
        if token:
            self.context.add_init_script(f"sessionStorage.setItem('better-paas-token', '{token}')")
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.faults: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self._note(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _note(self, text: str) -> None:
        # Chromium drops its connections when the engine on the same machine adds a network; the page asks again.
        if "ERR_NETWORK_CHANGED" not in text:
            self.faults.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(self.base + path)
        self.page.wait_for_selector("h1")
        return self.page

    def forgive(self, status: str) -> None:
        """Forget the console's note of answers with this status, which the test provoked."""
        self.faults[:] = [fault for fault in self.faults if status not in fault]

    def axe(self) -> list[str]:
        """Findings of axe-core on the page as it is."""
        self.page.wait_for_timeout(400)
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run()")
        return [f"{entry['id']}: {node['html'][:200]}" for entry in found["violations"] for node in entry["nodes"]]

    def picture(self, name: str) -> None:
        """Keep a picture where SCREENSHOTS says, for the documentation."""
        if folder := os.environ.get("SCREENSHOTS"):
            self.page.screenshot(path=f"{folder}/{name}.png")


@pytest.fixture
def visit(browser, paas):  # noqa: F811
    made: list[Visitor] = []

    def begin(**options) -> Visitor:
        visitor = Visitor(browser, f"http://127.0.0.1:{paas.api_port}", **options)
        made.append(visitor)
        return visitor

    yield begin
    for visitor in made:
        visitor.context.close()
        assert visitor.faults == []


@pytest.fixture(scope="session")
def world(paas: PaasServer, git: GitServer):  # noqa: F811
    """Apps of each kind, by name."""
    site = git.repository(
        "storefront.git",
        {"index.html": "shop"},
        "Add the summer collection and a much longer commit message than fits into a card",
    )
    apps = {
        "shop": paas.live(
            "storefront", site.url, envVars={"LOG_LEVEL": "info", "API_KEY": "canary"}, secretKeys=["API_KEY"]
        ),
        "api": paas.live(
            "orders-api",
            "sample:hello-python",
            healthPath="/health",
            domains=["api.example.test"],
            volumes=["uploads:/data"],
        ),  # fmt: skip
        "node": paas.live("a-rather-long-name-for-an-application-1", "sample:hello-node"),
    }
    site.commit({"index.html": "shop 2"}, "إصلاح عربة التسوق")
    paas.redeploy(apps["shop"])
    failed = paas.deploy("newsletter", "sample:hello-python", startCommand="python missing.py")
    paas.ended(failed["deploymentId"])
    stopped = paas.live("archive", "sample:hello-static")
    paas.post("/api/apps/stop", id=stopped["id"])
    forgotten = paas.live("old-blog", "sample:hello-static", volumes=["posts:/data"])
    paas.post("/api/apps/delete", id=forgotten["id"])
    flood = "import sys\nfor n in range(10000): print(f'\\033[3{n % 7}mline {n}\\033[0m of the flood')\nsys.stdout.flush()\nimport http.server, os\nhttp.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    chatty = git.repository("chatty.git", {"main.py": flood, "Procfile": "web: python main.py"})
    apps["chatty"] = paas.live("chatty", chatty.url)
    apps |= {"failed": paas.app(failed["id"]), "stopped": paas.app(stopped["id"])}
    apps = {name: paas.app(app["id"]) for name, app in apps.items()}
    yield apps
    for app in apps.values():
        paas.post("/api/apps/delete", id=app["id"])
