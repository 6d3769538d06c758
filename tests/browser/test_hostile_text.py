"""Names, messages, log lines and errors that are written as markup, scripts and escapes show as what they are."""

import pytest
from playwright.sync_api import Page, expect

from tests.system.servers import ADMIN_TOKEN

pytestmark = [pytest.mark.engine, pytest.mark.browser]

# A script in each form that has worked somewhere, a request to elsewhere, an own title, and turned reading directions.
MARKUP = (
    "<img src=https://evil.example/x.png onerror=window.hit=1><script>window.hit=1</script>"
    "<svg/onload=window.hit=1><title>Sign in</title><style>*{display:none}</style>{{7*7}}"
)
TURNED = "\u202egnidaer denrut\u2066\u200f עברית"
ESCAPES = "\x1b]0;Sign in\x07\x1b[2J\x1b]8;;https://evil.example/\x07link\x1b]8;;\x07\x1b[8mhidden"
LINE = f"{MARKUP} {TURNED} {ESCAPES}"
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));
"""
# Text that may turn its neighbours, where nothing keeps it apart from them.
TURNING = r"""() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const turns = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069]/
  while (walker.nextNode()) {
    const node = walker.currentNode
    if (!turns.test(node.textContent.replace(/\u2068[^\u2069]*\u2069/g, ''))) continue
    let at = node.parentElement
    while (!at.matches('bdi, q, [dir=auto]') && !/block|flex|grid|table-cell/.test(getComputedStyle(at).display)) at = at.parentElement
    if (at.matches('bdi, q, [dir=auto]')) continue
    const others = [...at.querySelectorAll('*')].some(child => child.children.length === 0 && child !== node.parentElement && child.textContent.trim() && !turns.test(child.textContent))
    const own = [...at.childNodes].some(child => child.nodeType === 3 && child !== node && child.textContent.trim())
    if (others || own) found.push(at.textContent.slice(0, 120))
  }
  return found
}"""


@pytest.fixture(scope="module")
def hostile(paas, git):
    """A place full of them: (apps by name, deployment ids by kind)."""
    serve = (
        "import http.server, os, sys\n"
        f"for _ in range(3): print({LINE!r}, flush=True)\n"
        "http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    live = git.repository("hostile.git", {"main.py": serve, "Procfile": "web: python main.py"}, f"{MARKUP} {TURNED}")
    shop = paas.live(
        "hostile-shop",
        live.url,
        envVars={"GREETING": LINE.replace("\x1b", "").replace("\x07", ""), "TOKEN": "x" * 20},
        secretKeys=["TOKEN"],
        volumes=["script-alert-1:/data"],
        watchMinutes=0,
    )
    names = git.repository("names.git", {"<img src=x onerror=hit=1>.txt": "x"}, f"{TURNED} {MARKUP}")
    failed = paas.deploy("hostile-names", names.url)
    paas.ended(failed["deploymentId"])
    dies = git.repository(
        "dies.git", {"Dockerfile": f"FROM better-paas/python:3.11\nRUN printf '%s' '{MARKUP}' && false\n"}, "x"
    )
    broken = paas.deploy("hostile-build", dies.url)
    paas.ended(broken["deploymentId"])
    gone = paas.live("hostile-gone", "sample:hello-static", watchMinutes=0)
    paas.post("/api/apps/delete", id=gone["id"])
    project = paas.post("/api/projects/create", name="hostile-house", description=f"{MARKUP} {TURNED}")
    agent = paas.post(
        "/api/agents/create", name=f"<b onclick=hit=1>{TURNED}", note=f"{MARKUP} {TURNED}"[:500], scopes=["apps:read", "apps:write", "apps:delete"],
        requireApproval="all",
    )  # fmt: skip
    for path, body in (("/api/apps/delete", {}), ("/api/apps/update", {"startCommand": f"echo {MARKUP}"})):
        asked = paas.client.post(
            path, json={"id": shop["id"], **body}, headers={"Authorization": f"Bearer {agent['token']}"}
        )
        assert asked.status_code == 202, asked.text
    yield {"shop": shop, "failed": failed, "broken": broken, "project": project}
    for app in (shop, failed, broken):
        paas.post("/api/apps/delete", id=app["id"])
    paas.post("/api/agents/delete", id=agent["id"])


def test_hostile_text_is_text_on_every_page(visit, paas, hostile):
    visitor = visit()
    visitor.context.add_init_script(WATCH)
    page, foreign = visitor.page, []
    page.on("request", lambda request: _is_ours(request.url, visitor.base) or foreign.append(request.url))
    page.on("dialog", lambda dialog: foreign.append(dialog.message) or dialog.dismiss())
    shop, failed, broken = hostile["shop"], hostile["failed"], hostile["broken"]
    title = visitor.open("/").title()
    tabs = ("overview", "deployments", "logs", "resources", "variables", "domains", "settings")
    paths = [
        "/", "/new", "/deployments", "/projects", f"/projects/{hostile['project']['id']}", "/volumes", "/trash", "/agents", "/approvals",
        "/audit", "/system",
        *(f"/apps/{shop['id']}?tab={tab}" for tab in tabs),
        f"/apps/{failed['id']}", f"/apps/{failed['id']}?tab=deployments", f"/apps/{broken['id']}",
        *(f"/deployments/{entry['deploymentId']}" for entry in (failed, broken)), f"/deployments/{shop['activeDeployId']}",
    ]  # fmt: skip
    for path in paths:
        visitor.open(path)
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        # An image that is none needs a moment to say so.
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 250)))")
        _check(page, path, title)
    assert foreign == []


def _is_ours(url: str, base: str) -> bool:
    return url.startswith((base, "data:", "blob:"))


def _check(page: Page, where: str, title: str) -> None:
    assert page.evaluate("window.hit") is None, where
    assert page.evaluate("window.violations") == [], where
    assert page.title() == title, where
    assert page.evaluate(TURNING) == [], where
    # None of the elements that the text would have made is there.
    assert page.locator("img[src*=evil], script:not([src]), [onerror], [onload], [onclick]").count() == 0, where
    text = page.inner_text("body")
    assert "\x1b" not in text, where
    expect(page.locator("h1").first).to_be_visible()


def test_what_was_said_stands_as_a_quotation(visit, hostile):
    visitor = visit()
    page = visitor.open(f"/deployments/{hostile['failed']['deploymentId']}")
    notice = page.get_by_role("alert")
    expect(notice.locator("strong")).to_have_text("No way to build this source was found.")
    expect(notice.locator("q")).to_have_text("found: <img src=x onerror=hit=1>.txt")
    visitor.open(f"/apps/{hostile['failed']['id']}")
    expect(page.locator(".truth q")).to_contain_text("<img src=x")
    page = visitor.open("/approvals")
    expect(page.get_by_text("volumes script-alert-1")).to_be_visible()
    page = visitor.open(f"/deployments/{hostile['broken']['deploymentId']}")
    expect(page.get_by_role("alert").locator("strong")).to_have_text("The build failed: a command ended with code 1.")


def test_the_palette_and_dialogs_show_it_as_text(visit, hostile):
    visitor = visit()
    visitor.context.add_init_script(WATCH)
    page = visitor.open("/approvals")
    title = page.title()
    page.get_by_role("button", name="Refuse: Puts app hostile-shop").click()
    expect(page.get_by_role("dialog")).to_contain_text("<b onclick=hit=1>")
    _check(page, "dialog", title)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find apps, pages and actions").fill("hostile")
    expect(page.get_by_role("option").first).to_be_visible()
    _check(page, "palette", title)
    assert ADMIN_TOKEN not in page.content()
