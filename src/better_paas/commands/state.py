"""`better-paas db`: copies of the state, the way back to one, and the move from SQLite to PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from better_paas.commands.local import fail, state_engine, state_file
from better_paas.db import backups, schema, sqlite
from better_paas.db.store import DatabaseInUse
from better_paas.errors import StartRefused
from better_paas.kit.clock import now
from better_paas.settings import load_or_exit

if TYPE_CHECKING:
    from better_paas.db.postgres import PostgresStore

app = App(name="db", help="Copies of the state.")


@app.command
def backup() -> None:
    """Copy the state now; the server may run or not."""
    url = load_or_exit().database_url
    try:
        if url:
            from better_paas.db import copies, postgres

            print(copies.keep(postgres.reader(url), _file(), "by-hand"))
        else:
            print(backups.keep(state_file(), "by-hand"))
    except StartRefused as error:
        fail(str(error), error.hint)


@app.command(name="backups")
def show() -> None:
    """Show the copies that there are, the newest first. One is made before each change by an update."""
    found = backups.all_backups(_file())
    for path in found:
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        print(f"{when:%Y-%m-%d %H:%M}  {path.stat().st_size // 1024:>8} KiB  {path}")
    if not found:
        print("There are none yet. 'better-paas db backup' makes one.")


@app.command
def check() -> None:
    """Look whether the state is whole; the server may run or not. Exit code 1 if it is not, or can't be read."""
    from better_paas.db.check import ADVICE, file_faults, schema_fault, server_faults

    engine = state_engine()
    try:
        faults = server_faults(engine) if load_or_exit().database_url else file_faults(state_file()) or []
        faults += [fault] if not faults and (fault := schema_fault(engine)) else []
    finally:
        engine.dispose()
    if faults:
        fail("the state is not whole:\n" + "\n".join(faults), ADVICE)
    print("The state is whole.")


@app.command
def restore(file: Path, /) -> None:
    """Put a copy in the place of the state, while no server runs. The state until now is kept as a copy too."""
    if not file.is_file():
        fail(f"there is no file {file}", "'better-paas db backups' shows what there is.")
    url = load_or_exit().database_url
    try:
        if url:
            replaced = _restore_to_postgres(url, file)
        else:
            with sqlite.locked(state_file()):
                replaced = str(backups.bring_back(state_file(), file))
    except (ValueError, StartRefused, SQLAlchemyError) as error:
        hint = "Stop the server first." if isinstance(error, DatabaseInUse) else "Choose another file."
        fail(str(error), hint)
    print(f"The state is that of {file.name}. The one until now is kept in {replaced}.")


@app.command
def copy(*, back: Annotated[bool, Parameter(negative=(), help="From PostgreSQL to SQLite instead.")] = False) -> None:
    """Copy the state from SQLite to the PostgreSQL that DATABASE_URL names, while no server runs.

    The target has to be empty. What it was copied from stays as it is: that is the way back.
    """
    url = load_or_exit().database_url
    if not url:
        fail("DATABASE_URL is not set", "Put it into settings.env in the data directory: a password has no place here.")
    from better_paas.db import copies

    try:
        with _postgres(url) as shared, _sqlite(must_exist=not back) as single:
            source, target = (shared.writer, single) if back else (single, shared.writer)
            with source.begin() as reading, target.begin() as writing:
                if not copies.is_empty(writing):
                    fail(
                        "there is a state at the target already",
                        "Move better-paas.db away first." if back else "Name an empty database in DATABASE_URL.",
                    )
                counts = copies.copy(reading, writing)
                if missing := copies.differences(reading, writing):
                    fail(f"not everything arrived in {', '.join(missing)}; nothing was changed")
    except StartRefused as error:
        fail(str(error), error.hint)
    except (SQLAlchemyError, ValueError) as error:
        fail(f"nothing was copied: {getattr(error, 'orig', error)}", "What was there is as it was.")
    for name, count in sorted(counts.items()):
        print(f"{count:>10,}  {name}")
    if back:
        print("All is copied. Take DATABASE_URL out of settings.env, then start the server.")
    else:
        print("All is copied. Start the server: it uses PostgreSQL now. better-paas.db is no longer used.")


def _restore_to_postgres(url: str, file: Path) -> str:
    from better_paas.db import copies

    with _postgres(url, upgrades=False) as store:
        with store.reader.connect() as connection:
            is_ours = schema.version(connection) == schema.HEAD
        if is_ours:
            replaced = copies.keep(store.reader, _file(), "replaced", spared=file)
            copies.replace(store.writer, file)
            return str(replaced)
        aside = f"replaced_{now():%Y%m%d_%H%M%S}"
        copies.replace_other_version(store.writer, file, aside)
        return f"the schema {aside} of the database"


@contextmanager
def _postgres(url: str, upgrades: bool = True) -> Iterator["PostgresStore"]:
    """A state that no server uses meanwhile, neither it nor the SQLite one. Errors: StartRefused, DatabaseInUse."""
    from better_paas.db.postgres import PostgresStore

    store = PostgresStore(url, _file(), alone=True, upgrades=upgrades)
    store.open()
    try:
        with store.reader.connect() as connection:
            if store.living(connection) - {store.process()}:
                raise DatabaseInUse("a server uses this database", "Stop it first.")
        yield store
    finally:
        store.close()


@contextmanager
def _sqlite(must_exist: bool) -> Iterator[Engine]:
    file = state_file() if must_exist else _file()
    engine = sqlite.writer(file)
    try:
        schema.upgrade(engine, lambda: backups.keep(file, f"before-{schema.HEAD}"))
        yield engine
    finally:
        engine.dispose()


def _file() -> Path:
    """Where SQLite keeps the state, or would."""
    return Path(load_or_exit().data_dir).absolute() / sqlite.FILE_NAME
