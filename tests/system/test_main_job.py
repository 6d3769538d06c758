"""Apps from a real Git server go live behind the real ingress, are replaced, and come back."""

import collections
import json
import threading

import httpx2
import pytest

from tests.system.apps import APPS, version
from tests.system.servers import app_ports, docker, inspect

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("name", APPS)
def test_first_version_second_version_and_back(paas, git, name):
    repository = git.repository(f"{name}.git", version(APPS[name], 1), f"Version 1 of {name}")
    app = paas.live(
        f"e2e-{name}", repository.url, envVars={"VITE_TITLE": "set", "SECRET": "canary-value-77"}, secretKeys=["SECRET"]
    )
    assert f"{name} 1" in paas.visit(app).text
    assert app["activeCommitMsg"] == f"Version 1 of {name}"

    commit = repository.commit(version(APPS[name], 2), f"Version 2 of {name}")
    second = paas.redeploy(app)
    assert second["commit"] == commit
    assert f"{name} 2" in paas.visit(app).text

    back = paas.post("/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"])
    paas.succeeded(back["deploymentId"])
    assert f"{name} 1" in paas.visit(app).text

    image = paas.app(app["id"])["activeImage"]
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert "canary-value-77" not in history + json.dumps(inspect(image))
    assert "canary-value-77" not in paas.deployment_log(second["id"])
    paas.post("/api/apps/delete", id=app["id"])


def test_no_request_is_lost_over_cutovers(paas):
    app = paas.live("steady", "sample:hello-node")
    stop, answers = threading.Event(), collections.Counter()

    def visitor():
        with httpx2.Client(timeout=30) as client:
            while not stop.is_set():
                try:
                    answers[
                        client.get(
                            f"http://127.0.0.1:{paas.http_port}/", headers={"Host": app["defaultHost"]}
                        ).status_code
                    ] += 1
                except httpx2.HTTPError as error:
                    answers[type(error).__name__] += 1

    visitors = [threading.Thread(target=visitor) for _ in range(8)]
    for thread in visitors:
        thread.start()
    for _ in range(3):
        paas.succeeded(
            paas.post("/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"])["deploymentId"]
        )
    stop.set()
    for thread in visitors:
        thread.join()
    assert answers[200] > 500
    assert set(answers) == {200}, answers
    paas.post("/api/apps/delete", id=app["id"])


def test_build_variables_reach_the_build_and_no_layer(paas, git):
    repository = git.repository("vite-variables.git", version(APPS["vite"], 1))
    app = paas.live(
        "e2e-variables",
        repository.url,
        envVars={"VITE_TITLE": "title-from-the-build", "TOKEN": "canary-secret-5"},
        secretKeys=["TOKEN"],
    )
    page = paas.visit(app).text
    script = page.split('src="')[1].split('"')[0]
    assert "title-from-the-build" in paas.visit(app, script).text
    container = inspect(f"{app['name']}-{app['activeDeployId']}")
    listing = docker("exec", container["Id"], "find", "/srv", "/etc/caddy", "/run", "-name", "*variables*")
    assert listing.strip() in ("", "/run/better-paas-variables")
    assert paas.visit(app, "/some/page").status_code == 200
    paas.post("/api/apps/delete", id=app["id"])


def test_a_release_is_confined(paas):
    app = paas.live("confined", volumes=["data:/data"], memory="128m", cpus="0.5")
    container = inspect(f"confined-{app['activeDeployId']}")
    host = container["HostConfig"]
    assert host["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(app["port"])}]}
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["CapDrop"] == ["ALL"]
    assert (host["Memory"], host["NanoCpus"]) == (128 * 2**20, 500_000_000)
    assert host["LogConfig"]["Config"] == {"max-file": "2", "max-size": "10m"}
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert container["Config"]["User"] == "10001:10001"
    assert list(container["NetworkSettings"]["Networks"]) == [f"better-paas-{app['projectId']}"]
    volume = f"better-paas-{app['projectId']}-data"
    assert [mount["Name"] for mount in container["Mounts"]] == [volume]
    paas.post("/api/apps/delete", id=app["id"])
    assert docker("volume", "ls", "--quiet", "--filter", f"name={volume}").strip() == volume
    assert docker("ps", "--all", "--quiet", "--filter", f"label=better-paas.app={app['id']}") == ""
    assert docker("images", "--quiet", f"better-paas/app-{app['id']}") != ""
    paas.post("/api/apps/purge", id=app["id"], name="confined", volumes=True)
    assert docker("volume", "ls", "--quiet", "--filter", f"name={volume}") == ""
    assert docker("images", "--quiet", f"better-paas/app-{app['id']}") == ""


def test_stopped_and_unknown_hosts_get_pages_of_ours(paas):
    app = paas.live("pages")
    assert paas.visit(app).status_code == 200
    paas.post("/api/apps/stop", id=app["id"])
    stopped = paas.visit(app)
    assert (stopped.status_code, stopped.headers["Retry-After"]) == (503, "5")
    assert "This app is stopped" in stopped.text
    paas.post("/api/apps/start", id=app["id"])
    assert paas.visit(app).status_code == 200
    unknown = paas.visit("unknown.localhost")
    assert unknown.status_code == 404
    assert "No app answers" in unknown.text
    paas.post("/api/apps/domains/add", id=app["id"], domain="pages.test")
    assert paas.visit("pages.test").status_code == 200
    paas.post("/api/apps/rename", id=app["id"], name="renamed")
    assert paas.visit("pages.localhost").status_code == 404
    assert paas.visit("renamed.localhost").status_code == 200
    paas.post("/api/apps/delete", id=app["id"])
    assert paas.visit("pages.test").status_code == 404


def test_the_running_app_s_output(paas):
    app = paas.live("talks", envVars={"NAME": "x"})
    paas.visit(app, "/hello")
    lines = paas.get("/api/apps/runtime-logs", id=app["id"], lines=50)["logs"]
    assert any("listening on port 8080" in line for line in lines)
    paas.post("/api/apps/delete", id=app["id"])


def test_logs_by_websocket_and_events(paas):
    import asyncio

    import websockets

    app = paas.live("socket")

    async def read(path):
        ticket = paas.post("/api/auth/ws-ticket")["ticket"]
        async with websockets.connect(f"ws://127.0.0.1:{paas.api_port}{path}&ticket={ticket}") as socket:
            return json.loads(await asyncio.wait_for(socket.recv(), 10))

    first = asyncio.run(read(f"/ws/logs?appId={app['id']}"))
    assert first["message"] == "Fetching sample:hello-python"
    assert set(first) == {"message", "timestamp"}
    assert "listening" in asyncio.run(read(f"/ws/runtime-logs?appId={app['id']}"))["message"]

    async def refused(headers, query):
        try:
            async with websockets.connect(
                f"ws://127.0.0.1:{paas.api_port}/ws/logs?appId={app['id']}{query}", additional_headers=headers
            ):
                return 101
        except websockets.InvalidStatus as error:
            return error.response.status_code

    assert asyncio.run(refused({}, "")) == 401
    assert asyncio.run(refused({}, "&ticket=used")) == 401
    ticket = paas.post("/api/auth/ws-ticket")["ticket"]
    assert asyncio.run(refused({"Origin": "https://evil.example"}, f"&ticket={ticket}")) == 403
    with paas.client.stream("GET", "/api/deployments/logs/stream", params={"id": app["activeDeployId"]}) as response:
        text = "".join(response.iter_text())
    assert text.rstrip().endswith('event: end\ndata: {"status":"success"}')
    paas.post("/api/apps/delete", id=app["id"])


def test_the_old_builder_and_the_cli_build_too(tmp_path_factory):
    from tests.system.servers import PaasServer

    for way in ("cli", "classic"):
        server = PaasServer(tmp_path_factory.mktemp(way) / "data", APP_PORTS=app_ports(23000), BUILDER=way)
        server.start()
        try:
            app = server.live(f"by-{way}", "sample:hello-node")
            assert "hello-node" in server.visit(app).text
        finally:
            server.close()
