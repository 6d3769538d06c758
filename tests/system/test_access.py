"""Agent tokens on a running server: the documented commands as printed, canaries in every slot, and kills."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.parse

import pytest

from tests.stored import execute
from tests.system.apps import MIRROR
from tests.system.servers import ADMIN_TOKEN, docker, wait_until

pytestmark = pytest.mark.engine

CREATE = """
ADMIN_TOKEN="your-admin-token-here"

curl -X POST http://localhost:8080/api/agents/create \\
  -H "Authorization: Bearer $ADMIN_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Claude Code - Local Dev",
    "scopes": [
      "apps:read",
      "apps:write",
      "deploy:trigger",
      "logs:read",
      "metrics:read",
      "addons:manage"
    ]
  }'
"""
LIST = """
AGENT_TOKEN="bpagt_ac7f83b2...91f4"

curl -H "Authorization: Bearer $AGENT_TOKEN" \\
  http://localhost:8080/api/apps
"""
DEPLOY = """
curl -X POST http://localhost:8080/api/deploy \\
  -H "Authorization: Bearer $AGENT_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "my-api",
    "gitRepo": "https://github.com/me/my-api",
    "branch": "main"
  }'
"""
GET = """
curl -H "Authorization: Bearer $AGENT_TOKEN" \\
  "http://localhost:8080/api/apps/get?id=abc123"
"""
LOGS = """
curl -H "Authorization: Bearer $AGENT_TOKEN" \\
  "http://localhost:8080/api/apps/runtime-logs?id=abc123&lines=50"
"""
AGENTS = """
curl -H "Authorization: Bearer $ADMIN_TOKEN" \\
  http://localhost:8080/api/agents
"""
ROTATE = """
curl -X POST http://localhost:8080/api/agents/rotate \\
  -H "Authorization: Bearer $ADMIN_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"id": "a1b2c3d4e5"}'
"""
DELETE = ROTATE.replace("/rotate", "/delete")
AUDIT = """
curl -H "Authorization: Bearer $ADMIN_TOKEN" \\
  "http://localhost:8080/api/audit-logs?limit=20"
"""
DELETE_APP = """
curl -X POST http://localhost:8080/api/apps/delete \\
  -H "Authorization: Bearer $AGENT_TOKEN" -H "Content-Type: application/json" -d '{"id": "abc123"}'
"""


def run(paas, command: str, **values: str):
    """A documented command in a shell, with this server's address and the values that stand for the reader's own."""
    command = command.replace("localhost:8080", f"127.0.0.1:{paas.api_port}").replace(
        "your-admin-token-here", ADMIN_TOKEN
    )
    for placeholder, value in values.items():
        command = command.replace(
            {
                "app": "abc123",
                "agent": "a1b2c3d4e5",
                "token": "bpagt_ac7f83b2...91f4",
                "repository": "https://github.com/me/my-api",
            }[placeholder],
            value,
        )
    environment = {"PATH": os.environ["PATH"], "ADMIN_TOKEN": ADMIN_TOKEN, "AGENT_TOKEN": values.get("token", "")}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_documented_commands_as_they_are_printed(own_paas, git):
    paas = own_paas  # others' wrong tokens would make ours wait
    made = run(paas, CREATE)
    assert {"id", "name", "scopes", "createdAt", "token"} <= set(made)
    assert made["name"] == "Claude Code - Local Dev"
    assert made["scopes"] == ["apps:read", "apps:write", "addons:manage", "deploy:trigger", "logs:read", "metrics:read"]
    assert re.fullmatch(r"bpagt_[0-9A-Za-z]{59}", made["token"])
    token = made["token"]
    assert isinstance(run(paas, LIST, token=token), list)
    repository = git.repository("my-api.git", MIRROR)
    app = run(paas, DEPLOY, token=token, repository=repository.url)
    assert app["name"] == "my-api"
    paas.succeeded(app["deploymentId"])
    assert run(paas, GET, token=token, app=app["id"])["status"] == "running"
    assert isinstance(run(paas, LOGS, token=token, app=app["id"])["logs"], list)
    assert run(paas, DELETE_APP, token=token, app=app["id"])["error"] == "Forbidden: missing scope apps:delete"
    listed = next(agent for agent in run(paas, AGENTS) if agent["id"] == made["id"])
    assert {"id", "name", "scopes", "createdAt", "lastUsedAt"} <= set(listed)
    assert "token" not in listed
    assert (
        run(paas, AGENTS.replace("ADMIN_TOKEN", "AGENT_TOKEN"), token=token)["error"]
        == "Forbidden: admin token required"
    )
    assert (
        run(paas, AUDIT.replace("ADMIN_TOKEN", "AGENT_TOKEN"), token=token)["error"]
        == "Forbidden: admin token required"
    )
    rotated = run(paas, ROTATE, agent=made["id"])
    assert rotated["token"] != token
    assert run(paas, LIST, token=token)["error"] == "Unauthorized"
    assert isinstance(run(paas, LIST, token=rotated["token"]), list)
    run(paas, DELETE, agent=made["id"])
    assert run(paas, LIST, token=rotated["token"])["error"] == "Unauthorized"
    entries = run(paas, AUDIT)
    fields = {"id", "actorType", "actorId", "action", "resourceType", "outcome", "ipAddress", "createdAt"}
    assert all(fields <= set(entry) for entry in entries)
    deploy = next(
        entry
        for entry in paas.get("/api/audit-logs", actor=made["id"], limit=100)
        if (entry["action"], entry["outcome"]) == ("app:deploy", "success")
    )
    assert (deploy["actorType"], deploy["resourceId"], deploy["ipAddress"]) == ("agent", app["id"], "127.0.0.1")
    paas.post("/api/apps/delete", id=app["id"])


CANARY = "canary-9f3b7c1d-value"
SPEAKS = {
    "Procfile": "web: python app.py\n",
    "app.py": """
import base64, os, sys, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

secret = os.environ["SECRET"]
print("plain", secret, flush=True)
print("base64", base64.b64encode(("user:" + secret + ":x").encode()).decode(), flush=True)
print("quoted", urllib.parse.quote(secret + "/ä", safe=""), flush=True)
print("x" * (16 * 1024 - 40) + " across the engine's own cut " + secret + " end", flush=True)
for character in "slowly " + secret + "\\n":
    sys.stdout.write(character); sys.stdout.flush()
print("all was said", flush=True)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
""",
}


def test_a_canary_in_every_slot_is_found_nowhere(paas, git):
    repository = git.repository("speaks.git", SPEAKS, "First")
    app = paas.live(
        "speaks", repository.url, envVars={"SECRET": CANARY, "API_TOKEN": f"{CANARY}-unmarked"}, secretKeys=["SECRET"],
        gitToken=f"deploy:{CANARY}-git", buildCommand="echo building with $API_TOKEN and ${SECRET:-nothing}",
    )  # fmt: skip
    made = paas.post(
        "/api/agents/create", name="reader", scopes=["apps:read", "logs:read", "apps:write"], requireApproval="none"
    )
    agent = paas.holding(made["token"])

    def said() -> str:
        return agent.get("/api/apps/runtime-logs", params={"id": app["id"], "lines": 500}).text

    wait_until(lambda: "all was said" in said(), 20)
    failing = agent.post(
        "/api/apps/update",
        json={"id": app["id"], "startCommand": "python -c 'import os; raise SystemExit(os.environ[\"SECRET\"])'"},
    )
    deployment = agent.post("/api/apps/redeploy", json={"id": app["id"]}).json()["deploymentId"]
    ended = paas.ended(deployment)
    seen = [
        said(), failing.text, json.dumps(ended), paas.deployment_log(deployment), paas.deployment_log(app["activeDeployId"]),
        agent.get("/api/apps").text, agent.get("/api/projects").text, agent.get("/api/deployments/history").text,
        agent.get("/api/apps/get", params={"id": app["id"]}).text, json.dumps(paas.get("/api/audit-logs", limit=500)),
        paas.client.get("/api/audit-logs/export").text, paas.client.get("/api/audit-logs/export", params={"format": "ocsf"}).text,
        docker("history", "--no-trunc", app["activeImage"]), docker("inspect", app["activeImage"]),
        subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout, paas.log(),
    ]  # fmt: skip
    agent.close()
    needles = {CANARY, urllib.parse.quote(CANARY), CANARY.encode().hex()}
    needles |= {base64.b64encode(b"." * before + CANARY.encode())[4:-4].decode() for before in range(3)}
    for number, text in enumerate(seen):
        found = [needle for needle in needles if needle in text]
        # People who are admin see what they did not mark as secret.
        assert not found, (number, found, text[max(0, text.find(found[0]) - 200) :][:400])
    stored = b"".join(
        path.read_bytes() for path in paas.data.rglob("*") if path.is_file() and path.stat().st_size < 2**26
    )
    assert not [needle for needle in needles if needle.encode() in stored]
    paas.post("/api/apps/delete", id=app["id"])


def test_a_kill_between_intent_and_outcome_is_shown_and_the_log_is_whole(own_paas):
    app = own_paas.live("killed")
    newest = "SELECT max(id) FROM audit_entries"
    ((before,),) = execute(own_paas, newest)
    deleting = subprocess.Popen(
        ["curl", "--silent", "-X", "POST", f"http://127.0.0.1:{own_paas.api_port}/api/apps/delete", "-H", f"Authorization: Bearer {ADMIN_TOKEN}", "-H", "Content-Type: application/json", "-d", json.dumps({"id": app["id"]})],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip

    def began() -> bool:
        return execute(own_paas, newest)[0][0] > before

    wait_until(began, 10)
    own_paas.kill(signal.SIGKILL)
    deleting.wait(10)
    assert "Unfinished   1 calls began and never ended" in own_paas.command("audit", "verify")
    own_paas.start()
    report = own_paas.post("/api/audit-logs/verify")
    assert (report["ok"], len(report["dangling"])) == (True, 1)


def test_the_log_is_followed_as_it_grows(own_paas):
    program = [sys.executable, "-m", "better_paas", "audit", "tail", "1", "--follow"]
    environment = {**os.environ, **own_paas.settings, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as follower:
        try:
            names = iter(f"followed-{number}" for number in range(100))
            seen: list[str] = []
            reader = threading.Thread(target=lambda: seen.extend(iter(follower.stdout.readline, "")))
            reader.start()

            def shown() -> bool:
                own_paas.post("/api/projects/create", name=next(names))
                return any("project:create" in line and "success" in line for line in seen)

            wait_until(shown, 8)
        finally:
            follower.terminate()
            reader.join(10)


@pytest.mark.parametrize(
    "fields",
    [
        {"volumes": ["/:/host"]}, {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]}, {"volumes": ["../x:/x"]},
        {"privileged": True}, {"networkMode": "host"}, {"pid": "host"}, {"capAdd": ["SYS_ADMIN"]},
        {"devices": ["/dev/sda"]}, {"securityOpt": ["seccomp=unconfined"]}, {"usernsMode": "host"}, {"network": "bridge"},
        {"serverId": "other"}, {"gitRepo": "file:///etc"}, {"gitRepo": "ext::sh -c id"}, {"gitRepo": "http://169.254.169.254/x"},
        {"rootDir": "../../etc"}, {"dockerfilePath": "/etc/passwd"}, {"domains": ["localhost"]},
    ],
    ids=lambda fields: next(iter(fields)),
)  # fmt: skip
def test_ways_to_the_host_are_closed_to_the_widest_token(paas, fields):
    from better_paas.policy import SCOPES

    made = paas.post("/api/agents/create", name="widest", scopes=list(SCOPES), requireApproval="none")
    with paas.holding(made["token"]) as agent:
        answer = agent.post("/api/deploy", json={"name": "escape", "gitRepo": "sample:hello-python", **fields})
        if answer.status_code == 200:  # only fetching shows that an address is private, and that a path is in no tree
            assert {"gitRepo", "dockerfilePath"} & set(fields)
            assert paas.ended(answer.json()["deploymentId"])["status"] == "failed"
            paas.post("/api/apps/delete", id=answer.json()["id"])
        else:
            assert answer.status_code == 400, answer.text
    entries = paas.get("/api/audit-logs", actor=made["id"], action="app:deploy")
    assert {"intent"} < {entry["outcome"] for entry in entries}
    paas.post("/api/agents/delete", id=made["id"])
