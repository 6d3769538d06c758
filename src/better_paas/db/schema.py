"""Brings the tables of a state to what this version knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from better_paas.errors import StartRefused

# The newest migration. A start with this version in place need not load Alembic (0.2 s).
HEAD = "0005"

_MIGRATIONS = Path(__file__).with_name("migrations")


def version(connection: Connection) -> str | None:
    """The migration that a state stands at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
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
    if current is not None:
        keep()
    if current is None and engine.dialect.name != "sqlite":
        # What the first migrations did was done to SQLite alone.
        _create(engine)
        return
    upgrade_to(engine, HEAD)


def upgrade_to(engine: Engine, revision: str) -> None:
    """Run the migrations up to this one."""
    from alembic import command

    command.upgrade(_configuration(engine), revision)


def _create(engine: Engine) -> None:
    from alembic import command

    from better_paas.db import tables

    for table in tables.Base.metadata.tables.values():
        for index in table.indexes:
            # Said once, for SQLite: naming the other database there would load all of its dialect for everybody.
            index.dialect_options[engine.dialect.name]["where"] = index.dialect_options["sqlite"]["where"]
    tables.Base.metadata.create_all(engine)
    command.stamp(_configuration(engine), HEAD)


def _configuration(engine: Engine) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["engine"] = engine
    return config
