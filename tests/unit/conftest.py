"""What unit tests of the state share."""

import pytest

from better_paas.audit import service as audit
from better_paas.db.database import Database
from better_paas.db.postgres import PostgresStore
from better_paas.db.sqlite import SqliteStore


@pytest.fixture
async def database(tmp_path, database_url):
    store = PostgresStore(database_url, tmp_path / "x.db") if database_url else SqliteStore(tmp_path / "x.db")
    made = Database(store, audit.append)
    made.start()
    yield made
    made.close()
