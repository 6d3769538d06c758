"""What strangers bring goes live as they wrote it: times, owners, ports, protocols and values, behind a real ingress."""

import json
from datetime import datetime

import httpx2
import pytest

from tests.system.apps import EXPRESS, FLASK, MIRROR
from tests.system.servers import docker, wait_until

pytestmark = pytest.mark.engine

# Writes where it lives, and into a volume at a folder that its image does not have.
WRITER = """
import http.server, os, pathlib, sqlite3
sqlite3.connect("app.db").execute("create table if not exists t (x)").connection.commit()
pathlib.Path("/data/new/file").write_text("mine")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"{os.getuid()} {os.stat('/data/new').st_uid} {os.stat('app.db').st_uid}".encode())
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
LISTENER = """
import http.server, os, sys
host, port = sys.argv[1], int(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"here")
http.server.ThreadingHTTPServer((host, port), Handler).serve_forever()
"""
HTTP2 = """
const http2 = require('node:http2')
const server = http2.createServer()
server.on('stream', stream => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end('over http/2')
})
server.listen(process.env.PORT)
"""


def test_a_version_of_the_same_length_is_seen(paas, git):
    """A server that makes its validators of size and time, as most do."""
    files = {"Procfile": "web: python -m http.server $PORT --directory public\n", "app.py": "", "public/a.txt": "one"}
    repository = git.repository("same-length.git", files)
    app = paas.live("same-length", repository.url)
    before = paas.visit(app, "/a.txt")
    repository.commit({"public/a.txt": "two"}, "Second")
    paas.redeploy(app)
    headers = {"Host": app["defaultHost"], "If-Modified-Since": before.headers["last-modified"]}
    after = httpx2.get(f"http://127.0.0.1:{paas.http_port}/a.txt", headers=headers)
    assert (before.text, after.status_code, after.text) == ("one", 200, "two")
    paas.purge(app)


@pytest.mark.parametrize("kind", ["generated", "own Dockerfile"])
def test_the_app_writes_where_it_lives_and_into_new_volumes(paas, git, kind):
    files = {"Procfile": "web: python app.py\n", "app.py": WRITER}
    if kind == "own Dockerfile":
        files = {
            "Dockerfile": "FROM better-paas/python:3.11\nRUN useradd --uid 4321 someone && mkdir -p /srv && chown someone /srv\n"
            'USER someone\nWORKDIR /srv\nCOPY app.py /\nENV PORT=8080\nCMD ["python3", "/app.py"]\n',
            "app.py": WRITER,
        }
    name = "writer-" + kind[:3]
    app = paas.live(name, git.repository(f"{name}.git", files).url, volumes=["new:/data/new"])
    user = "10001" if kind == "generated" else "4321"
    assert paas.visit(app).text == " ".join([user] * 3)
    paas.purge(app)


def own(command: str, *lines: str) -> dict[str, str]:
    text = "\n".join(["FROM better-paas/python:3.11", "COPY app.py /", *lines, f"CMD {json.dumps(command.split())}"])
    return {"Dockerfile": text + "\n", "app.py": LISTENER}


@pytest.mark.parametrize(
    ("name", "files", "port"),
    [
        ("exposes-by-name", own("python3 -u /app.py 0.0.0.0 7000", "ARG P=7000", "EXPOSE $P"), 7000),
        ("exposes-nothing", own("python3 -u /app.py 0.0.0.0 3000"), 3000),
        ("exposes-another", own("python3 -u /app.py :: 3000", "EXPOSE 80"), 3000),
    ],
)
def test_requests_are_led_to_where_it_listens(paas, git, name, files, port):
    files["app.py"] = files["app.py"].replace(
        "http.server.ThreadingHTTPServer((host",
        "import socket\nhttp.server.ThreadingHTTPServer.address_family = socket.AF_INET6 if ':' in host else socket.AF_INET\nhttp.server.ThreadingHTTPServer((host",
    )
    app = paas.live(name, git.repository(f"{name}.git", files).url)
    assert paas.visit(app).text == "here"
    found = paas.get("/api/deployments/get", id=app["activeDeployId"])
    assert found["plan"]["port"] == port
    paas.purge(app)


def test_what_listens_for_itself_alone_is_told_soon(paas, git):
    files = own("python3 -u /app.py 127.0.0.1 3000")
    app = paas.deploy("for-itself", git.repository("for-itself.git", files).url)
    ended = paas.ended(app["deploymentId"])
    assert (ended["status"], ended["error"]) == ("failed", "it listens on 127.0.0.1:3000, where nothing can reach it")
    lines = paas.get("/api/deployments/logs", id=ended["id"])["logs"]
    began, told = (
        next(datetime.fromisoformat(line["timestamp"]) for line in lines if words in line["message"])
        for words in ("Waiting until it answers", "It listens on 127.0.0.1:3000")
    )
    # Three seconds, and what a machine takes to start it that does other things besides.
    assert (told - began).total_seconds() < 8
    paas.purge(app)


def test_http2_without_tls_is_found_and_served(paas, git):
    files = {"package.json": json.dumps({"name": "two", "scripts": {"start": "node app.js"}}), "app.js": HTTP2}
    app = paas.live("speaks-http2", git.repository("speaks-http2.git", files).url)
    assert "HTTP/2 without TLS" in paas.deployment_log(app["activeDeployId"])
    answer = paas.visit(app)
    assert (answer.status_code, answer.text) == (200, "over http/2")
    # And back to one that speaks as most do.
    paas.post("/api/apps/stop", id=app["id"])
    paas.post("/api/apps/start", id=app["id"])
    assert paas.visit(app).text == "over http/2"
    paas.purge(app)


def test_a_crash_at_import_behind_a_server_is_no_success(paas, git):
    files = {
        "requirements.txt": "flask\ngunicorn\n",
        "app.py": "import time\nfrom flask import Flask\napp = Flask(__name__)\ntime.sleep(2)\nraise RuntimeError('no database')\n",
    }
    app = paas.deploy("crashes", git.repository("crashes.git", files).url)
    ended = paas.ended(app["deploymentId"])
    assert ended["status"] == "failed", ended
    assert "did not stay up" in ended["error"]
    paas.purge(app)


def test_what_ends_soon_again_and_again_is_no_success(paas, git):
    """Also what ends before it could be told to be started again."""
    program = LISTENER.replace(
        "host, port", "import threading; threading.Timer(0.7, os._exit, (3,)).start()\nhost, port"
    )
    files = {**own("python3 -u /app.py 0.0.0.0 8080", "EXPOSE 8080"), "app.py": program}
    app = paas.deploy("ends-soon", git.repository("ends-soon.git", files).url)
    ended = paas.ended(app["deploymentId"])
    wait_until(lambda: paas.get("/api/deployments/get", id=ended["id"])["settled"], 60)
    assert paas.get("/api/deployments/get", id=ended["id"])["status"] == "failed"
    paas.purge(app)


def test_a_site_has_validators_of_its_content_and_shows_nothing_hidden(paas, git):
    files = {
        "index.html": "home", "docs/index.html": "docs", ".env": "SECRET=1", ".well-known/security.txt": "known",
        "a.txt": "one",
    }  # fmt: skip
    repository = git.repository("pages.git", files)
    app = paas.live("pages", repository.url)
    first = paas.visit(app, "/a.txt")
    assert paas.visit(app, "/docs").headers["location"] == "/docs/"
    assert paas.visit(app, "/.well-known/security.txt").text == "known"
    assert [paas.visit(app, path).status_code for path in ("/.env", "/a.txt.content-etag", "/.git/config")] == [404] * 3
    repository.commit({"index.html": "new!"}, "Another file")
    paas.redeploy(app)
    headers = {"Host": app["defaultHost"], "If-None-Match": first.headers["etag"]}
    assert httpx2.get(f"http://127.0.0.1:{paas.http_port}/a.txt", headers=headers).status_code == 304
    repository.commit({"a.txt": "two"}, "The same length")
    paas.redeploy(app)
    again = httpx2.get(f"http://127.0.0.1:{paas.http_port}/a.txt", headers=headers)
    assert (again.status_code, again.text) == (200, "two")
    paas.purge(app)


VALUES = {
    "BLANKS": "  both ends ", "LINES": "-----BEGIN KEY-----\nabc\n-----END KEY-----\n", "PATH_OF_IT": "C:\\new\\table",
    "SEPARATOR": "a\u2028b\u2029", "QUOTES": "it's \"so\" $HOME `id` \\", "EMPTY": "", "CR": "a\r\nb\r",
}  # fmt: skip


def test_values_arrive_byte_for_byte_at_build_and_at_run(paas, git):
    build = "import json, os; json.dump(dict(os.environ), open('built.json', 'w'))"
    files = {**MIRROR, "requirements.txt": "", "build.py": build}
    app = paas.live("exact", git.repository("exact.git", files).url, envVars=VALUES, buildCommand="python build.py")
    container = docker("ps", "-q", "--filter", f"label=better-paas.app={app['id']}").split()[0]
    built = json.loads(docker("exec", container, "cat", "/app/built.json"))
    runs = paas.visit(app).json()["environment"]
    assert {name: built[name] for name in VALUES} == VALUES
    assert {name: runs[name] for name in VALUES} == VALUES
    paas.purge(app)


def test_settings_of_the_build(paas, git):
    """Packages for building and for running, a secret that the build may know, and no other."""
    build = "import os, subprocess; subprocess.run(['tree', '--version'], check=True); open('seen', 'w').write(os.environ.get('TOKEN', '-') + os.environ.get('OTHER', '-'))"
    files = {
        "requirements.txt": "",
        "build.py": build,
        "Procfile": "web: bc --version && python -m http.server $PORT\n",
        "app.py": "",
    }
    app = paas.live(
        "settings", git.repository("settings.git", files).url, buildCommand="python build.py", aptPackages=["tree"],
        runAptPackages=["bc"], envVars={"TOKEN": "canary-token-55", "OTHER": "canary-other-66"},
        secretKeys=["TOKEN", "OTHER"], buildSecrets=["TOKEN"], runtimeVersion="3.11",
    )  # fmt: skip
    assert paas.visit(app, "/seen").text == "canary-token-55-"
    log = paas.deployment_log(app["activeDeployId"])
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", app["activeImage"])
    assert "canary" not in log + history
    paas.purge(app)


INSTALLS = {
    "pip": FLASK,
    "npm": EXPRESS,
    "pnpm": {
        "pnpm-workspace.yaml": "packages: ['apps/*', 'libs/*']\n",
        "package.json": '{"name": "top", "private": true, "packageManager": "pnpm@10.12.1"}',
        "apps/web/package.json": json.dumps(
            {
                "name": "web",
                "scripts": {"start": "node index.js"},
                "dependencies": {"is-number": "7.0.0", "words": "workspace:*"},
            }
        ),
        "apps/web/index.js": "require('is-number'); require('node:http').createServer((request, response) => response.end("
        "'web VERSION' + require('words'))).listen(process.env.PORT)\n",
        "libs/words/package.json": '{"name": "words", "version": "1.0.0", "main": "index.js"}',
        "libs/words/index.js": "module.exports = ' and words'\n",
    },
}


@pytest.mark.parametrize("manager", INSTALLS)
def test_where_only_sources_changed_nothing_is_installed_again(paas, git, manager):
    first, second = (
        {name: text.replace("VERSION", version) for name, text in INSTALLS[manager].items()} for version in ("1", "2")
    )
    repository = git.repository(f"again-{manager}.git", first)
    app = paas.live(f"again-{manager}", repository.url, rootDir="apps/web" if manager == "pnpm" else "")
    repository.commit(second, "Second")
    log = paas.deployment_log(paas.redeploy(app)["id"])
    steps = [line for line in log.splitlines() if line.startswith("[") and f"{manager} install" in line]
    assert steps and all(step.endswith("(cached)") for step in steps), log
    assert "2" in paas.visit(app).text
    paas.purge(app)


def test_arguments_of_an_own_dockerfile(paas, git):
    files = own("python3 -u /app.py 0.0.0.0 8080", "ARG WHO=nobody", 'RUN printf %s "$WHO" > /who')
    files["app.py"] = files["app.py"].replace('b"here"', "open('/who', 'rb').read()")
    app = paas.live(
        "arguments",
        git.repository("arguments.git", files).url,
        buildArgs={"WHO": "some body's", "BUILDKIT_SYNTAX": "evil/x"},
    )
    assert paas.visit(app).text == "some body's"
    paas.purge(app)
