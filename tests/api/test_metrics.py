"""Figures for a monitoring system, the doctor, and the health of the server."""

import asyncio
import os
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from better_paas.domains.state import DomainState
from better_paas.kit.clock import now
from better_paas.metrics import doctor
from better_paas.runtime.docker import DockerRuntime


async def test_figures_are_read_with_a_scope_and_name_no_app(driver, admin, anonymous):
    app = await driver.live("shop")
    await admin.get("/api/apps/get", params={"id": app["id"]})
    succeeded = 'better_paas_jobs_total{kind="deploy",outcome="succeeded"} 1.0'
    async with asyncio.timeout(5):  # the job ends a moment after its deployment
        while succeeded not in (text := (await admin.get("/metrics")).text):
            await asyncio.sleep(0.02)
    assert 'better_paas_apps{state="running"} 1.0' in text
    assert 'better_paas_deployments{status="success"} 1.0' in text
    assert 'better_paas_requests_total{method="GET",route="/api/apps/get",status="200"}' in text
    assert app["id"] not in text
    made = await driver.post("/api/agents/create", name="scraper", scopes=["metrics:read"], allResources=True)
    token = {"Authorization": f"Bearer {made['token']}"}
    assert (await admin.get("/metrics", headers=token)).status_code == 200
    other = await driver.post("/api/agents/create", name="other", scopes=["apps:read"], allResources=True)
    assert (await admin.get("/metrics", headers={"Authorization": f"Bearer {other['token']}"})).status_code == 403
    del admin.headers["Authorization"]
    assert (await anonymous.get("/metrics")).status_code == 401


async def test_addresses_that_nobody_serves_make_no_series(admin):
    for number in range(5):
        await admin.get(f"/api/nothing-{number}")
        await admin.get(f"/page-{number}")
    text = (await admin.get("/metrics")).text
    assert "nothing-1" not in text
    assert "page-1" not in text


async def test_the_doctor_says_what_to_do(admin, platform, driver):
    await driver.live("shop", domains=["shop.example.invalid"])
    found = (await admin.get("/api/system/doctor")).json()
    by_name = {finding["name"]: finding for finding in found["findings"]}
    assert by_name["Container engine"]["level"] == "bad"
    assert "systemctl status docker" in by_name["Container engine"]["advice"]
    assert by_name["Domain shop.example.invalid"]["level"] == "bad"
    assert "A record" in by_name["Domain shop.example.invalid"]["advice"]
    assert "to mend" in found["summary"]
    assert all(finding["advice"] for finding in found["findings"] if finding["level"] != "good")


async def test_the_doctor_names_the_versions_that_matter(platform):
    versions = doctor._version().state
    assert all(name in versions for name in ("Better-PaaS", "Python", "Caddy", "OpenSSL"))
    kind = "PostgreSQL" if platform.settings.database_url else "SQLite"
    found = await doctor._state(platform)
    assert (found.level, found.state.split()[0]) == ("good", kind)
    assert found.state.split()[1][0].isdigit()


async def test_the_doctor_tells_of_an_engine_that_is_too_old_or_does_not_limit_builds(platform, monkeypatch):
    async def version():
        return "19.03.15"

    monkeypatch.setattr(platform, "engine_version", version)
    (found,) = await doctor._engine(platform)
    assert (found.level, found.state) == ("bad", "Docker 19.03.15 is too old")
    assert "20.10 or newer" in found.advice
    runtime = DockerRuntime(None, "i", "auto", None, None, None, None)
    runtime.limit_problem = "builds are not limited: no rights"
    monkeypatch.setattr(platform, "runtime", runtime)
    assert [finding.level for finding in await doctor._engine(platform)] == ["bad", "notice"]


async def test_the_doctor_tells_of_a_full_disk(platform, monkeypatch):
    usage = doctor.shutil.disk_usage("/")
    for free, level in ((100, "bad"), (platform.settings.disk_floor_mb * 2, "notice"), (10**6, "good")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _, free=free: usage._replace(free=free * 2**20))
        (found,) = await doctor._disk(platform)
        assert (found.level, f"{free} MiB of" in found.state, bool(found.advice)) == (level, True, level != "good")


async def test_the_doctor_compares_the_clock_with_the_authority_s(platform, monkeypatch):
    """A real server that says what time it is."""
    drift = timedelta()

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        date = format_datetime(datetime.now(UTC) + drift, usegmt=True)
        writer.write(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = platform.settings.model_copy(update={"acme_directory": f"http://127.0.0.1:{port}/directory"})
        monkeypatch.setattr(platform, "settings", settings)
        assert (await doctor._clock(platform))[0].level == "good"
        drift = timedelta(minutes=10)
        (found,) = await doctor._clock(platform)
        assert (found.level, "timedatectl" in found.advice) == ("bad", True)
        assert found.state.startswith("It is off by ")
    (found,) = await doctor._clock(platform)
    assert (found.level, "reach the internet" in found.advice) == ("notice", True)


async def test_the_doctor_sees_another_program_on_the_ingress_s_ports(platform, monkeypatch):
    platform.ingress.problem = ""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        ours = {"http_port": stranger.getsockname()[1], "ingress_address": "127.0.0.1"}
        monkeypatch.setattr(platform, "settings", platform.settings.model_copy(update=ours))
        (platform.data_dir / "caddy").mkdir(exist_ok=True)
        pid = platform.data_dir / "caddy" / "caddy.pid"
        pid.write_text("1")
        found = await doctor._ingress(platform)
        assert [finding.name for finding in found if finding.level == "bad"] == ["Ports"]
        assert str(stranger.getsockname()[1]) in found[1].state
        pid.write_text(str(os.getpid()))
        assert [finding.level for finding in await doctor._ingress(platform)] == ["good"]
    platform.ingress.problem = "it does not serve: address already in use"
    (found,) = await doctor._ingress(platform)
    assert (found.level, "ss -ltnp" in found.advice) == ("bad", True)


async def test_the_doctor_tells_of_a_certificate_that_ends_soon(platform, driver, monkeypatch):
    await driver.live("shop", domains=["shop.example.com"])
    ends = now() + timedelta(days=3)

    async def state(*_):
        return DomainState(("192.0.2.1",), True, "active", expires_at=ends)

    monkeypatch.setattr(doctor, "state_of", state)
    (found,) = await doctor._domains(platform)
    assert (found.name, found.level) == ("Domain shop.example.com", "bad")
    assert "renewed by now" in found.advice


async def test_a_data_directory_that_others_may_read_is_a_finding(platform):
    platform.data_dir.chmod(0o755)
    assert (await doctor._data_dir(platform)).level == "bad"


async def test_health_tells_of_waiting_jobs(admin, platform, driver):
    health = (await admin.get("/api/health")).json()
    assert (health["queuedJobs"], health["oldestJob"]) == (0, 0)
    assert health["loopLag"] >= 0


async def test_a_deployment_names_the_call_that_asked_for_it(driver, admin):
    answer = await admin.post("/api/deploy", json={"name": "shop", "gitRepo": "sample:hello-python"})
    found = await driver.ended(answer.json()["deploymentId"])
    assert found["requestId"] == answer.headers["X-Request-Id"]
    (intent, outcome) = (await admin.get("/api/audit-logs", params={"action": "app:deploy"})).json()
    assert intent["requestId"] == outcome["requestId"] == found["requestId"]


async def test_nothing_is_built_when_the_disk_is_nearly_full(driver, platform, monkeypatch):
    from better_paas.deployments import tasks

    usage = tasks.shutil.disk_usage("/")
    monkeypatch.setattr(tasks.shutil, "disk_usage", lambda _: usage._replace(free=100 * 2**20))
    app = await driver.deploy()
    ended = await driver.ended(app["deploymentId"])
    assert ended["error"] == "the server has only 100 MiB of free disk space"
    assert "DISK_FLOOR_MB" in ended["hint"]
