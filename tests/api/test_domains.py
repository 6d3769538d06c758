"""Whose a host is, and who may take a path of it."""


async def test_a_path_of_a_host_stays_in_the_project_and_in_sight(driver, admin):
    project = await driver.post("/api/projects/create", name="team")
    shop = await driver.live("shop", projectId=project["id"], domains=["example.com"])
    api = await driver.live("api", projectId=project["id"])
    stranger = await driver.live("stranger")
    assert (await driver.post("/api/apps/domains/add", status=409, id=stranger["id"], domain="example.com/x"))[
        "code"
    ] == ("domain_taken")
    made = await driver.post("/api/agents/create", name="one-app", profile="deployer", apps=[api["id"]])
    token = {"Authorization": f"Bearer {made['token']}"}
    for path, body in (
        ("/api/apps/domains/add", {"id": api["id"], "domain": "example.com/steal"}),
        ("/api/apps/update", {"id": api["id"], "domains": ["example.com/steal"]}),
    ):
        refused = await admin.post(path, json=body, headers=token)
        assert (refused.status_code, refused.json()["code"]) == (409, "domain_taken"), path
    added = await driver.post("/api/apps/domains/add", id=api["id"], domain="example.com/api")
    assert added["domains"] == ["example.com/api"]
    await driver.post("/api/apps/domains/add", status=409, id=shop["id"], domain="example.com/api")


async def test_what_is_no_path(driver):
    app = await driver.live()
    for wrong in ("example.com/../x", "example.com/a b", "example.com/{env.HOME}", "example.com/a*"):
        await driver.post("/api/apps/domains/add", status=400, id=app["id"], domain=wrong)
    await driver.post("/api/apps/domains/add", id=app["id"], domain="Example.com/API/")
    assert (await driver.app(app["id"]))["domains"] == ["example.com/API"]


async def test_redirects_neither_loop_nor_lead_to_themselves(driver):
    app = await driver.live(domains=["a.example.com", "b.example.com"])
    change = "/api/apps/domains/update"
    await driver.post(change, status=400, id=app["id"], domain="a.example.com", redirectTo="a.example.com")
    await driver.post(change, id=app["id"], domain="a.example.com", redirectTo="b.example.com")
    await driver.post(change, status=400, id=app["id"], domain="b.example.com", redirectTo="a.example.com")
    await driver.post(change, status=404, id=app["id"], domain="c.example.com", redirectTo="b.example.com")
    await driver.post(change, status=400, id=app["id"], domain="b.example.com", stripPath=True)


async def test_rules_keep_passwords_to_themselves(driver, admin, platform):
    app = await driver.live()
    rules = await driver.post(
        "/api/apps/routing", id=app["id"], basicAuth=[{"username": "ann", "password": "a-long-password"}]
    )
    assert rules["basicAuth"] == [{"username": "ann", "password": "***"}]
    kept = await driver.post("/api/apps/routing", id=app["id"], basicAuth=rules["basicAuth"], maxBodyMb=5)
    assert (kept["basicAuth"], kept["maxBodyMb"]) == (rules["basicAuth"], 5)
    await driver.post("/api/apps/routing", status=400, id=app["id"], basicAuth=[{"username": "bob", "password": "***"}])
    for body in (
        {"responseHeaders": {"X-A": "{http.request.host}"}},
        {"responseHeaders": {"Content-Length": "5"}},
        {"removeHeaders": ["X A"]},
        {"basicAuth": [{"username": "a:b", "password": "x"}]},
        {"basicAuth": [{"username": "a", "password": "x" * 73}]},
    ):
        await driver.post("/api/apps/routing", status=400, id=app["id"], **body)
    everything = (await admin.get("/api/audit-logs")).text + (await admin.get("/api/apps")).text
    assert "a-long-password" not in everything
    assert "$2b$" not in everything
