"""`better-paas db`: copies of the state, and the way back to one."""

from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App

from better_paas.commands.local import fail, settings
from better_paas.db import backups
from better_paas.db.database import DatabaseInUse, locked
from better_paas.errors import StartRefused

app = App(name="db", help="Copies of the state.")


@app.command
def backup() -> None:
    """Copy the state now; the server may run or not."""
    try:
        print(backups.keep(_database(), "by-hand"))
    except StartRefused as error:
        fail(str(error), error.hint)


@app.command(name="backups")
def show() -> None:
    """Show the copies that there are, the newest first. One is made before each change by an update."""
    found = backups.all_backups(_database())
    for path in found:
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        print(f"{when:%Y-%m-%d %H:%M}  {path.stat().st_size // 1024:>8} KiB  {path}")
    if not found:
        print("There are none yet. 'better-paas db backup' makes one.")


@app.command
def restore(file: Path, /) -> None:
    """Put a copy in the place of the state, while no server runs. The state until now is kept as a copy too."""
    database = _database()
    if not file.is_file():
        fail(f"there is no file {file}", "'better-paas db backups' shows what there is.")
    try:
        with locked(database):
            replaced = backups.bring_back(database, file)
    except (ValueError, StartRefused) as error:
        hint = "Stop the server first." if isinstance(error, DatabaseInUse) else "Choose another file."
        fail(str(error), hint)
    print(f"The state is that of {file.name}. The one until now is kept in {replaced}.")


def _database() -> Path:
    path = Path(settings().data_dir) / "better-paas.db"
    if not path.exists():
        fail(f"there is no database in {path.parent}", "Set BETTER_PAAS_DATA_DIR to the folder that the server uses.")
    return path
