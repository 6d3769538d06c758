"""What somebody does who gets at the database itself, whichever it is."""

import sqlite3
from pathlib import Path
from typing import Protocol

import psycopg

from better_paas.db.sqlite import FILE_NAME


class Refused(Exception):
    """The database does not take it."""


class Installation(Protocol):
    """Settings, or a server of the system tests."""

    @property
    def data_dir(self) -> Path: ...
    @property
    def database_url(self) -> str: ...


def execute(settings: Installation, statement: str, *values) -> list[tuple]:
    """The rows that one statement gives. Values stand for `?`."""
    try:
        if settings.database_url:
            with psycopg.connect(settings.database_url) as connection:
                cursor = connection.execute(statement.replace("?", "%s") if values else statement, values or None)
                return cursor.fetchall() if cursor.description else []
        with sqlite3.connect(settings.data_dir / FILE_NAME) as connection:
            return connection.execute(statement, values).fetchall()
    except (sqlite3.OperationalError, psycopg.DataError) as error:
        raise Refused(str(error)) from error


def everything(settings: Installation) -> bytes:
    """All that is stored."""
    if not settings.database_url:
        return b"".join(path.read_bytes() for path in settings.data_dir.glob(f"{FILE_NAME}*"))
    tables = execute(settings, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for (table,) in tables for row in execute(settings, f'SELECT t::text FROM "{table}" t')]
    return "\n".join(text for (text,) in rows).encode()
