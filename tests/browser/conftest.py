"""Chromium on a platform with real apps: running, failed, stopped, long names and right-to-left text."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.system.conftest import git, paas  # noqa: F401  # fixtures
from tests.system.servers import ADMIN_TOKEN, GitServer, PaasServer

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
# Of all that is on the screen: pairs of controls that overlap, text that is cut without an ellipsis, and controls that
# are too small to hit (WCAG 2.2: 24 px, unless they are words in a text).
DISORDER = """() => {
  const found = [], name = element => (element.getAttribute('aria-label') || element.textContent || element.tagName).trim().slice(0, 60)
  const shown = element => {
    const box = element.getBoundingClientRect(), style = getComputedStyle(element)
    return box.width > 1 && box.height > 1 && style.visibility === 'visible' && Number(style.opacity) > 0 && box.right > 0 && box.left < innerWidth
  }
  const fixed = element => { for (let at = element; at; at = at.parentElement) if (/fixed|sticky/.test(getComputedStyle(at).position)) return true; return false }
  const controls = [...document.querySelectorAll('a[href], button, input, select, textarea, [role=tab], [role=switch]')].filter(shown)
  for (const [index, one] of controls.entries())
    for (const other of controls.slice(index + 1)) {
      if (one.contains(other) || other.contains(one) || fixed(one) !== fixed(other) || one.closest('label, [data-combobox]') === other.closest('label, [data-combobox]') && one.closest('label, [data-combobox]')) continue
      // A button inside of a field, such as the eye of a password.
      if (/INPUT|TEXTAREA/.test(one.tagName + other.tagName) && one.parentElement.parentElement.contains(other)) continue
      const a = one.getBoundingClientRect(), b = other.getBoundingClientRect()
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
      if (wide > 3 && high > 3) found.push(`"${name(one)}" lies on "${name(other)}"`)
    }
  for (const element of document.querySelectorAll('main *, nav *')) {
    const style = getComputedStyle(element)
    const words = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
    if (words && shown(element) && /hidden|clip/.test(style.overflowX) && style.textOverflow !== 'ellipsis' && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1) found.push(`"${name(element)}" is cut off`)
  }
  for (const control of controls) {
    const box = control.getBoundingClientRect()
    if (control.matches('button, [role=tab]') && (box.height < 20 || box.width < 20)) found.push(`"${name(control)}" is ${Math.round(box.width)} x ${Math.round(box.height)} px`)
  }
  return found
}"""
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


class Held:
    """Requests of a page that get no answer until they are let go."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._routes: list[Route] | None = []
        page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        if self._routes is None:
            route.continue_()
        else:
            self._routes.append(route)

    def let_go(self) -> None:
        held, self._routes = self._routes or [], None
        for route in held:
            route.continue_()


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

    def disorder(self) -> list[str]:
        """What a person would call broken: controls on top of each other, and words that are cut off unseen."""
        return self.page.evaluate(DISORDER)

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
