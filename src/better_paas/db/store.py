"""What `Database` asks of the place where the state is kept: SQLite in the data directory, or PostgreSQL."""

import contextlib
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection, Engine

from better_paas.errors import StartRefused

# What a commit has changed, for other processes: {"topic": …, "id": …}.
News = dict[str, str]
# None: something may have been missed.
Told = Callable[[list[News] | None], None]


class DatabaseInUse(StartRefused):
    """Another process owns the data directory."""


class Store(Protocol):
    """is_shared: other processes may write to it too. readers: how many reads run at once.

    writer: each transaction of this engine has the state for itself, also among processes. reader: each transaction
    sees one consistent state, and can't change it.
    """

    is_shared: bool
    readers: int
    writer: Engine
    reader: Engine

    def open(self) -> None:
        """Take the locks and bring the schema up to date. Errors: StartRefused."""

    def close(self) -> None: ...

    def notify(self, connection: Connection, news: list[News]) -> None:
        """Let the other processes know, if and when this transaction is committed."""

    def listen(self, told: Told) -> None:
        """Call `told` with what other processes commit from now on, on a thread."""

    def lead(self, leading: Callable[[bool], None]) -> None:
        """Call `leading` with True when this process leads those that share the state, with False when no longer.

        At once, or on a thread.
        """

    def process(self) -> str:
        """This process among those that share the state."""

    def living(self, connection: Connection) -> set[str]:
        """Those of them that are alive, this one included."""

    def exclusive(self, name: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Nobody else, in no process, does the same meanwhile. Does not hold within this process."""
