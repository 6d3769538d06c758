"""Whether a state is whole: its pages, what rows refer to, its schema."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from better_paas.db import schema

ADVICE = (
    "'better-paas db backups' shows the copies that there are, 'better-paas db restore FILE' brings one back while no "
    "server runs; what is there now is kept beside it. Apps and the ingress go on meanwhile."
)
_MOST_FAULTS = 20
# How many steps of SQLite's machine come between two looks at the clock.
_STEPS = 20_000


def file_faults(path: Path, seconds: float | None = None) -> list[str] | None:
    """What is wrong with a SQLite file, in words; None if it could not all be looked at within `seconds`.

    With a limit only the pages are looked at, else also what rows refer to. A look at all pages takes about a second
    for a gigabyte that is in memory.
    """
    deadline = time.monotonic() + seconds if seconds is not None else None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
            if deadline is not None:
                connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
            said = [row[0] for row in connection.execute(f"PRAGMA quick_check({_MOST_FAULTS})")]
            if said != ["ok"] or deadline is not None:
                return [line for each in said if each != "ok" for line in str(each).splitlines()][:_MOST_FAULTS]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_FAULTS)
            return [f"a row of {table} refers to one of {parent} that is not there" for table, _, parent, _ in orphans]
    except sqlite3.OperationalError as error:
        if deadline is not None and error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        return [str(error)]
    except sqlite3.Error as error:
        return [str(error)]


def schema_fault(engine: Engine) -> str:
    """Empty for a state of this version."""
    try:
        with engine.connect() as connection:
            found = schema.version(connection)
            missing = _tables() - set(inspect(connection).get_table_names())
    except SQLAlchemyError as error:
        return f"it can't be read: {_first_line(error)}"
    if found != schema.HEAD:
        return f"its schema is {found or 'missing'}, and this version of Better-PaaS has {schema.HEAD}"
    return f"tables are missing: {', '.join(sorted(missing))}" if missing else ""


def server_faults(engine: Engine) -> list[str]:
    """What PostgreSQL itself knows to be wrong with the database. It checks what rows refer to as they are written."""
    questions = {
        "index {} is not valid": "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
        "constraint {} was never checked": "SELECT conname FROM pg_constraint WHERE NOT convalidated",
        "{} pages had a wrong checksum": (
            "SELECT checksum_failures FROM pg_stat_database "
            "WHERE datname = current_database() AND checksum_failures > 0"
        ),
    }
    try:
        with engine.connect() as connection:
            return [
                words.format(row[0])
                for words, question in questions.items()
                for row in connection.execute(text(question))
            ]
    except SQLAlchemyError as error:
        return [f"it can't be read: {_first_line(error)}"]


def _tables() -> set[str]:
    from better_paas.db import tables

    return set(tables.Base.metadata.tables)


def _first_line(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
