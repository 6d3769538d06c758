"""The paas command as people use it: against a running server, each documented command with its output."""

import asyncio
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters

import better_paas
from tests.api.test_connect import Issuer
from tests.system.servers import ADMIN_TOKEN, free_port

pytestmark = pytest.mark.engine
SAMPLES = Path(better_paas.__file__).with_name("samples")
PAAS = str(Path(sys.executable).with_name("paas"))


class Laptop:
    """A home directory with the command. Output is as in a pipe; `typed` as in a terminal."""

    def __init__(self, home: Path, server: str) -> None:
        self.home, self.server = home, server
        self.environment = {
            "HOME": str(home), "PATH": f"{Path(PAAS).parent}:{os.environ['PATH']}", "LANG": "C.UTF-8", "TERM": "xterm",
        }  # fmt: skip

    def run(self, *arguments: str, code: int = 0, stdin: str = "", **options) -> str:
        environment = {**self.environment, **options.pop("environment", {})}
        done = subprocess.run(
            [PAAS, *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            **options,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        self.errors = done.stderr
        return done.stdout

    def json(self, *arguments: str, **options):
        return json.loads(self.run(*arguments, "--json", **options))

    def typed(self, *arguments: str, keys: str = "", **environment: str) -> str:
        """What a person sees."""
        main, other = pty.openpty()
        process = subprocess.Popen(
            [PAAS, *arguments],
            env={**self.environment, **environment},
            stdin=other,
            stdout=other,
            stderr=other,
            close_fds=True,
        )
        os.close(other)
        seen, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([main], [], [], 0.2)[0]:
                continue
            try:
                seen += os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if keys and seen.endswith(b": "):
                os.write(main, keys.encode())
                keys = ""
        os.close(main)
        self.code = process.wait(10)
        return seen.decode()

    def connect(self, **options) -> str:
        return self.run("connect", self.server, "--legacy", "--admin-token", "-", stdin=ADMIN_TOKEN + "\n", **options)

    @property
    def config(self) -> dict:
        return json.loads((self.home / ".paas" / "config.json").read_text())


@pytest.fixture
def laptop(paas, tmp_path):
    return Laptop(tmp_path, f"http://127.0.0.1:{paas.api_port}")


@pytest.fixture
def connected(laptop):
    laptop.connect()
    return laptop


@pytest.fixture
def site(laptop):
    folder = laptop.home / "my-site"
    folder.mkdir()
    (folder / "index.html").write_text("first")
    (folder / ".env").write_text("SECRET=canary")
    return folder


def test_connect_says_what_the_documents_say(laptop):
    shown = laptop.connect()
    home = laptop.home
    assert re.sub(r"Agent: +.+ CLI", "Agent:   my-macbook CLI", shown) == (
        f"Connecting to {laptop.server} …\n\nConnected successfully.\n  URL:     {laptop.server}\n  Profile: deployer\n"
        f"  Agent:   my-macbook CLI\n  Config:  {home}/.paas/config.json\n\nTry: paas status\n"
    )
    assert {"url", "token", "profile", "name", "agentId"} <= set(laptop.config)
    assert ADMIN_TOKEN not in (home / ".paas" / "config.json").read_text()
    assert (home / ".paas" / "config.json").stat().st_mode & 0o777 == 0o600
    # A second connection replaces the token, and the first one ends.
    first = laptop.config["token"]
    laptop.connect()
    headers = {"Authorization": f"Bearer {first}"}
    assert httpx2.get(f"{laptop.server}/api/agents/self", headers=headers).status_code == 401


def test_the_admin_token_by_environment_and_argument(laptop):
    laptop.run("connect", laptop.server, "--profile", "observer", environment={"PAAS_ADMIN_TOKEN": ADMIN_TOKEN})
    assert laptop.config["profile"] == "observer"
    laptop.run("connect", laptop.server, "--legacy", "--admin-token", ADMIN_TOKEN, "--name", "My CI")
    assert laptop.config["name"] == "My CI"
    laptop.run("connect", laptop.server, "--legacy", "--admin-token", "wrong", code=3)
    assert "the token is not valid" in laptop.errors


def test_the_documented_checks_answer(paas, laptop):
    """What the product document has people verify with curl."""
    manifest = httpx2.get(f"{laptop.server}/.well-known/better-paas.json").json()
    assert manifest["apiUrl"] == laptop.server
    page = httpx2.get(f"{laptop.server}/connect/agent")
    assert (page.status_code, page.headers["x-frame-options"]) == (200, "DENY")
    assert httpx2.get(f"{laptop.server}/api/health").json()["status"] == "healthy"


def test_a_directory_goes_live_and_the_next_version_too(paas, connected, site):
    shown = connected.run("deploy", cwd=site)
    assert "Packed 1 file" in shown
    assert "Fetching the uploaded files" in shown
    assert re.search(r"my-site is live: http://\S+\n$", shown)
    app = connected.json("apps")[0]
    assert paas.visit(app).text == "first"
    (site / "index.html").write_text("second")
    assert connected.json("deploy", ".", cwd=site)["deployment"]["status"] == "success"
    assert paas.visit(app).text == "second"
    connected.run("rollback", "my-site")
    assert paas.visit(app).text == "first"
    rows = connected.run("status").splitlines()
    assert rows[0] == f"Connected to {connected.server}"
    assert re.fullmatch(r"Agent:   .+ \(deployer\), expires in \d+ days", rows[1])
    assert rows[3].split() == ["NAME", "STATUS", "ID", "URL"]
    assert rows[4].split()[:3] == ["my-site", "running", app["id"]]
    assert [row["trigger"] for row in connected.json("deployments", "my-site")] == ["rollback", "upload", "upload"]
    # With the profile deployer nothing is deleted.
    connected.run("delete", "my-site", "--yes", code=3)
    assert "missing scope apps:delete" in connected.errors
    paas.post("/api/apps/delete", id=app["id"])


def test_the_daily_verbs(paas, connected):
    shown = connected.run(
        "deploy", "sample:hello-python", "--name", "daily", "--env", "GREETING=hi", "--health", "/health"
    )
    assert "daily is live: " in shown
    app = connected.json("apps")[0]
    assert "Live after" in connected.run("build-logs", "daily")
    assert connected.run("logs", "daily") != ""
    assert connected.json("env", "list", "daily") == {"GREETING": "hi"}
    connected.run("env", "set", "daily", "A=1", "TOKEN", "--secret", stdin="canary-4711\n")
    assert connected.json("env", "list", "daily") == {"GREETING": "hi", "A": "***", "TOKEN": "***"}
    (connected.home / ".env").write_text("B='two words'\nexport C=3\n")
    assert "It takes effect with: paas redeploy daily" in connected.run(
        "env", "import", "daily", str(connected.home / ".env")
    )
    assert connected.json("env", "list", "daily")["B"] == "two words"
    connected.run("env", "set", "daily", "LINES", stdin="  one\ntwo\n")
    assert connected.json("env", "list", "daily")["LINES"] == "  one\ntwo\n"
    connected.run("env", "set", "daily", "LINES", stdin="no end")
    assert connected.json("env", "list", "daily")["LINES"] == "no end"
    # Taking a variable away asks a person, who says yes while the command waits.
    connected.run("env", "unset", "daily", "A", code=5)
    assert "A person has to approve this" in connected.errors
    paas.post("/api/approvals/approve", id=paas.get("/api/approvals")[0]["id"])
    connected.run("env", "unset", "daily", "A")
    assert "A" not in connected.json("env", "list", "daily")
    connected.run("redeploy", "daily")
    assert paas.visit(app, "/").status_code == 200
    assert "Stopped daily." in connected.run("stop", "daily")
    assert paas.visit(app, "/").status_code == 503
    assert "Started daily: http" in connected.run("start", "daily")
    assert "shop.example.com" in connected.run("domains", "daily", "add", "shop.example.com")
    assert "Point the DNS record of shop.example.com" in connected.errors
    connected.run("domains", "daily", "remove", "other.example.com", code=1)
    connected.run("domains", "daily", "remove", "shop.example.com", code=5)
    connected.run("env", "set", "daily", "EMPTY", code=2)
    assert connected.run("open", "daily", environment={"BROWSER": "/bin/false"}).strip()
    sources = {entry["source"] for entry in connected.json("audit")}
    assert sources == {"cli"}
    assert {entry["action"] for entry in connected.json("audit", "--action", "app:stop")} == {"app:stop"}
    connected.run("logs", "nothing", code=1)
    assert "there is no app 'nothing'" in connected.errors
    as_admin = {"PAAS_ADMIN_TOKEN": ADMIN_TOKEN}
    waiting = json.loads(connected.run("approve", "--json", environment=as_admin))
    assert "Refused: " in connected.run("deny", waiting[0]["id"], "--reason", "keep it", environment=as_admin)
    assert connected.config["agentId"] in connected.run("agents", environment=as_admin)
    connected.run("agents", code=3)
    assert "takes a person's sign-in" in connected.errors
    paas.post("/api/apps/delete", id=app["id"])


def test_a_failed_deployment_is_told_by_the_exit_code(paas, connected):
    folder = connected.home / "broken"
    folder.mkdir()
    (folder / "requirements.txt").write_text("")
    (folder / "app.py").write_text("import sys; sys.exit('no such thing')")
    shown = connected.run("deploy", str(folder), "--start", "python app.py", code=1)
    assert "no such thing" in shown
    assert "The deployment failed: " in connected.errors
    connected.run("deploy", "https://127.0.0.1:1/nothing.git", "--name", "absent", code=1)
    for app in connected.json("apps"):
        paas.post("/api/apps/delete", id=app["id"])


def test_a_deployment_is_followed_over_a_restart_of_the_server(paas, connected):
    app = connected.home / "patient"
    shutil.copytree(SAMPLES / "hello-python", app)
    process = subprocess.Popen(
        [PAAS, "deploy", str(app), "--build", "sleep 5"],
        env=connected.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            while "Building the image" not in (line := process.stdout.readline()):
                assert line, process.stderr.read()
            paas.kill()
            time.sleep(2)
            paas.start()
            shown, errors = process.communicate(timeout=90)
            assert (process.returncode, errors) == (0, "")
            assert "patient is live" in shown
        finally:
            process.kill()
    paas.post("/api/apps/delete", id=connected.json("apps")[0]["id"])


def test_a_log_is_followed_until_ctrl_c(paas, connected):
    app = paas.live("follows")
    process = subprocess.Popen(
        [PAAS, "logs", "follows", "-f"],
        env=connected.environment,
        stdout=subprocess.PIPE,
        text=True,
        # Whoever started the tests in the background has it ignored, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        try:
            paas.visit(app, "/")
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            process.kill()
    paas.post("/api/apps/delete", id=app["id"])


def test_what_a_person_sees_in_a_terminal(paas, laptop):
    shown = laptop.typed("connect", laptop.server, "--legacy", keys=ADMIN_TOKEN + "\n")
    assert (laptop.code, "Admin token: " in shown, ADMIN_TOKEN in shown) == (0, True, False)
    assert "\x1b[32mConnected successfully.\x1b[0m" in shown
    assert "\x1b[" not in laptop.typed("status", NO_COLOR="1")
    (laptop.home / "big").mkdir()
    (laptop.home / "big" / "index.html").write_bytes(os.urandom(1_000_000))
    shown = laptop.typed("deploy", str(laptop.home / "big"))
    assert re.search(r"Uploading \[█+ +\] 0\.\d MB of 1\.0 MB", shown)
    assert "1.0 MB of 1.0 MB" in shown
    paas.post("/api/apps/delete", id=laptop.json("apps")[0]["id"])
    app = paas.live("terminal")
    assert "\x1b[1mNAME" in laptop.typed("status")
    operator = paas.post("/api/agents/create", name="op", scopes=["apps:read", "apps:delete"], requireApproval="none")
    as_operator = {"PAAS_API_URL": laptop.server, "PAAS_TOKEN": operator["token"]}
    shown = laptop.typed("delete", "terminal", keys="no\n", **as_operator)
    assert (laptop.code, "Type its name" in shown) == (1, True)
    laptop.typed("delete", "terminal", keys="terminal\n", **as_operator)
    assert laptop.code == 0
    assert app["id"] not in str(paas.get("/api/apps"))
    assert "terminal  deleted" in laptop.typed("trash", **as_operator)
    deployer = paas.post("/api/agents/create", name="dep", profile="deployer", allResources=True)
    as_deployer = {"PAAS_API_URL": laptop.server, "PAAS_TOKEN": deployer["token"]}
    assert "terminal is back" in laptop.typed("restore", "terminal", **as_deployer)
    assert paas.visit(app).status_code == 200
    paas.purge(app)


def test_env_gives_a_shell_what_curl_needs(connected):
    exports = dict(line.removeprefix("export ").split("=", 1) for line in connected.run("env").splitlines())
    assert set(exports) == {"PAAS_API_URL", "PAAS_TOKEN"}
    answer = httpx2.get(
        f"{exports['PAAS_API_URL']}/api/apps", headers={"Authorization": f"Bearer {exports['PAAS_TOKEN']}"}
    )
    assert answer.status_code == 200


def test_json_means_json(paas, laptop, site):
    def lines(*arguments: str, **options) -> object:
        return json.loads(laptop.run(*arguments, "--json", **options))

    lines("connect", laptop.server, "--legacy", "--admin-token", "-", stdin=ADMIN_TOKEN + "\n")
    lines("use", "default")
    lines("use")
    lines("deploy", str(site))
    lines("open", "my-site", environment={"BROWSER": "/bin/false"})
    lines("build-logs", "my-site", "-f")
    lines("setup", "--only", "cursor", "--dry-run")
    lines("stop", "my-site")
    lines("logs", "nothing", code=1)
    lines("connect", laptop.server, "--legacy", "--admin-token", "wrong", code=3)
    paas.post("/api/apps/delete", id=lines("apps")[0]["id"])
    assert lines("disconnect")["revoked"] is True


def test_disconnect_revokes(connected):
    token = connected.config["token"]
    assert "Disconnected from" in connected.run("disconnect")
    assert not (connected.home / ".paas" / "config.json").exists()
    answer = httpx2.get(f"{connected.server}/api/apps", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    connected.run("disconnect", code=3)


def test_disconnect_while_the_server_is_away(connected):
    place = connected.home / ".paas" / "config.json"
    place.write_text(place.read_text().replace(connected.server, f"http://127.0.0.1:{free_port()}"))
    connected.run("disconnect", code=4)
    assert "could not be revoked" in connected.errors
    assert not place.exists()


def test_a_terminal_without_a_browser_gets_a_code(paas, laptop):
    process = subprocess.Popen(
        [PAAS, "connect", laptop.server],
        env={**laptop.environment, "SSH_CONNECTION": "x"},
        stdout=subprocess.PIPE,
        text=True,
    )
    seen = ""
    while "Waiting" not in seen:
        seen += process.stdout.readline()
    code, words = re.search(r"Code:  (\S+)", seen)[1], re.search(r"Words: (\S+ \S+)", seen)[1]
    assert f"{laptop.server}/connect/device" in seen
    paas.post("/api/connect/device/approve", userCode=code, words=words, name="box", profile="observer")
    assert "Connected successfully." in process.communicate(timeout=20)[0]
    assert laptop.config["profile"] == "observer"


def test_a_ci_job_connects_by_what_it_is(paas, laptop):
    """GitLab gives the identity in a variable, GitHub by a request that only the job can make."""
    issuer = Issuer()
    try:
        rule = paas.post(
            "/api/trust/create", name="ci", issuer=issuer.url, claims={"repository": "me/shop"}, profile="deployer"
        )
        gitlab = {"CI": "true", "PAAS_ID_TOKEN": issuer.token(aud=laptop.server)}
        assert "Using the identity of this CI job" in laptop.run("connect", laptop.server, environment=gitlab)
        assert laptop.config["name"] == "ci: ci"
        issuer.identities_for = laptop.server
        github = {
            "CI": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/request?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-job",
        }
        laptop.run("connect", laptop.server, environment=github)
        assert laptop.json("status")["agent"]["name"] == "ci: ci"
        paas.post("/api/trust/delete", id=rule["id"])
        laptop.run("status", code=3)
    finally:
        issuer.close()


def test_completion_and_help(laptop):
    for shell in ("bash", "zsh"):
        assert "redeploy" in laptop.run("completion", shell)
    assert "examples:" in laptop.run("help")
    assert "--no-cache" in laptop.run("help", "redeploy")
    assert re.fullmatch(r"paas \d+\.\d+\.\d+\n", laptop.run("version"))


# The MCP bridge


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_editors_reach_the_server_through_the_bridge(paas, connected, era):
    app = paas.live("bridged")
    target = StdioServerParameters(command=PAAS, args=["mcp"], env=connected.environment)
    information = types.Implementation(name="Some Editor", version="1")
    async with Client(target, mode=era, client_info=information) as client:
        tools = (await client.list_tools()).tools
        assert len(tools) == 20
        found = (await client.call_tool("paas_get_app", {"app": "bridged"})).structured_content
        assert found["app"]["id"] == app["id"]
        refused = await client.call_tool("paas_delete_app", {"app": "bridged"})
        assert refused.structured_content["error"]["scopeNeeded"] == "apps:delete"
        calls = [client.call_tool("paas_status", {}) for _ in range(5)]
        assert all(not answer.is_error for answer in await asyncio.gather(*calls))
    denied = paas.get("/api/audit-logs", outcome="denied", limit=1)[0]
    assert (denied["action"], denied["source"]) == ("app:delete", "mcp:Some Editor")
    paas.post("/api/apps/delete", id=app["id"])


def talk(laptop, *messages: dict | str) -> list[dict]:
    lines = "".join((m if isinstance(m, str) else json.dumps({"jsonrpc": "2.0", **m})) + "\n" for m in messages)
    return [json.loads(line) for line in laptop.run("mcp", stdin=lines).splitlines()]


def test_the_bridge_answers_whatever_comes(paas, connected):
    answers = talk(
        connected,
        "not json",
        "[]",
        {"id": 1, "method": "ping"},
        {"method": "notifications/initialized"},
        {"id": "x", "method": "nothing"},
    )
    by_id = {answer.get("id"): answer for answer in answers}
    assert by_id[1]["result"] == {} or "result" in by_id[1]
    assert "error" in by_id["x"]
    assert len(answers) == 4
    paas.post("/api/agents/delete", id=connected.config["agentId"])
    gone = talk(connected, {"id": 1, "method": "tools/list"})
    assert "paas connect" in gone[0]["error"]["message"]
    place = connected.home / ".paas" / "config.json"
    place.write_text(place.read_text().replace(connected.server, f"http://127.0.0.1:{free_port()}"))
    away = talk(connected, {"id": 1, "method": "tools/list"})
    assert "could not reach PaaS" in away[0]["error"]["message"]


def test_an_open_editor_goes_on_after_a_new_connection(connected):
    process = subprocess.Popen(
        [PAAS, "mcp"], env=connected.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:

        def ask(number: int) -> dict:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/list"}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        assert "result" in ask(1)
        connected.connect()
        assert "result" in ask(2)


def test_setup_and_doctor(paas, connected):
    (connected.home / ".cursor").mkdir()
    (connected.home / ".codex").mkdir()
    shown = connected.run("setup", "--only", "cursor", "--only", "codex", "--only", "opencode")
    assert "✓ Cursor: " in shown
    assert "Restart your editor" in shown
    findings = connected.run("doctor").splitlines()
    assert len(findings) == 4
    assert all(line.startswith("✓ ") for line in findings)
    assert sum("20 tools, a call of paas_status worked" in line for line in findings) == 3
    paas.post("/api/agents/delete", id=connected.config["agentId"])
    assert "✗" in connected.run("doctor", code=1)


# Installing


def test_the_installer_brings_a_command_that_works_alone(paas, laptop):
    script = httpx2.get(f"{laptop.server}/install/paas").text
    assert laptop.server in script
    environment = {"HOME": str(laptop.home), "PATH": "/usr/bin:/bin", **_ways_out()}
    done = subprocess.run(
        [sys.executable, "-"], input=script, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Now: paas connect {laptop.server}" in done.stdout
    program = laptop.home / ".local" / "bin" / "paas"
    installed = subprocess.run([program, "--help"], env=environment, capture_output=True, text=True, check=True).stdout
    assert "examples:" in installed
    listed = [path.name for path in (laptop.home / ".local" / "share" / "paas" / "lib").glob("python*/site-packages/*")]
    assert not {"fastapi", "sqlalchemy", "pydantic"} & set(listed)
    connected = [program, "connect", laptop.server, "--legacy", "--admin-token", "-"]
    done = subprocess.run(connected, env=environment, input=ADMIN_TOKEN + "\n", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = subprocess.run(
        [sys.executable, "-"], input=script, env=environment, capture_output=True, text=True, timeout=180
    )
    assert again.returncode == 0


def _ways_out() -> dict[str, str]:
    """How this machine reaches the package index."""
    wanted = ("PIP_", "SSL_CERT", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "no_proxy", "REQUESTS_CA")
    return {name: value for name, value in os.environ.items() if name.startswith(wanted)}


def test_nothing_but_the_client_is_served(laptop):
    for path in ("/install/..%2f..%2fpyproject.toml", "/install/other.whl", "/install/%00"):
        assert httpx2.get(laptop.server + path).status_code == 404
    text = httpx2.get(f"{laptop.server}/llms.txt").text
    assert f"MCP: {laptop.server}/mcp" in text
    evil = httpx2.get(f"{laptop.server}/install/paas", headers={"Host": 'x"; import os #'})
    assert "import os #" not in evil.text
