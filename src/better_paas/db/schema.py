"""Brings the tables of a state to what this version knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, inspect, select

from better_paas.errors import StartRefused

# The newest migration. Without one to run, Alembic need not be loaded (0.2 s).
HEAD = "0009"

MIGRATIONS = Path(__file__).with_name("migrations")
# Alembic's.
_VERSIONS = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def version(connection: Connection) -> str | None:
    """The migration that a state stands at; None for an empty one."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    found: str | None = connection.execute(select(_VERSIONS.columns.version_num)).scalar()
    return found


def upgrade(engine: Engine, keep: Callable[[], Any]) -> None:
    """Bring the schema to HEAD. keep: makes a copy of a state that is about to change. The caller holds the lock.

    Errors: StartRefused if the state is of a newer version, or what `keep` raises.
    """
    with engine.connect() as connection:
        current = version(connection)
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise StartRefused(
            f"this state is of a newer version of Better-PaaS ({current}, this one knows {HEAD})",
            "Start the newer version, or bring back the copy from before its update: better-paas db backups.",
        )
    if current is None:
        with engine.begin() as connection:
            create(connection)
    else:
        keep()
        upgrade_to(engine, HEAD)


def upgrade_to(engine: Engine, revision: str) -> None:
    """Run the migrations up to this one."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    command.upgrade(config, revision)


def create(connection: Connection) -> None:
    """All at once for an empty state: it needs no migration, and what runs them (9 MB) is not loaded."""
    from better_paas.db import tables

    if connection.dialect.name != "sqlite":
        for table in tables.Base.metadata.tables.values():
            for index in table.indexes:
                # Said once, for SQLite: naming the other database there would load all of its dialect for everybody.
                index.dialect_options[connection.dialect.name]["where"] = index.dialect_options["sqlite"]["where"]
    tables.Base.metadata.create_all(connection)
    _VERSIONS.create(connection)
    connection.execute(insert(_VERSIONS).values(version_num=HEAD))
