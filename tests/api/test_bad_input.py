"""Hostile text in every field: refused with words, or kept as the text that it is."""

import asyncio
import subprocess

import pytest

PAYLOADS = [
    ";id", "$(id)", "`id`", "x\nid", "'", '"', "-oProxyCommand=id", "--upload-pack=id", "a\0b", "../../etc/passwd", "%0aid",
    "a\u2028b", "x" * 10_000, "'; DROP TABLE apps; --", ";} location / { }", "`) || Host(`x", "{env.PATH}", "{file./etc/passwd}",
    "}{", "<script>alert(1)</script>",
]  # fmt: skip

# Fields whose text is a name or an address: none of the payloads is one.
STRICT = (
    "name",
    "gitRepo",
    "rootDir",
    "dockerfilePath",
    "healthPath",
    "memory",
    "cpus",
    "buildMethod",
    "projectId",
    "serverId",
)
COMMANDS = ("installCommand", "buildCommand", "startCommand")


@pytest.mark.parametrize("field", STRICT)
async def test_names_and_addresses(driver, field):
    for payload in PAYLOADS:
        body = {"name": "shop", "gitRepo": "sample:hello-python", field: payload}
        response = await driver.client.post("/api/deploy", json=body)
        assert response.status_code in (400, 404), (field, payload)
        answer = response.json()
        assert answer["error"]
        assert len(answer["error"]) < 500
    assert (await driver.client.get("/api/apps")).json() == []


async def test_a_branch_is_what_git_allows_and_no_option(driver):
    """Git takes names such as ;id and $(id): they reach it as one argument, behind `--`, and no shell."""
    allowed = {
        payload
        for payload in PAYLOADS
        if "\0" not in payload
        and subprocess.run(["git", "check-ref-format", f"refs/heads/{payload}"], check=False).returncode == 0
    }
    for payload in PAYLOADS:
        body = {"name": "shop", "gitRepo": "sample:hello-python", "branch": payload}
        response = await driver.client.post("/api/deploy", json=body)
        is_name = payload in allowed and not payload.startswith("-") and len(payload) < 200 and payload.isprintable()
        assert response.status_code == (200 if is_name else 400), payload
    assert {";id", "$(id)", "'"} <= allowed


@pytest.mark.parametrize("field", COMMANDS)
async def test_commands_are_one_line_and_never_reach_a_shell_of_ours(driver, field):
    for payload in PAYLOADS:
        body = {"name": "shop", "gitRepo": "sample:hello-python", field: payload}
        response = await driver.client.post("/api/deploy", json=body)
        if "\n" in payload or "\0" in payload or "\u2028" in payload or len(payload) > 4000:
            assert response.status_code == 400
            continue
        assert response.status_code == 200
        ended = await driver.ended(response.json()["deploymentId"])
        assert ended["status"] == "success", (payload, ended["error"])


async def test_lists(driver):
    base = {"name": "shop", "gitRepo": "sample:hello-python"}
    for payload in PAYLOADS:
        bad = ({"volumes": [payload]}, {"domains": [payload]}, {"secretKeys": [payload]}, {"envVars": {payload: "x"}})
        for fields in bad:
            response = await driver.client.post("/api/deploy", json={**base, **fields})
            assert response.status_code == 400, fields


async def test_values_of_variables_are_kept_to_the_letter(driver, platform):
    wanted = {f"X{number}": payload for number, payload in enumerate(PAYLOADS) if "\0" not in payload}
    await driver.live(envVars=wanted)
    assert wanted.items() <= next(iter(platform.runtime.specs.values())).environment.items()


@pytest.mark.parametrize(
    "volume",
    [
        "/:/host",
        "/var/run/docker.sock:/s",
        "./x:/x",
        "~/x:/x",
        "data:relative",
        "data:/a/../b",
        "data:/a:exec",
        "data",
        "a b:/x",
    ],
)
async def test_volumes_are_named_ones(driver, volume):
    response = await driver.client.post(
        "/api/deploy", json={"name": "shop", "gitRepo": "sample:hello-python", "volumes": [volume]}
    )
    assert response.status_code == 400


@pytest.mark.parametrize(
    "repository",
    [
        "http://127.0.0.2/a/b",
        "http://[::1]/a/b",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706434/a",
        "http://10.0.0.1/a/b",
        "ssh://git@192.168.0.1/a",
    ],
)
async def test_private_addresses_are_refused_before_anything_is_sent(driver, repository):
    app = await driver.deploy(gitRepo=repository)
    ended = await driver.ended(app["deploymentId"])
    assert ended["status"] == "failed"
    assert "private or local address" in ended["error"]
    assert "GIT_ALLOWED_PRIVATE_HOSTS" in ended["hint"]
    plan = await driver.post("/api/deploy/plan", status=422, gitRepo=repository)
    assert "private" in plan["error"]
    await driver.post("/api/git/branches", status=400, gitRepo=repository)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"{" * 5000, b'{"name": NaN}', b"\xff\xfe"])
async def test_bodies_that_are_no_objects(admin, body):
    response = await admin.post("/api/deploy", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.json()["error"]


async def test_unknown_fields_are_told(admin):
    response = await admin.post("/api/deploy", json={"name": "shop", "gitRepo": "a/b", "isAdmin": True})
    assert response.status_code == 400
    assert "isAdmin" in response.json()["error"]


async def test_the_environment_is_bounded(driver):
    many = {f"K{number}": "x" for number in range(501)}
    assert (
        "500"
        in (await driver.post("/api/deploy", status=400, name="shop", gitRepo="sample:hello-node", envVars=many))[
            "error"
        ]
    )
    large = {f"K{number}": "x" * 30_000 for number in range(10)}
    assert (
        "256 KiB"
        in (await driver.post("/api/deploy", status=400, name="shop", gitRepo="sample:hello-node", envVars=large))[
            "error"
        ]
    )


@pytest.mark.parametrize(
    "path",
    ["/api/apps/get", "/api/deployments/get", "/api/deployments/logs", "/api/apps/runtime-logs", "/api/projects/get"],
)
async def test_ids_that_do_not_exist(admin, path):
    assert (await admin.get(path, params={"id": "../x"})).status_code == 404
    assert (await admin.get(path)).status_code == 400


async def test_the_api_s_document_is_made_once_however_many_ask(anonymous, monkeypatch):
    from better_paas import app

    made, real = [], app.openapi_document
    monkeypatch.setattr(app, "openapi_document", lambda found: made.append(1) or real(found))
    answers = await asyncio.gather(*(anonymous.get("/api/openapi.json") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(made) == 1
