"""Writes and reads the audit log. Entries ride in the transaction of the unit that leaves them."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.orm import Session

from better_paas.audit.merkle import Tree, leaf_hash
from better_paas.audit.models import AuditCheckpoint, AuditEntry, AuditSink
from better_paas.audit.notes import Checkpoint, Signer
from better_paas.db.database import after_commit, append_row
from better_paas.kit.clock import now, rfc3339

Outcome = Literal["intent", "success", "failure", "denied", "pending"]
# In `session.info`: called on the event loop when entries are on disk.
ON_AUDIT = "on_audit"

# A page looks at no more than this many entries where no single index answers its question.
_WINDOW = 4_000
_PAGE_SECONDS = 0.03
_CHECKPOINT_BATCH = 20_000


@dataclass(frozen=True)
class Entry:
    """What one line says. payload: only fields that the action's policy row allows."""

    actor_type: str
    actor_id: str
    action: str
    outcome: Outcome
    request_id: str
    source: str = "api"
    actor_name: str = ""
    resource_type: str = ""
    resource_id: str | None = None
    resource_name: str = ""
    ip_address: str | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    diff: dict[str, Any] = field(default_factory=dict)
    args_digest: str = ""
    decision: str = ""
    approval_id: str = ""
    error: str | None = None
    status: int | None = None
    duration_ms: int | None = None
    # How many events of one kind this line stands for: a flood of guesses is one line.
    count: int = 1
    created_at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class Filters:
    """Which entries are wanted; empty fields ask for nothing. since, until: RFC 3339. text: anywhere in the entry."""

    actor: str = ""
    action: str = ""
    resource: str = ""
    outcome: str = ""
    request: str = ""
    since: str = ""
    until: str = ""
    text: str = ""


@dataclass(frozen=True)
class Page:
    """entries: newest first, as (id, record). next: where to go on, None at the end of the log."""

    entries: list[tuple[int, str]]
    next: int | None


def record(session: Session, entry: Entry) -> None:
    """Leave `entry` in this unit. It is on disk when the unit is, and not at all if the unit fails."""
    append_row(session, entry)
    hook: Callable[[], None] | None = session.info.get(ON_AUDIT)
    if hook is not None:
        after_commit(session, hook)


def by_platform(action: str, outcome: Outcome, request_id: str, **fields: Any) -> Entry:
    """What nobody asked for with a token: the server's own acts, and those of someone on its machine."""
    return Entry("system", "system", action, outcome, request_id, source="system", **fields)


def failed_sign_in(address: str, request_id: str, count: int = 1) -> Entry:
    """A wrong token; count: how many attempts the line stands for."""
    return Entry(
        "anonymous", "", "auth:verify", "denied", request_id, ip_address=address, error="wrong token", count=count,
        decision="deny",
    )  # fmt: skip


def canonical(entry: Entry, number: int) -> str:
    """The text that is stored and hashed: compact JSON with sorted names. Empty fields are left out."""
    fields = {
        "seq": number,
        "createdAt": rfc3339(entry.created_at, "microseconds"),
        "actorType": entry.actor_type,
        "actorId": entry.actor_id,
        "actorName": entry.actor_name,
        "action": entry.action,
        "outcome": entry.outcome,
        "requestId": entry.request_id,
        "source": entry.source,
        "resourceType": entry.resource_type,
        "resourceId": entry.resource_id,
        "resourceName": entry.resource_name,
        "ipAddress": entry.ip_address,
        "payload": entry.payload,
        "diff": entry.diff,
        "argsDigest": entry.args_digest,
        "decision": entry.decision,
        "approvalId": entry.approval_id,
        "error": entry.error,
        "status": entry.status,
        "durationMs": entry.duration_ms,
        "count": entry.count if entry.count != 1 else None,
    }
    kept = {name: value for name, value in fields.items() if value not in (None, "", {})}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def append(connection: Connection, entries: list[Entry]) -> None:
    """The database's appender: all entries of a group by one statement, numbered without a gap."""
    last = connection.execute(select(func.max(AuditEntry.id))).scalar() or 0
    rows = []
    for number, entry in enumerate(entries, last + 1):
        text = canonical(entry, number)
        rows.append({"id": number, "record": text, "leaf": leaf_hash(text.encode())})
    connection.execute(insert(AuditEntry), rows)


def page(session: Session, filters: Filters, limit: int, before: int | None) -> Page:
    """Entries with a number below `before`, newest first.

    Where no single index answers, it looks through the log for a bounded time: the page may then be short, and
    `next` says where to go on.
    """
    lowest, top = _bounds(session, filters)
    top = top if before is None else min(before, top)
    wanted = _conditions(filters)
    columns = select(AuditEntry.id, AuditEntry.record).where(AuditEntry.record.is_not(None), *wanted)
    columns = columns.order_by(AuditEntry.id.desc())
    if len(wanted) <= 1 and not filters.text:
        rows = session.execute(columns.where(AuditEntry.id >= lowest, AuditEntry.id < top).limit(limit)).all()
        found = [(row[0], row[1] or "") for row in rows]
        return Page(found, found[-1][0] if len(found) == limit else None)
    entries: list[tuple[int, str]] = []
    deadline = time.perf_counter() + _PAGE_SECONDS
    while top > lowest and len(entries) < limit and time.perf_counter() < deadline:
        bottom = max(lowest, top - _WINDOW)
        window = columns.where(AuditEntry.id >= bottom, AuditEntry.id < top).limit(limit - len(entries))
        entries += [(row[0], row[1] or "") for row in session.execute(window)]
        top = entries[-1][0] if len(entries) == limit else bottom
    return Page(entries, top if top > lowest else None)


def _bounds(session: Session, filters: Filters) -> tuple[int, int]:
    """The first number of the wanted time and the one behind its last. Times grow with the numbers."""
    by_time = select(AuditEntry.id).order_by(AuditEntry.created_at).limit(1)
    lowest, top = 1, size(session) + 1
    if filters.since:
        lowest = session.scalar(by_time.where(AuditEntry.created_at >= filters.since)) or top
    if filters.until:
        top = session.scalar(by_time.where(AuditEntry.created_at >= filters.until)) or top
    return lowest, top


def _conditions(filters: Filters) -> list[Any]:
    pairs = (
        (AuditEntry.actor_id, filters.actor),
        (AuditEntry.action, filters.action),
        (AuditEntry.resource_id, filters.resource),
        (AuditEntry.outcome, filters.outcome),
        (AuditEntry.request_id, filters.request),
    )
    conditions: list[Any] = [column == value for column, value in pairs if value]
    if filters.text:
        conditions.append(AuditEntry.record.contains(filters.text, autoescape=True))
    return conditions


def records_from(session: Session, first: int, limit: int) -> list[tuple[int, str]]:
    """Entries from `first` on, oldest first, without those that were pruned."""
    query = select(AuditEntry.id, AuditEntry.record).where(AuditEntry.id >= first, AuditEntry.record.is_not(None))
    return [(row[0], row[1] or "") for row in session.execute(query.order_by(AuditEntry.id).limit(limit))]


def all_from(session: Session, first: int, page: int) -> Iterator[tuple[int, str]]:
    """Entries from `first` on to the end of the log, oldest first, read a page at a time."""
    while rows := records_from(session, first, page):
        yield from rows
        first = rows[-1][0] + 1


def notes_from(session: Session, first: int, limit: int) -> list[tuple[int, str]]:
    """Checkpoints of this size and more, the oldest first, as (size, note)."""
    query = select(AuditCheckpoint.size, AuditCheckpoint.note).where(AuditCheckpoint.size >= first)
    return [(row[0], row[1]) for row in session.execute(query.order_by(AuditCheckpoint.size).limit(limit))]


def sink_position(session: Session, name: str) -> int:
    sink = session.get(AuditSink, name)
    return sink.position if sink is not None else 0


def move_sink(session: Session, name: str, position: int | None, problem: str) -> None:
    """Note that a sink has everything up to `position` (None: as before), or what keeps it from getting more."""
    sink = session.get(AuditSink, name)
    if sink is None:
        sink = AuditSink(name=name, position=0, problem="", changed_at=now())
        session.add(sink)
    sink.position = sink.position if position is None else position
    sink.problem, sink.changed_at = problem, now()


def sinks(session: Session) -> list[AuditSink]:
    return list(session.scalars(select(AuditSink).order_by(AuditSink.name)))


def older_than(session: Session, moment: str) -> tuple[int, int] | None:
    """The first and the last entry with its text that is older than `moment`, or None."""
    first = session.scalar(select(AuditEntry.id).where(AuditEntry.record.is_not(None)).order_by(AuditEntry.id).limit(1))
    behind = session.scalar(
        select(AuditEntry.id).where(AuditEntry.created_at >= moment).order_by(AuditEntry.created_at).limit(1)
    )
    last = (behind if behind is not None else size(session) + 1) - 1
    return (first, last) if first is not None and first <= last else None


def get(session: Session, number: int) -> str | None:
    return session.scalar(select(AuditEntry.record).where(AuditEntry.id == number))


def last_checkpoint(session: Session) -> AuditCheckpoint | None:
    return session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.size.desc()).limit(1)).first()


def add_checkpoint(session: Session, signer: Signer) -> AuditCheckpoint | None:
    """A checkpoint over all that is there, or None if there is nothing new."""
    last = last_checkpoint(session)
    tree = Tree(last.size, map(bytes.fromhex, last.frontier)) if last is not None else Tree()
    while leaves := session.scalars(
        select(AuditEntry.leaf).where(AuditEntry.id > tree.size).order_by(AuditEntry.id).limit(_CHECKPOINT_BATCH)
    ).all():
        tree.extend(list(leaves))
    if tree.size == (last.size if last is not None else 0):
        return None
    moment = now()
    checkpoint = Checkpoint(signer.verifier.name, tree.size, tree.root(), rfc3339(moment, "seconds"))
    note = signer.sign(checkpoint)
    made = AuditCheckpoint(
        size=tree.size, note=note, frontier=[root.hex() for root in tree.frontier], created_at=moment
    )
    session.add(made)
    return made


def size(session: Session) -> int:
    return session.scalar(select(func.max(AuditEntry.id))) or 0
