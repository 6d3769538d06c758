"""What only the store in PostgreSQL can get wrong."""

import gc

import psycopg

from better_paas.db.postgres import PostgresStore
from tests.system.servers import wait_until


def test_no_connection_is_left_however_soon_it_is_closed(postgres, migrated_postgres, tmp_path):
    url = postgres.new_database(migrated_postgres)
    for _ in range(20):
        store = PostgresStore(url, tmp_path / "x.db")
        store.open()
        store.listen(lambda news: None)
        store.lead(lambda is_leader: None)
        store.close()
    gc.collect()  # one that was let go of while open would be warned about, and so fail
    with psycopg.connect(url, autocommit=True) as connection:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        wait_until(lambda: connection.execute(others).fetchone() == (0,), 5)
    postgres.drop(url)
