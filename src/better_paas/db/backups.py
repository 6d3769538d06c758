"""Copies of the state: one is made before each change of its schema, so that there is a way back."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from better_paas.errors import StartRefused
from better_paas.kit.clock import now

FOLDER = "state-backups"
_KEPT = 5


def keep(database: Path, reason: str, spared: Path | None = None) -> Path:
    """A whole and consistent copy beside the database. Errors: StartRefused if it can't be written."""
    target = new_file(database, reason)
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StartRefused(
            f"the state can't be copied before it is changed: {error}", "Free some space, then start again."
        ) from error
    settle(target, database, spared)
    return target


def new_file(database: Path, reason: str) -> Path:
    """Where the next copy goes."""
    folder = database.parent / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{now():%Y%m%d-%H%M%S}-{reason}.db"


def settle(made: Path, database: Path, spared: Path | None = None) -> None:
    """A copy is whole: close it to others, and let the oldest go. spared: one that is needed yet."""
    made.chmod(0o600)
    for old in all_backups(database)[_KEPT:]:
        if spared is None or not old.samefile(spared):
            old.unlink()


def all_backups(database: Path) -> list[Path]:
    """The newest first."""
    return sorted((database.parent / FOLDER).glob("*.db"), reverse=True)


def bring_back(database: Path, backup: Path) -> Path:
    """Put `backup` in the database's place; where the one until now is kept. The caller holds the lock.

    Errors: ValueError if it is no state of ours.
    """
    with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as connection:
        try:
            good = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error:
            good = False
    if not good:
        raise ValueError(f"{backup} is no whole copy of the state")
    replaced = _set_aside(database, backup) if database.exists() else database
    incoming = database.with_suffix(".incoming")
    shutil.copyfile(backup, incoming)
    incoming.chmod(0o600)
    for leftover in (database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")):
        leftover.unlink(missing_ok=True)
    incoming.replace(database)  # one step
    return replaced


def _set_aside(database: Path, backup: Path) -> Path:
    """A copy of what is about to be replaced; as it is, if SQLite can't read it: that may be why it is replaced."""
    try:
        return keep(database, "replaced", spared=backup)
    except StartRefused as error:
        if isinstance(error.__cause__, sqlite3.OperationalError):  # no space, no right
            raise
    target = database.with_name(f"{now():%Y%m%d-%H%M%S}-unreadable.db")
    shutil.copyfile(database, target)
    target.chmod(0o600)
    return target
