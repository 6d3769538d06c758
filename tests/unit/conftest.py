"""What unit tests of the state share."""

import pytest

from better_paas.audit import service as audit
from better_paas.db.database import Database
from better_paas.db.sqlite import SqliteStore


@pytest.fixture
async def database(tmp_path):
    made = Database(SqliteStore(tmp_path / "x.db"), audit.append)
    made.start()
    yield made
    made.close()
