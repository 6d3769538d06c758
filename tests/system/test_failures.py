"""Sources, builds and apps that fail: a clear error that says what to do, and the old release serves on."""

import secrets
import time

import pytest

from better_paas.engine.client import Engine
from tests.system.servers import PaasServer, app_ports, docker, wait_until

pytestmark = pytest.mark.engine
SERVER = "import http.server, os\nhttp.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()\n"


def failed(paas, repository, **fields) -> dict:
    """Deploy, expect a failure, and leave nothing behind."""
    app = paas.deploy("fails", repository, **fields)
    ended = paas.ended(app["deploymentId"])
    assert ended["status"] == "failed", ended
    assert ended["hint"], ended["error"]
    log = paas.deployment_log(ended["id"])
    assert ended["error"][:60] in log
    label = f"label=better-paas.app={app['id']}"
    wait_until(lambda: docker("ps", "--all", "--quiet", "--filter", label) == "", 15)
    wait_until(lambda: docker("images", "--quiet", f"better-paas/app-{app['id']}") == "", 15)
    paas.post("/api/apps/delete", id=app["id"])
    return {**ended, "log": log}


def test_sources(paas, git):
    assert "empty" in failed(paas, git.repository("empty.git").url)["error"]
    assert "refused access" in failed(paas, f"{git.url}/nothing.git")["error"]
    assert "can't be reached" in failed(paas, "http://127.0.0.1:9/a/b")["error"]
    assert "redirects" in failed(paas, f"{git.url}/moved/x.git")["error"]
    assert "can't be found" in failed(paas, "https://no-such-host.invalid/a/b")["error"]
    repository = git.repository("plain.git", {"index.html": "x"})
    unknown = failed(paas, repository.url, branch="nope")
    assert "no such branch or tag" in unknown["error"]
    assert unknown["quoted"] == "'nope'; branches: main"
    assert "no such commit" in failed(paas, repository.url, branch="0" * 40)["error"]
    assert "no such folder" in failed(paas, repository.url, rootDir="nope")["error"]
    assert "no way to build" in failed(paas, git.repository("unknown.git", {"readme.md": "x"}).url)["error"]


def test_branch_tag_commit_and_root(paas, git):
    repository = git.repository("refs.git", {"site/index.html": "first"})
    repository.tag("v1")
    commit = repository.commit({"site/index.html": "second"}, "Second")
    repository.branch("next")
    repository.commit({"site/index.html": "third"}, "Third")
    for ref, text in (("v1", "first"), ("main", "second"), (commit, "second"), ("next", "third"), ("", "second")):
        app = paas.live("refs", repository.url, branch=ref, rootDir="site")
        assert paas.visit(app).text == text
        paas.post("/api/apps/delete", id=app["id"])
    assert paas.post("/api/git/branches", gitRepo=repository.url) == ["main", "next"]


def test_private_repositories(paas, git):
    repository = git.repository("private.git", {"index.html": "private"})
    git.auth = "deploy:pass-word-canary"
    try:
        refused = failed(paas, repository.url)
        assert "refused access" in refused["error"]
        assert "deploy token" in refused["hint"]
        assert "refused access" in failed(paas, repository.url, gitToken="deploy:wrong")["error"]
        app = paas.live("private", repository.url.replace("http://", "http://deploy:pass-word-canary@"))
        assert "pass-word-canary" not in app["gitRepo"]
        assert app["gitToken"] == "***"
        assert "pass-word-canary" not in paas.deployment_log(app["activeDeployId"])
        assert "pass-word-canary" not in str(paas.get("/api/audit-logs", limit=50))
        assert paas.visit(app).text == "private"
        paas.post("/api/apps/delete", id=app["id"])
    finally:
        git.auth = ""


def test_hostile_repositories(paas, git, tmp_path):
    secret = tmp_path / "host-secret"
    secret.write_text("of the host alone")
    linked = git.repository("linked.git", {"package.json": f"-> {secret}", "index.html": "fine"})
    app = paas.live("linked", linked.url)
    assert paas.visit(app).text == "fine"
    assert "of the host alone" not in paas.visit(app, "/package.json").text
    paas.post("/api/apps/delete", id=app["id"])
    out = git.repository("out.git", {"real/index.html": "x", "root": "-> real"})
    assert "no such folder" in failed(paas, out.url, rootDir="root")["error"]
    hooked = git.repository("hooked.git", {"index.html": "x"})
    marker = tmp_path / "hook-ran"
    for hook in ("post-checkout", "post-update", "pre-commit"):
        path = hooked.path / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {marker}\n")
        path.chmod(0o755)
    paas.post("/api/apps/delete", id=paas.live("hooked", hooked.url)["id"])
    assert not marker.exists()
    modes = git.repository("modes.git", {"index.html": "x", "css/style.css": "body{}"})
    app = paas.live("modes", modes.url)
    assert paas.visit(app, "/css/style.css").status_code == 200
    paas.post("/api/apps/delete", id=app["id"])


def test_a_source_that_is_too_large(own_paas, git):
    own_paas.kill()
    own_paas.settings["SOURCE_MAX_MB"] = "1"
    own_paas.start()
    huge = git.repository("huge.git", {"index.html": "x", "zeros": "0" * 3_000_000})
    assert "larger than 1 MiB" in failed(own_paas, huge.url)["error"]


def test_the_old_release_serves_on_through_every_failure(paas, git):
    files = {"app.py": SERVER, "Procfile": "web: python app.py", "index.html": "good"}
    repository = git.repository("turns-bad.git", files)
    app = paas.live("turns-bad", repository.url)

    def fails(changes, message, words):
        repository.commit(changes, message)
        ended = paas.ended(paas.post("/api/apps/redeploy", id=app["id"])["deploymentId"])
        assert ended["status"] == "failed", message
        assert words in f"{ended['error']} {ended['quoted']}", ended
        assert ended["hint"]
        assert paas.visit(app).text == "good"
        assert paas.app(app["id"])["status"] == "running"
        return paas.deployment_log(ended["id"])

    assert "boom" in fails({"app.py": "print('boom')\nraise SystemExit(3)\n"}, "Exits", "ended with code 3")
    said = fails(
        {"Dockerfile": "FROM better-paas/python:3.11\nRUN echo before && python -c 'import nothing_here'\n"},
        "Does not build",
        "the build failed: a command ended with code 1 ModuleNotFoundError: No module named 'nothing_here' (echo before",
    )
    assert "before" in said
    fails({"Dockerfile": "FROM better-paas/nothing:1\n"}, "Has no base", "can't be pulled")
    fails({"Dockerfile": "nonsense"}, "Is no Dockerfile", "begins with no instruction")
    repository.commit({"Dockerfile": None, **files, "index.html": "good again"}, "Well again")
    paas.redeploy(app)
    assert paas.visit(app).text == "good again"
    paas.post("/api/apps/delete", id=app["id"])


def test_builds_that_hang_or_flood_and_apps_that_never_listen(own_paas, git):
    own_paas.kill()
    own_paas.settings |= {"BUILD_TIMEOUT": "6", "HEALTH_TIMEOUT": "4", "DEPLOYMENT_LOG_MAX_MB": "1"}
    own_paas.start()
    hangs = git.repository("hangs.git", {"Dockerfile": "FROM better-paas/python:3.11\nRUN sleep 600\n"})
    assert "longer than 6 s" in failed(own_paas, hangs.url)["error"]
    flood = git.repository(
        "flood.git", {"Dockerfile": "FROM better-paas/python:3.11\nRUN yes flood | head -c 20000000; false\n"}
    )
    result = failed(own_paas, flood.url)
    assert "log is full" in result["log"]
    assert len(result["log"]) < 3_000_000
    silent = git.repository(
        "silent.git",
        {"main.py": "import time\nprint('awake', flush=True)\ntime.sleep(600)\n", "Procfile": "web: python main.py"},
    )
    result = failed(own_paas, silent.url)
    assert "did not become healthy within 4 s" in result["error"]
    assert "awake" in result["log"]
    broken = git.repository("broken.git", {"app.py": SERVER, "Procfile": "web: python app.py"})
    result = failed(
        own_paas,
        broken.url,
        healthPath="/health",
        startCommand='python -c "import http.server,os\nclass H"'.replace("\n", ";"),
    )
    assert "did not stay up" in result["error"]


def test_cancelling_in_each_step(own_paas, git):
    slow = git.repository("slow-build.git", {"Dockerfile": "FROM better-paas/python:3.11\nRUN sleep 30\n"})
    silent = git.repository(
        "silent2.git", {"main.py": "import time\ntime.sleep(600)\n", "Procfile": "web: python main.py"}
    )
    hanging = f"{git.url}/hangs/x.git"
    for repository, step in ((hanging, "fetch"), (slow.url, "build"), (silent.url, "probe")):
        app = own_paas.deploy("cancelled", repository)
        deadline = time.monotonic() + 60
        while [entry["name"] for entry in own_paas.get("/api/deployments/get", id=app["deploymentId"])["steps"]][
            -1:
        ] != [step]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        own_paas.post("/api/apps/cancel", id=app["id"])
        ended = own_paas.get("/api/deployments/get", id=app["deploymentId"])
        assert ended["status"] == "cancelled"
        assert docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}") == ""
        own_paas.post("/api/apps/delete", id=app["id"])


# The limit is one for all builds of the engine: another server's next build would raise it again.
@pytest.mark.alone
def test_a_build_that_takes_too_much_memory_is_stopped_and_told_so(tmp_path, git):
    # A step of its own each time: one that once came through, without a limit, would be taken from the cache.
    take = f"RUN python3 -c 'x = bytearray(600 * 2**20)' {secrets.token_hex(4)}"
    greedy = {"Dockerfile": f"FROM better-paas/python:3.11\n{take}\n"}
    server = PaasServer(tmp_path / "data", APP_PORTS=app_ports(23700), BUILD_MEMORY="200m", BUILD_CPUS="1")
    server.start()
    try:
        app = server.deploy("greedy", git.repository("greedy.git", greedy).url)
        ended = server.ended(app["deploymentId"])
        assert ended["status"] == "failed"
        assert "Raise BUILD_MEMORY" in ended["hint"], ended
        assert server.get("/api/health")["status"] == "healthy"
    finally:
        server.close()


async def test_the_engine_trims_its_build_cache_to_a_size():
    """As large as that no cache is: the call is understood, and nothing goes that another test may use."""
    engine = Engine()
    try:
        assert await engine.prune_build_cache(2**60) == 0
    finally:
        await engine.close()
