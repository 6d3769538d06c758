"""A copy before each change of the state, and the way back."""

import sqlite3
from contextlib import closing

import pytest

from better_paas.commands import app as command
from better_paas.db import backups, schema, sqlite
from better_paas.db.sqlite import locked
from better_paas.errors import StartRefused


def run(*words: str) -> int:
    try:
        command(list(words))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def database(tmp_path, migrated, monkeypatch):
    path = tmp_path / "better-paas.db"
    path.write_bytes(migrated.read_bytes())
    monkeypatch.setenv("BETTER_PAAS_DATA_DIR", str(tmp_path))
    return path


def set_version(path, version: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.commit()


def version(path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_the_state_is_copied_before_a_migration(tmp_path):
    path = tmp_path / "better-paas.db"
    engine = sqlite.writer(path)
    schema.upgrade(engine, lambda: backups.keep(path, f"before-{schema.HEAD}"))
    assert backups.all_backups(path) == []  # a new one has nothing to lose
    engine.dispose()
    from alembic import command as alembic
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    engine = sqlite.writer(path)
    config.attributes["engine"] = engine
    alembic.downgrade(config, "0004")
    schema.upgrade(engine, lambda: backups.keep(path, f"before-{schema.HEAD}"))
    engine.dispose()
    (kept,) = backups.all_backups(path)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (version(kept), version(path)) == ("0004", schema.HEAD)


def test_a_newer_state_is_not_touched(database):
    set_version(database, "9999")
    engine = sqlite.writer(database)
    with pytest.raises(StartRefused, match="newer version"):
        schema.upgrade(engine, lambda: None)
    engine.dispose()
    assert version(database) == "9999"


def test_copies_are_made_shown_and_brought_back(database, capsys):
    assert run("db", "backup") == 0
    (kept,) = backups.all_backups(database)
    set_version(database, "9999")
    assert run("db", "backups") == 0
    assert str(kept) in capsys.readouterr().out
    assert run("db", "restore", str(kept)) == 0
    assert version(database) == schema.HEAD
    assert [version(path) for path in backups.all_backups(database) if "replaced" in path.name] == ["9999"]


def test_what_is_no_copy_is_refused_and_a_running_server_too(database, tmp_path, capsys):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"nothing")
    assert run("db", "restore", str(broken)) == 1
    assert "no whole copy" in capsys.readouterr().err
    assert run("db", "backup") == 0
    (kept,) = backups.all_backups(database)
    with locked(database):
        assert run("db", "restore", str(kept)) == 1
    assert "Stop the server first" in capsys.readouterr().err


def test_only_the_newest_copies_are_kept(database):
    for number in range(8):
        backups.keep(database, f"number-{number}")
    assert len(backups.all_backups(database)) == 5


def test_a_copy_has_tokens_behind_those_that_made_them(tmp_path):
    from better_paas.db import copies

    engines = [sqlite.writer(tmp_path / f"{name}.db") for name in ("from", "to")]
    for engine in engines:
        schema.upgrade(engine, lambda: None)
    columns = {"note": "", "profile": "", "scopes": "[]", "all_resources": 1, "project_ids": "[]", "app_ids": "[]"}
    columns |= {"addresses": "[]", "rate_per_minute": 1, "require_approval": "none", "created_by": "admin", "uses": 0}
    columns |= {"digest": "", "previous_digest": "", "last_address": "", "suspended_reason": ""}
    names = ["id", "name", "parent_id", "created_at", *columns]
    with closing(sqlite3.connect(tmp_path / "from.db")) as connection:
        for row in (("z-parent", None), ("a-child", "z-parent"), ("m-grandchild", "a-child")):
            values = [row[0], row[0], row[1], "2026-01-01 00:00:00.000000", *columns.values()]
            marks = ", ".join("?" * len(names))
            connection.execute(f"INSERT INTO agents ({', '.join(names)}) VALUES ({marks})", values)
        connection.commit()
    with engines[0].begin() as source, engines[1].begin() as target:
        assert copies.is_empty(target)
        assert copies.copy(source, target)["agents"] == 3
        assert copies.differences(source, target) == []
    for engine in engines:
        engine.dispose()


def test_the_oldest_copy_can_be_brought_back(database):
    for number in range(5):
        backups.keep(database, f"number-{number}")
    oldest = backups.all_backups(database)[-1]
    set_version(oldest, "0005")
    held = oldest.read_bytes()
    assert run("db", "restore", str(oldest)) == 0
    assert database.read_bytes() == held
    assert oldest.exists()


def test_a_state_that_can_not_be_read_can_be_replaced(database, capsys):
    good = backups.keep(database, "good")
    content = bytearray(database.read_bytes())
    content[:4096] = b"x" * 4096
    database.write_bytes(content)
    assert run("db", "restore", str(good)) == 0
    assert version(database) == schema.HEAD
    (kept,) = database.parent.glob("*-unreadable.db")
    assert kept.read_bytes() == bytes(content)
    assert kept.name in capsys.readouterr().out
