"""One platform and one Git server for all system tests that share them."""

import pytest

from tests.system import servers
from tests.system.servers import GitServer, PaasServer, app_ports


@pytest.fixture(scope="session", autouse=True)
def _state(request):
    """With --state=postgres all servers keep their state there."""
    if request.config.getoption("--state") == "postgres":
        servers.NEW_DATABASE = request.getfixturevalue("postgres").new_database


@pytest.fixture(scope="session")
def git(tmp_path_factory):
    server = GitServer(tmp_path_factory.mktemp("git"))
    yield server
    server.close()


@pytest.fixture
def server(tmp_path):
    """A Git server of the test's own."""
    made = GitServer(tmp_path / "repositories")
    made.folder.mkdir()
    yield made
    made.close()


@pytest.fixture(scope="session")
def paas(tmp_path_factory):
    server = PaasServer(tmp_path_factory.mktemp("paas") / "data", APP_PORTS=app_ports(22000, 500))
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_paas(tmp_path):
    """A platform of the test's own, to be killed and broken."""
    server = PaasServer(tmp_path / "data", APP_PORTS=app_ports(22500, 500), DRAIN_SECONDS="2")
    server.start()
    yield server
    if server.process.poll() is not None:
        server.start()
    server.close()
