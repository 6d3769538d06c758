"""The shared world: a platform with a runtime and an ingress of memory, and a client that is admin."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from better_paas.app import create_app
from better_paas.bootstrap import Platform
from better_paas.db import schema, sqlite
from better_paas.db.postgres import engine as create_engine
from better_paas.settings import Settings
from better_paas.untrusted.reader import SourceReader
from tests.fakes import FakeBases, FakeIngress, FakeRuntime, InProcess
from tests.postgres import TEMPLATE, PostgresServer
from tests.system.servers import app_ports

ADMIN_TOKEN = "the-admin-token-of-the-tests"
APP_PORTS = app_ports(24500)
# How long an example takes says more of what else the machine does.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--state",
        choices=["sqlite", "postgres", "both"],
        default="sqlite",
        help="Where the servers under test keep their state. both: API tests are run with each, all others with SQLite.",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--state")
        kinds = ["sqlite", "postgres"] if chosen == "both" else [chosen]
        metafunc.parametrize("database_url", kinds, indirect=True)


class _ByModule(LoadScopeScheduling):
    """Tests of a module that share servers run one after another, in one worker; each other one where there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(("tests/system/", "tests/conformance/")) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByModule(config, log)


def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker that died ends the run, with the test that it died in: the others would wait for its tests for ever."""
    if error:
        node.config.pluginmanager.getplugin("dsession").shouldstop = f"the worker {node.gateway.id} died: {error}"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """An empty database with all tables; copying it takes a tenth of migrating one."""
    path = tmp_path_factory.mktemp("migrated") / "better-paas.db"
    engine = sqlite.writer(path)
    schema.upgrade(engine, lambda: None)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def migrated_postgres(postgres) -> str:
    """The name of an empty database with all tables."""
    engine = create_engine(postgres.make_template())
    schema.upgrade(engine, lambda: None)
    engine.dispose()
    return TEMPLATE


@pytest.fixture
def database_url(request) -> Iterator[str]:
    """Where the state is: in SQLite, or in a database of this test's own."""
    if request.param == "sqlite":
        yield ""
        return
    server = request.getfixturevalue("postgres")
    url = server.new_database(request.getfixturevalue("migrated_postgres"))
    yield url
    server.drop(url)


@pytest.fixture
def settings(tmp_path, migrated, database_url) -> Settings:
    (tmp_path / "data").mkdir()
    if not database_url:
        shutil.copy(migrated, tmp_path / "data")
    return Settings(
        database_url=database_url, better_paas_data_dir=tmp_path / "data", admin_token=ADMIN_TOKEN, health_timeout=3, drain_seconds=1,
        app_ports=APP_PORTS, git_allowed_private_hosts="127.0.0.1", docker_host="unix:///nonexistent.sock",
    )  # fmt: skip


@pytest.fixture
async def platform(settings) -> AsyncIterator[Platform]:
    runtime = FakeRuntime()
    made = Platform(settings, runtime, FakeIngress(), FakeBases(), SourceReader(InProcess()))  # type: ignore[arg-type]
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runtime.close)
        await made.start()
        stack.push_async_callback(made.stop)
        yield made


@pytest.fixture
async def anonymous(platform) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=create_app(platform), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
async def admin(anonymous) -> httpx2.AsyncClient:
    anonymous.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
    return anonymous


class Driver:
    """What tests do over and over, through the API."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def deploy(self, name: str = "shop", **fields) -> dict:
        response = await self.client.post(
            "/api/deploy", json={"name": name, "gitRepo": "sample:hello-python", **fields}
        )
        assert response.status_code == 200, response.text
        return response.json()

    async def ended(self, deployment_id: str, seconds: float = 15) -> dict:
        async with asyncio.timeout(seconds):
            while True:
                found = (await self.client.get("/api/deployments/get", params={"id": deployment_id})).json()
                if found["status"] not in ("queued", "building"):
                    return found
                await asyncio.sleep(0.02)

    async def live(self, name: str = "shop", **fields) -> dict:
        app = await self.deploy(name, **fields)
        ended = await self.ended(app["deploymentId"])
        assert ended["status"] == "success", ended
        return await self.app(app["id"])

    async def app(self, app_id: str) -> dict:
        return (await self.client.get("/api/apps/get", params={"id": app_id})).json()

    async def post(self, path: str, status: int = 200, **body) -> dict:
        response = await self.client.post(path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    async def log(self, deployment_id: str) -> str:
        page = (await self.client.get("/api/deployments/logs", params={"id": deployment_id})).json()
        return "\n".join(line["message"] for line in page["logs"])


@pytest.fixture
def driver(admin) -> Driver:
    return Driver(admin)
