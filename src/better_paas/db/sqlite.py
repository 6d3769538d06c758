"""SQLite engines: one writer with full durability, readers that can't write, and the migrations."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text

from better_paas.db import backups
from better_paas.errors import StartRefused

# The newest migration. A start with this version in place need not load Alembic (0.2 s).
HEAD = "0005"

_MIGRATIONS = Path(__file__).with_name("migrations")


def writer(path: Path) -> Engine:
    """The engine of the one writing connection. Units begin with BEGIN IMMEDIATE."""
    engine = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=5000",
            "foreign_keys=ON",
            "wal_autocheckpoint=1000",
            "cache_size=-16000",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reader(path: Path) -> Engine:
    """The engine of the read-only connections."""
    engine = create_engine(
        f"sqlite:///file:{path}?mode=ro&uri=true",
        pool_size=2,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA query_only=1")
        connection.execute("PRAGMA busy_timeout=5000")

    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema to HEAD, after a copy of the state was made. The caller holds the data directory's lock.

    Errors: StartRefused if the state is of a newer version, or if it can't be copied.
    """
    current = None
    with engine.connect() as connection:
        if inspect(connection).has_table("alembic_version"):
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise StartRefused(
            f"this state is of a newer version of Better-PaaS ({current}, this one knows {HEAD})",
            "Start the newer version, or bring back the copy from before its update: better-paas db backups.",
        )
    if current is not None and engine.url.database:
        backups.keep(Path(engine.url.database), f"before-{HEAD}")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["engine"] = engine
    command.upgrade(config, "head")
