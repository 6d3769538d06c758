"""Hostile text that is allowed in a field reaches the real engine, build and ingress as text, never as an order."""

import pytest

from tests.api.test_bad_input import PAYLOADS
from tests.system.apps import MIRROR
from tests.system.servers import docker, inspect

pytestmark = pytest.mark.engine
_CHILDREN = {
    "LD_PRELOAD": "/tmp/evil.so",
    "DOCKER_HOST": "tcp://127.0.0.1:1",
    "GIT_SSH_COMMAND": "touch /tmp/better-paas-attack",
    "BASH_ENV": "/tmp/evil.sh",
    "HTTP_PROXY": "http://127.0.0.1:1",
}


def test_values_reach_the_app_to_the_letter_and_no_child_of_the_server(paas, git):
    values = {f"X{number}": text for number, text in enumerate(PAYLOADS) if "\0" not in text}
    app = paas.live(
        "attacked", git.repository("attacked.git", MIRROR, "`id` $(id)\n\n{file./etc/passwd}").url,
        envVars={**values, **_CHILDREN}, buildCommand="printf '%s' \"$X1\" > built; test \"$(cat built)\" = '$(id)'",
    )  # fmt: skip
    seen = paas.visit(app).json()["environment"]
    assert {**values, **_CHILDREN}.items() <= seen.items()
    # The build saw the same value as a value: its command compares it.
    assert app["activeCommitMsg"] == "`id` $(id)"
    container = inspect(f"attacked-{app['activeDeployId']}")
    labels = container["Config"]["Labels"]
    assert all(name.startswith("better-paas.") for name in labels), labels
    assert not any(payload in value for value in labels.values() for payload in PAYLOADS)
    paas.post("/api/apps/delete", id=app["id"])


def test_commands_run_in_the_container_alone(paas, git, tmp_path):
    marker = tmp_path / "on-the-host"
    start = f"touch {marker}; echo `id -u`; exec python app.py"
    app = paas.live(
        "commands", git.repository("commands.git", MIRROR).url,
        buildCommand=f"touch {marker} || true; echo \"{{env.PATH}} }} {{\"", startCommand=start,
    )  # fmt: skip
    assert not marker.exists()
    log = paas.get("/api/apps/runtime-logs", id=app["id"], lines=20)["logs"]
    assert any("10001" in line for line in log), log
    paas.post("/api/apps/delete", id=app["id"])


def test_hosts_of_requests_and_paths_are_no_placeholders(paas):
    app = paas.live("plain-host")
    for host in (
        "{file./etc/passwd}",
        "plain-host.localhost{env.HOME}",
        "../../etc",
        "x" * 300,
        "a,b",
        "plain-host.localhost:1@evil",
    ):
        answer = paas.visit(host)
        assert answer.status_code in (400, 404), (host, answer.status_code)
        assert "root:" not in answer.text
    for path in ("/{file./etc/passwd}", "/{env.PATH}", "/..%2f..%2f..%2fetc/passwd", "/%00"):
        assert "root:" not in paas.visit(app, path).text
    hostile = (
        "a.test;}",
        "a.test`) || Host(`b.test",
        "{env.PATH}.test",
        "a.test\nb.test",
        "*.test",
        "a..test",
        "-a.test",
    )
    for domain in hostile:
        paas.post("/api/apps/domains/add", status=400, id=app["id"], domain=domain)
    assert paas.visit(app).status_code == 200
    paas.post("/api/apps/delete", id=app["id"])
    assert docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}") == ""
