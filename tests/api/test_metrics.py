"""Figures for a monitoring system, the doctor, and the health of the server."""

import asyncio

from better_paas.metrics import doctor


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


async def test_a_data_directory_that_others_may_read_is_a_finding(platform):
    platform.data_dir.chmod(0o755)
    assert doctor._data_dir(platform).level == "bad"


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
