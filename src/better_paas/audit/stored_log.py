"""The stored log as its proof reads it: straight from the database, a batch at a time, texts as bytes.

As bytes because the text is hashed as it is stored, and decoding it would cost more than the hash.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

# (number, text, leaf)
Row = tuple[int, bytes | None, bytes]

# More at once is slower: the texts no longer fit the processor's cache.
_BATCH = 512
# How much of the file is mapped: a quarter faster than copying each page.
_MAPPED = 2**31
_NOTES = "SELECT size, note FROM audit_checkpoints ORDER BY size"
_SENT = "SELECT name, position FROM audit_sinks ORDER BY position DESC"
_DANGLING = """
    SELECT id FROM audit_entries AS intent WHERE outcome = 'intent' AND NOT EXISTS (
        SELECT 1 FROM audit_entries AS other
        WHERE other.request_id = intent.request_id AND other.outcome IN ('success', 'failure')
    ) ORDER BY id DESC LIMIT 100"""


class StoredLog(Protocol):
    def notes(self) -> Iterable[tuple[int, str]]:
        """All checkpoints as (size, note), the smallest first."""

    def rows(self) -> Iterator[list[Row]]:
        """All entries by their number."""

    def sent(self) -> Iterable[tuple[str, int]]:
        """(name, position) of all copies outside: so many entries were there when they were sent."""

    def dangling(self) -> list[int]:
        """The newest intents whose outcome was never written: the server died in between."""


class SqliteLog:
    def __init__(self, connection: sqlite3.Connection) -> None:
        """connection: read-only."""
        self._connection = connection

    def notes(self) -> Iterable[tuple[int, str]]:
        return self._connection.execute(_NOTES).fetchall()

    def rows(self) -> Iterator[list[Row]]:
        text_factory, self._connection.text_factory = self._connection.text_factory, bytes
        try:
            cursor = self._connection.execute("SELECT id, record, leaf FROM audit_entries ORDER BY id")
            while rows := cursor.fetchmany(_BATCH):
                yield rows
        finally:
            self._connection.text_factory = text_factory

    def sent(self) -> Iterable[tuple[str, int]]:
        return self._connection.execute(_SENT).fetchall()

    def dangling(self) -> list[int]:
        return [row[0] for row in self._connection.execute(_DANGLING)]


class PostgresLog:
    def __init__(self, connection: Any) -> None:
        """connection: psycopg's."""
        self._connection = connection

    def notes(self) -> Iterable[tuple[int, str]]:
        found: list[tuple[int, str]] = self._connection.execute(_NOTES).fetchall()
        return found

    def rows(self) -> Iterator[list[Row]]:
        query = "SELECT id, convert_to(record, 'UTF8'), leaf FROM audit_entries ORDER BY id"
        # A cursor of the server's: memory stays the same however long the log is.
        with self._connection.cursor("audit", binary=True) as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(_BATCH):
                yield rows

    def sent(self) -> Iterable[tuple[str, int]]:
        found: list[tuple[str, int]] = self._connection.execute(_SENT).fetchall()
        return found

    def dangling(self) -> list[int]:
        return [row[0] for row in self._connection.execute(_DANGLING)]


@contextlib.contextmanager
def opened(file: Path, database_url: str) -> Iterator[StoredLog]:
    """The log in a SQLite file or, where there is an address, in PostgreSQL. The server may run or not.

    Errors: OSError if it can't be opened, or is no database.
    """
    if database_url:
        import psycopg

        try:
            with psycopg.connect(database_url, options="-c default_transaction_isolation=repeatable\\ read") as found:
                yield PostgresLog(found)
        except psycopg.OperationalError as error:
            raise OSError(f"PostgreSQL can't be used: {error}") from None
        return
    if not file.exists():
        raise OSError(f"there is no database in {file.parent}")
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        connection.execute(f"PRAGMA mmap_size={_MAPPED}")
        yield SqliteLog(connection)
    except sqlite3.DatabaseError as error:
        raise OSError(f"the database can't be read: {error}") from None
    finally:
        connection.close()
