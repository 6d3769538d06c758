"""Whether a state is whole, and a sentence where it is not."""

import sqlite3
from contextlib import closing

import pytest

from better_paas.commands import app as command
from better_paas.db import check, schema, sqlite
from better_paas.db.sqlite import SqliteStore
from better_paas.errors import StartRefused


@pytest.fixture
def path(tmp_path, migrated, monkeypatch):
    found = tmp_path / "better-paas.db"
    found.write_bytes(migrated.read_bytes())
    monkeypatch.setenv("BETTER_PAAS_DATA_DIR", str(tmp_path))
    return found


def checked(capsys) -> tuple[int, str]:
    try:
        command(["db", "check"])
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().err
    return 0, capsys.readouterr().out


def cut(path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def spoil(path) -> None:
    """A page in the middle is not what it was."""
    content = bytearray(path.read_bytes())
    content[8192:12288] = bytes(range(256)) * 16
    path.write_bytes(content)


def test_a_whole_state(path, capsys):
    assert checked(capsys) == (0, "The state is whole.\n")
    store = SqliteStore(path)
    store.open()
    store.close()


@pytest.mark.parametrize("damage", [cut, spoil, lambda path: path.write_bytes(b"no database at all" * 1000)])
def test_a_damaged_state_is_told_of_in_a_sentence(path, damage, capsys):
    damage(path)
    code, said = checked(capsys)
    assert code == 1
    assert "not whole" in said
    assert "better-paas db restore" in said
    with pytest.raises(StartRefused) as refused:
        SqliteStore(path).open()
    assert "better-paas db restore" in refused.value.hint
    # The lock is free again: the copy can be brought back.
    with sqlite.locked(path):
        pass


def test_rows_that_refer_to_nothing_are_found(path, capsys):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO job_steps (job_id, name, position, status, started_at) VALUES ('x', 'y', 1, 'done', '')"
        )
        connection.commit()
    assert checked(capsys)[0] == 1


def test_a_state_of_another_version_is_told_of(path, capsys):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    code, said = checked(capsys)
    assert code == 1
    assert f"9999, and this version of Better-PaaS has {schema.HEAD}" in said


def test_a_look_that_takes_too_long_is_given_up(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE filler (text)")
        connection.execute("CREATE INDEX much ON filler (text)")
        connection.executemany("INSERT INTO filler VALUES (?)", ((f"{number:0100}",) for number in range(50_000)))
        connection.commit()
    assert check.file_faults(path, 0.0) is None
    assert check.file_faults(path, 60.0) == []
