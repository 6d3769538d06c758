"""`better-paas audit`: prove, read, export and prune the audit log."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from sqlalchemy.orm import Session

from better_paas.commands.local import call, changes, fail, read_state
from better_paas.kit.clock import now
from better_paas.settings import load_or_exit

app = App(name="audit", help="Prove, read, export and prune the audit log.")
_PAGE = 2_000
# Neither whole nor wrong: there is nothing to tell it by.
_UNKNOWN = 3
_WHERE = "Set BETTER_PAAS_DATA_DIR and DATABASE_URL to what the server uses."


@app.command
def verify(
    *, anchor: Annotated[list[Path] | None, Parameter(help="File with checkpoints that were kept elsewhere.")] = None
) -> None:
    """Check every entry, the tree and all checkpoints, also while no server runs.

    Exit code 1 if something is wrong, 3 if it can't be known.
    """
    from better_paas.audit.archive import prove
    from better_paas.audit.notes import PUBLIC_FILE, NoteRefused, Verifier

    folder = load_or_exit().data_dir
    try:
        verifier = Verifier.parse((folder / PUBLIC_FILE).read_text())
        anchors = "\n".join(path.read_text() for path in anchor or [])
    except (OSError, ValueError, NoteRefused) as error:
        fail(f"can't be checked: {error}", _WHERE, _UNKNOWN)
    if anchor and not anchors.strip():
        fail("can't be checked: the anchor files are empty", "Is what they are kept on there?", _UNKNOWN)
    started = time.perf_counter()
    try:
        report = prove(folder, load_or_exit().database_url, verifier, anchors)
    except OSError as error:
        fail(f"can't be checked: {error}", _WHERE, _UNKNOWN)
    seconds = time.perf_counter() - started
    print(f"Entries      {report.entries:,}" + (f" ({report.pruned:,} pruned)" if report.pruned else ""))
    print(f"Checkpoints  {report.checkpoints:,} signed by {verifier.name}; {report.uncovered} entries are newer")
    print(f"Anchors      {report.anchors or 'none given: a log that was put back whole would not be noticed'}")
    print(f"Root         {report.root}")
    if report.dangling:
        print(f"Unfinished   {len(report.dangling)} calls began and never ended: {_some(report.dangling)}")
    if not report.ok:
        fail("the audit log is not what it was:\n" + "\n".join(f"  - {finding}" for finding in report.findings))
    if not report.can_tell(now()):
        fail(
            "it can't be known whether the log is whole: no signature says that it ever had an entry",
            "So it looks on a server that nobody has used yet, and after somebody emptied it, checkpoints included.\n"
            "Give checkpoints that were kept elsewhere with --anchor.",
            _UNKNOWN,
        )
    print(f"The log is whole ({seconds:.1f} s).")


@app.command
def tail(
    lines: int = 20,
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative=(), help="Go on with what comes.")] = False,
) -> None:
    """Show the newest entries."""
    found = call("GET", f"/api/audit-logs?limit={max(1, min(lines, 500))}")
    for entry in reversed(found):
        print(_line(entry))
    last = int(found[0]["id"]) if found else 0
    for _ in changes("audit") if follow else ():
        newer = [entry for entry in call("GET", "/api/audit-logs?limit=500") if int(entry["id"]) > last]
        for entry in reversed(newer):
            print(_line(entry), flush=True)
            last = int(entry["id"])


@app.command
def export(
    *,
    form: Annotated[Literal["jsonl", "ocsf"], Parameter(name="--format", help="JSON lines, or OCSF events.")] = "jsonl",
    start: Annotated[int, Parameter(name="--from", help="Number of the first entry.")] = 1,
) -> None:
    """Write all entries to standard output, oldest first, a line each; also while no server runs."""
    from better_paas.audit import service
    from better_paas.audit.formats import FORMATS

    to_line = FORMATS[form]

    def write(session: Session) -> None:
        sys.stdout.writelines(to_line(record) for _, record in service.all_from(session, start, _PAGE))

    read_state(write)


@app.command
def prune(*, before: Annotated[str, Parameter(help="A moment such as 2026-01-31: what is older goes.")]) -> None:
    """Export old entries to a file, then delete their text. Their hashes stay, so the log can still be proven."""
    done = call("POST", "/api/audit-logs/prune", before=before)
    print(f"{done['pruned']:,} entries were written to {done['file']}")
    print(f"SHA-256 {done['digest']}; keep the file elsewhere, it is the only copy of their text.")


@app.command
def checkpoint() -> None:
    """Show the newest signed checkpoint. Kept on another machine, it proves later that nothing was cut off."""
    print(call("GET", "/api/audit-logs/checkpoint")["note"], end="")


def _line(entry: dict[str, Any]) -> str:
    who = entry["actorName"] or entry["actorId"] or "nobody"
    what = entry["resourceName"] or entry["resourceId"]
    tail = entry["error"] or (json.dumps(entry["payload"], ensure_ascii=False) if entry["payload"] else "")
    columns = f"{entry['createdAt'][:19]}  {entry['outcome']:8} {who:16.16} {entry['action']:20} {what:20.20}"
    return f"{columns} {tail[:80]}".rstrip()


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (" …" if len(numbers) > 5 else "")
