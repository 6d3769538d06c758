"""Whole-log work on files: proving the database file, and moving old entries out of it."""

import functools
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

from better_paas.audit import service
from better_paas.audit.formats import to_jsonl
from better_paas.audit.models import AuditEntry
from better_paas.audit.notes import Verifier
from better_paas.audit.stored_log import opened
from better_paas.audit.verify import PRUNED, Report, read_anchors, verify
from better_paas.db.database import Database
from better_paas.db.sqlite import FILE_NAME
from better_paas.kit.clock import rfc3339
from better_paas.kit.ids import new_id

FOLDER = "audit-archive"
_PAGE = 5_000


@dataclass(frozen=True)
class Pruned:
    """first, last: numbers of the entries whose text is now in `file` alone. digest: its SHA-256."""

    first: int
    last: int
    file: Path
    digest: str


def prove(data_dir: Path, database_url: str, verifier: Verifier, anchors: str = "") -> Report:
    """Prove the log of an installation, whether its server runs or not. anchors: checkpoints kept elsewhere.

    Errors: OSError if it can't be opened.
    """
    with opened(data_dir / FILE_NAME, database_url) as log:
        return verify(log, verifier, read_anchors(anchors))


async def prune(database: Database, data_dir: Path, before: str) -> Pruned | None:
    """Export what is older than `before` (RFC 3339), then delete its text. Errors: ValueError for no moment.

    Killed in between, it leaves an export too many and nothing else: the text goes last.
    """
    moment = datetime.fromisoformat(before)
    limit = rfc3339(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment, "microseconds")
    span = await database.read(lambda session: service.older_than(session, limit))
    if span is None:
        return None
    first, last = span
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"entries-{first}-{last}.jsonl"
    done = Pruned(first, last, path, await _export(database, first, last, path))

    def forget(session: Session) -> None:
        # What was pruned before is said by entries that stay.
        kept = AuditEntry.action.is_distinct_from(PRUNED)
        session.execute(update(AuditEntry).where(AuditEntry.id.between(first, last), kept).values(record=None))
        # In the same commit: a text that is gone is always explained by the log itself.
        payload = {"from": first, "to": last, "digest": done.digest, "file": path.name}
        entry = service.by_platform(PRUNED, "success", new_id(16), payload=payload)
        service.record(session, entry)

    await database.write(forget)
    return done


async def _export(database: Database, first: int, last: int, path: Path) -> str:
    """Write these entries to `path`, read them back, and give the SHA-256. Errors: OSError."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        position = first
        while position <= last:
            rows = await database.read(functools.partial(service.records_from, first=position, limit=_PAGE))
            rows = [row for row in rows if row[0] <= last]
            if not rows:
                break
            data = "".join(to_jsonl(record) for _, record in rows).encode()
            file.write(data)
            digest.update(data)
            position = rows[-1][0] + 1
        file.flush()
        os.fsync(file.fileno())
    if hashlib.sha256(path.read_bytes()).digest() != digest.digest():
        raise OSError(f"{path} can't be read back as it was written")
    return digest.hexdigest()
