"""The writer: groups, isolation of units, durability, and one owner."""

import asyncio
import json
import sqlite3
import threading

import pytest
from sqlalchemy import event, text

from better_paas.audit import service as audit
from better_paas.db import schema, sqlite, tables
from better_paas.db.database import Database, after_commit
from better_paas.db.sqlite import SqliteStore
from better_paas.db.store import DatabaseInUse
from better_paas.errors import Unavailable
from better_paas.kit.clock import now
from better_paas.kit.supervision import condition_of


def add_project(name, identity=None):
    from better_paas.projects import service

    return lambda session: service.create(session, name, "", project_id=identity).id


def entry(**fields):
    return audit.Entry(
        **{"actor_type": "admin", "actor_id": "admin", "action": "x", "outcome": "intent", "request_id": "r", **fields}
    )


async def count(database, table):
    return await database.read(lambda session: session.execute(text(f"SELECT count(*) FROM {table}")).scalar())


async def test_a_failing_unit_leaves_the_others_of_its_group(database):
    def broken(session):
        add_project("broken")(session)
        raise ValueError("no")

    results = await asyncio.gather(
        database.write(add_project("one")),
        database.write(broken),
        database.write(add_project("two")),
        return_exceptions=True,
    )
    assert isinstance(results[1], ValueError)
    assert await count(database, "projects") == 2


async def test_entries_and_hooks_belong_to_their_unit(database):
    fired = []

    def good(session):
        audit.record(session, entry(action="good"))
        after_commit(session, lambda: fired.append(threading.current_thread() is threading.main_thread()))

    def bad(session):
        audit.record(session, entry(action="bad"))
        after_commit(session, lambda: fired.append("bad"))
        raise ValueError

    await asyncio.gather(database.write(good), database.write(bad), return_exceptions=True)
    await asyncio.sleep(0)
    assert fired == [True]
    entries = await database.read(lambda session: audit.page(session, audit.Filters(), 10, None).entries)
    assert [json.loads(record)["action"] for _, record in entries] == ["good"]


async def test_many_writers_share_commits_and_all_are_there(database):
    def unit(session):
        audit.record(session, entry())

    await asyncio.gather(*(database.write(unit) for _ in range(1000)))
    assert await count(database, "audit_entries") == 1000


async def test_an_appender_that_fails_fails_every_caller(tmp_path):
    def appender(connection, rows):
        raise OSError(28, "No space left on device")

    database = Database(SqliteStore(tmp_path / "x.db"), appender)
    database.start()
    try:
        with pytest.raises(OSError, match="No space"):
            await database.write(lambda session: (add_project("x")(session), audit.record(session, entry())))
        assert await count(database, "projects") == 0
    finally:
        database.close()


async def test_a_row_that_can_not_be_appended_fails_its_own_unit_alone(database):
    def poisoned(session):
        audit.record(session, entry(resource_id="\ud800"))

    results = await asyncio.gather(
        *(database.write(add_project(f"p{number}")) for number in range(5)),
        database.write(poisoned),
        return_exceptions=True,
    )
    assert isinstance(results[-1], Exception)
    assert await count(database, "projects") == 5


async def test_after_a_commit_that_failed_the_next_one_is_made(database):
    """As on a disk that was full for a moment."""
    # On PostgreSQL it is tried once more.
    fails = [True] * (2 if database.is_shared else 1)

    def commit(_):
        if fails:
            fails.pop()
            raise OSError(28, "No space left on device")

    event.listen(database._store.writer, "commit", commit)
    with pytest.raises(OSError, match="No space"):
        await database.write(add_project("lost"))
    await database.write(add_project("kept"))
    assert await count(database, "projects") == 1


async def test_readers_can_not_write(database):
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError, match="readonly|read-only"):
        await database.read(lambda session: session.execute(text("DELETE FROM projects")))


async def test_a_read_sees_one_state_whatever_is_committed_meanwhile(database):
    loop = asyncio.get_running_loop()

    def unit(session):
        before = session.execute(text("SELECT count(*) FROM projects")).scalar()
        asyncio.run_coroutine_threadsafe(database.write(add_project("new")), loop).result(5)
        return before, session.execute(text("SELECT count(*) FROM projects")).scalar()

    assert await database.read(unit) == (0, 0)
    assert await count(database, "projects") == 1


@pytest.fixture
def in_a_file(tmp_path):
    """SQLite, whatever the others are run with."""
    made = Database(SqliteStore(tmp_path / "x.db"), audit.append)
    made.start()
    yield made
    made.close()


async def test_one_process_owns_the_file(in_a_file, tmp_path):
    second = Database(SqliteStore(tmp_path / "x.db"), audit.append)
    with pytest.raises(DatabaseInUse):
        second.start()


async def test_what_was_written_survives_a_close_and_no_migration_is_run_twice(tmp_path):
    database = Database(SqliteStore(tmp_path / "x.db"), audit.append)
    database.start()
    await database.write(add_project("kept"))
    database.close()
    again = Database(SqliteStore(tmp_path / "x.db"), audit.append)
    again.start()
    assert await count(again, "projects") == 1
    again.close()


async def test_the_file_is_in_wal_mode_with_full_durability(in_a_file, tmp_path):
    connection = sqlite3.connect(tmp_path / "x.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    found = await in_a_file.write(lambda session: session.execute(text("PRAGMA synchronous")).scalar())
    assert found == 2


INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name != 'alembic_version'"


def columns(connection) -> dict:
    """By table, all but their order and defaults: the models give a value to each."""
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    tables = {
        name: connection.execute(text(f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{name}')"))
        for name in names
    }
    return {name: set(map(tuple, rows)) for name, rows in tables.items()}


def test_migrations_and_a_new_state_are_what_the_models_say(tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    found = []
    for name, make in {
        "migrated": lambda e: schema.upgrade_to(e, schema.HEAD),
        "new": lambda e: schema.upgrade(e, None),
    }.items():
        engine = sqlite.writer(tmp_path / name)
        make(engine)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables.Base.metadata) == []
            found.append({"indexes": set(map(tuple, connection.execute(text(INDEXES)))), **columns(connection)})
            assert schema.version(connection) == schema.HEAD
        engine.dispose()
    assert found[0] == found[1]
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_heads() == [schema.HEAD]


async def test_a_writer_that_breaks_answers_its_callers_and_writes_on(database, monkeypatch):
    """As it did when the log line of a failed commit could itself not be written."""
    real, broken = database._commit_group, iter([True])

    def breaks(connection, group):
        if next(broken, False):
            raise OSError(28, "No space left on device")
        real(connection, group)

    monkeypatch.setattr(database, "_commit_group", breaks)
    monkeypatch.setattr("better_paas.kit.supervision._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("better_paas.db.database._PROBE_SECONDS", 0.01)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(database.write(add_project("lost")), 5)
    assert "No space left" in database.problem
    assert await asyncio.wait_for(database.write(add_project("kept")), 5)
    assert database.problem == ""
    assert await count(database, "projects") == 1


async def test_a_state_that_can_not_be_written_says_so_until_it_can_without_being_asked(database, monkeypatch):
    monkeypatch.setattr("better_paas.db.database._PROBE_SECONDS", 0.01)
    full = [True]

    def refuse(connection):
        if full:
            raise sqlite3.OperationalError("database or disk is full")

    event.listen(database._store.writer, "begin", refuse)
    with pytest.raises(sqlite3.OperationalError):
        await database.write(add_project("lost"))
    assert "disk is full" in database.problem
    since = condition_of(database, now()).since
    await asyncio.sleep(0.1)
    assert condition_of(database, now()).since == since
    full.clear()
    while database.problem:
        await asyncio.sleep(0.01)
    await database.write(add_project("kept"))
