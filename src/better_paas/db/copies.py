"""Copies a whole state from one database to another, of whatever kind each is."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, func, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from better_paas.db import backups, schema, sqlite
from better_paas.errors import StartRefused

_BATCH = 2_000


def copy(source: Connection, target: Connection) -> dict[str, int]:
    """Copy all rows into the tables of `target`, which are empty; how many, by table. The caller commits.

    Both have the same schema. Rows go as they are stored: what is sealed stays sealed, numbers stay.
    """
    before = _tables(source)
    return {name: _copy_table(before[name], table, source, target) for name, table in _tables(target).items()}


def _tables(connection: Connection) -> dict[str, Table]:
    """Ours, those that others refer to first."""
    found = MetaData()
    found.reflect(connection)
    return {table.name: table for table in found.sorted_tables if table.name != "alembic_version"}


def _copy_table(before: Table, after: Table, source: Connection, target: Connection) -> int:
    names = [column.name for column in after.columns if column.computed is None]
    to_itself = [key.parent.name for key in after.foreign_keys if key.column.table is after]
    query = select(*(before.columns[name] for name in names)).order_by(*before.primary_key.columns)
    if to_itself:
        return _copy_tree(after, to_itself[0], [dict(row) for row in source.execute(query).mappings()], target)
    count = 0
    with source.execution_options(yield_per=_BATCH).execute(query) as rows:
        for batch in rows.mappings().partitions():
            target.execute(insert(after), [dict(row) for row in batch])
            count += len(batch)
    return count


def _copy_tree(after: Table, parent: str, rows: list[dict[str, Any]], target: Connection) -> int:
    """Rows that refer to others of their table come behind those."""
    (key,) = (column.name for column in after.primary_key.columns)
    count, waiting, there = len(rows), rows, {None}
    while waiting:
        ready = [row for row in waiting if row[parent] in there]
        if not ready:
            raise ValueError(f"rows of {after.name} refer to each other in a circle, or to none that is there")
        target.execute(insert(after), ready)
        there |= {row[key] for row in ready}
        waiting = [row for row in waiting if row[key] not in there]
    return count


def differences(source: Connection, target: Connection) -> list[str]:
    """Tables that do not have the same number of rows in both."""
    before = _tables(source)
    return [name for name, table in _tables(target).items() if _count(before[name], source) != _count(table, target)]


def _count(table: Table, connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar() or 0


def is_empty(connection: Connection) -> bool:
    """Whether there is no row in any table."""
    return not any(_count(table, connection) for table in _tables(connection).values())


def keep(source: Engine, database: Path, reason: str, spared: Path | None = None) -> Path:
    """A copy of a state as a SQLite file beside `database`. Errors: StartRefused if it can't be written.

    source: the engine of a store's readers, so that all tables are of one moment. spared: see `backups.settle`.
    """
    target = backups.new_file(database, reason)
    engine = sqlite.writer(target)
    try:
        with source.connect() as reading:
            schema.upgrade_to(engine, schema.version(reading) or schema.HEAD)
            with engine.begin() as writing:
                copy(reading, writing)
    except (SQLAlchemyError, OSError, ValueError) as error:
        target.unlink(missing_ok=True)
        raise StartRefused(
            f"the state can't be copied: {getattr(error, 'orig', error)}", "Free some space, then try again."
        ) from error
    finally:
        engine.dispose()
    for leftover in (target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-shm")):
        leftover.unlink(missing_ok=True)
    backups.settle(target, database, spared)
    return target


def replace(target: Engine, backup: Path) -> dict[str, int]:
    """Put a copy, a SQLite file, in the place of a state. Errors: ValueError if it is no whole one of this version."""
    engine = sqlite.reader(backup)
    try:
        with engine.connect() as reading, target.begin() as writing:
            if schema.version(reading) != schema.version(writing):
                raise ValueError(f"{backup.name} is of another version of Better-PaaS than this database")
            _empty(writing)
            return copy(reading, writing)
    finally:
        engine.dispose()


def replace_other_version(target: Engine, backup: Path, aside: str) -> dict[str, int]:
    """Put a copy in the place of a state in PostgreSQL that is of another version.

    That one can't be written as a file by this version: its tables are kept in a schema of this name.
    Errors: ValueError if the copy is not of this version.
    """
    engine = sqlite.reader(backup)
    try:
        with engine.connect() as reading, target.begin() as writing:
            if schema.version(reading) != schema.HEAD:
                raise ValueError(f"{backup.name} is of another version of Better-PaaS than this one")
            quoted = writing.dialect.identifier_preparer.quote
            names = inspect(writing).get_table_names()
            writing.exec_driver_sql(f"CREATE SCHEMA {quoted(aside)}")
            for name in names:
                writing.exec_driver_sql(f"ALTER TABLE {quoted(name)} SET SCHEMA {quoted(aside)}")
            schema.create(writing)
            return copy(reading, writing)
    finally:
        engine.dispose()


def _empty(connection: Connection) -> None:
    """Delete all rows."""
    for table in reversed(_tables(connection).values()):
        connection.execute(table.delete())
