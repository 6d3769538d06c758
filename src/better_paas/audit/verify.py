"""Proves the log: every entry against its hash, the tree against the signed checkpoints, those against anchors.

Memory stays the same however long the log is.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from better_paas.audit.merkle import Tree, leaf_hash, leaf_hashes
from better_paas.audit.notes import Checkpoint, NoteRefused, Verifier
from better_paas.audit.stored_log import Row, StoredLog

_MOST_FINDINGS = 50
# A clock that is corrected by less than this is no finding.
_CLOCK_TOLERANCE = timedelta(seconds=90)
# A checkpoint comes within a minute of news.
_SIGNED_WITHIN = timedelta(minutes=2)
_TIME = b'"createdAt":"'
_TIME_LENGTH = 27
# Names are sorted, so an entry begins with its action.
PRUNED = "audit:pruned"
_PRUNED = f'{{"action":"{PRUNED}"'.encode()


@dataclass
class Report:
    """findings: what is wrong, in words. dangling: intents without an outcome. uncovered: entries behind the last
    checkpoint, which no signature vouches for yet. vouched: entries that a signature says there were, at the most.
    began: when the first entry was written, as it says itself; empty if its text is gone."""

    entries: int = 0
    pruned: int = 0
    checkpoints: int = 0
    anchors: int = 0
    uncovered: int = 0
    vouched: int = 0
    began: str = ""
    root: str = ""
    findings: list[str] = field(default_factory=list)
    dangling: list[int] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings

    def can_tell(self, moment: datetime) -> bool:
        """Whether this proves anything. What was emptied, or lost its end with all checkpoints, looks like what never
        had them; only a log that began just now has none yet."""
        if self.findings or self.vouched:
            return True
        try:
            return abs(moment - datetime.fromisoformat(self.began)) < _SIGNED_WITHIN
        except ValueError:
            return False

    def find(self, text: str) -> None:
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(text)


@dataclass(frozen=True)
class _Statement:
    """A size and root that someone vouches for. source: in words, for findings."""

    size: int
    root: bytes
    source: str


def read_anchors(text: str) -> list[str]:
    """The checkpoints in an anchor file: one after the other, as `paas` and the server write them."""
    notes: list[str] = []
    lines: list[str] = []
    # A syslog message is one line: there the ends of lines are written out.
    for line in text.replace("\\n", "\n").splitlines():
        if line.startswith("#") or not (lines or line.strip()):
            continue
        lines.append(line)
        if line.startswith("\u2014 "):
            notes.append("\n".join(lines) + "\n")
            lines = []
    # What is left over is no checkpoint, and is told as such: an anchor that can't be read proves nothing.
    return [*notes, "\n".join(lines)] if any(line.strip() for line in lines) else notes


def verify(log: StoredLog, verifier: Verifier, anchors: Iterable[str] = ()) -> Report:
    """anchors: signed checkpoints that were kept elsewhere."""
    report = Report()
    stored = _statements(((f"the checkpoint at {size}", note) for size, note in log.notes()), verifier, report)
    kept = _statements(((f"anchor {number}", note) for number, note in enumerate(anchors, 1)), verifier, report)
    report.checkpoints, report.anchors = len(stored), len(kept)
    sent = log.sent()  # before the entries: more may come meanwhile
    _walk(log, sorted([*stored, *kept], key=lambda statement: statement.size), report)
    covered = max((statement.size for statement in stored), default=0)
    report.uncovered = max(0, report.entries - covered)
    report.vouched = max((statement.size for statement in [*stored, *kept]), default=0)
    for name, position in sent:
        if position > report.entries and report.ok:
            kind = name.partition(" ")[0]  # the rest is an address, which may hold a secret
            report.find(
                f"the log ends at entry {report.entries}, but {position} were there when its {kind} was written"
            )
    report.dangling = log.dangling()
    return report


def _statements(notes: Iterable[tuple[str, str]], verifier: Verifier, report: Report) -> list[_Statement]:
    found = []
    for source, note in notes:
        try:
            checkpoint: Checkpoint = verifier.open(note)
        except NoteRefused as error:
            report.find(f"{source} is not valid: {error}")
            continue
        if checkpoint.origin != verifier.name:
            report.find(f"{source} is of another log ({checkpoint.origin})")
            continue
        found.append(_Statement(checkpoint.size, checkpoint.root, source))
    return found


def _walk(log: StoredLog, statements: list[_Statement], report: Report) -> None:
    tree, waiting, good_until, reader = Tree(), list(reversed(statements)), 0, _Reader(report)
    while waiting and waiting[-1].size == 0:
        good_until = _compare(waiting.pop(), tree, good_until, report)
    for rows in log.rows():
        leaves = reader.leaves_of(rows)
        # Trees are compared where somebody vouches for one; in between whole batches are hashed at once.
        while waiting and waiting[-1].size <= tree.size + len(leaves):
            count = waiting[-1].size - tree.size
            tree.extend(leaves[:count])
            leaves = leaves[count:]
            good_until = _compare(waiting.pop(), tree, good_until, report)
        tree.extend(leaves)
        if reader.broken:
            return
    report.root = tree.root().hex()
    for statement in reversed(waiting):
        report.find(
            f"the log ends at entry {report.entries}, but {statement.source} says that it had {statement.size}: "
            "its end was cut off, or an old copy was put in its place"
        )
    _check_pruned(reader.missing, reader.prunes, report)


class _Reader:
    """Checks rows one after the other. broken: a number is missing, so the tree can't be followed any further."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._expected = 1
        self._last_time = b""
        self.prunes: list[tuple[int, int]] = []
        self.missing: list[int] = []
        self.broken = False

    def leaves_of(self, rows: list[Row]) -> list[bytes]:
        """The leaf hashes of these rows, made from what is stored."""
        if not self._report.began and rows[0][1] is not None:
            self._report.began = _time_of(rows[0][1]).decode(errors="replace")
        return self._quick(rows) or self._careful(rows)

    def _quick(self, rows: list[Row]) -> list[bytes] | None:
        """A batch in which all is as it should be; else nothing, and each row is looked at by itself."""
        first, last = rows[0][0], rows[-1][0]
        texts = [text for _, text, _ in rows if text is not None]
        # Numbers are unique and sorted: the ends and the count say that none is missing.
        if first != self._expected or not last - first + 1 == len(rows) == len(texts):
            return None
        made = leaf_hashes(texts)
        if made != [leaf for _, _, leaf in rows]:
            return None
        times = [text[(start := text.find(_TIME) + len(_TIME)) : start + _TIME_LENGTH] for text in texts]
        if times[0] < self._last_time or times != sorted(times):
            return None
        for number in [number for number, text in enumerate(texts, first) if text.startswith(_PRUNED)]:
            self.prunes += _pruned_range(texts[number - first], number)
        self._expected, self._last_time, self._report.entries = last + 1, times[-1], last
        return made

    def _careful(self, rows: list[Row]) -> list[bytes]:
        leaves: list[bytes] = []
        for number, text, leaf in rows:
            if number != self._expected:
                self._report.find(_gap(self._expected, number))
                self.broken = True
                break
            self._expected, self._report.entries = number + 1, number
            if text is None:
                self._report.pruned += 1
                self.missing.append(number)
                leaves.append(leaf)
                continue
            made = leaf_hash(text)
            if made != leaf:
                self._report.find(f"entry {number} was changed")
            leaves.append(made)
            self._look_at_time(number, _time_of(text))
            if text.startswith(_PRUNED):
                self.prunes += _pruned_range(text, number)
        return leaves

    def _look_at_time(self, number: int, moment: bytes) -> None:
        if moment < self._last_time and _back(moment, self._last_time):
            before, after = (text.decode(errors="replace") for text in (self._last_time, moment))
            self._report.find(f"the clock went back at entry {number}: {before} is followed by {after}")
        self._last_time = moment


def _time_of(text: bytes) -> bytes:
    start = text.find(_TIME) + len(_TIME)
    return text[start : start + _TIME_LENGTH]


def _compare(statement: _Statement, tree: Tree, good_until: int, report: Report) -> int:
    if tree.size == statement.size and tree.root() == statement.root:
        return statement.size
    report.find(
        f"{statement.source} does not fit: something from entry {good_until + 1} to {statement.size} was changed, "
        "swapped, inserted or removed"
    )
    return good_until


def _gap(expected: int, number: int) -> str:
    if number < expected:
        return f"entry {number} is there twice"
    last = number - 1
    return f"entry {expected} is missing" if last == expected else f"entries {expected} to {last} are missing"


def _back(moment: bytes, last: bytes) -> bool:
    try:
        then, now = (datetime.fromisoformat(text.decode()) for text in (last, moment))
        return then - now > _CLOCK_TOLERANCE
    except ValueError:
        return True


def _pruned_range(text: bytes, number: int) -> list[tuple[int, int]]:
    """The numbers that this entry says were pruned: all of them before its own."""
    entry: dict[str, Any] = json.loads(text)
    payload = entry.get("payload", {})
    if (entry.get("action"), entry.get("actorType")) != (PRUNED, "system"):
        return []
    first, last = int(payload.get("from", 0)), int(payload.get("to", 0))
    return [(first, last)] if 0 < first <= last < number else []


def _check_pruned(missing: list[int], prunes: list[tuple[int, int]], report: Report) -> None:
    """A record may be gone only where the log itself says that it was exported and pruned."""
    unexplained = [number for number in missing if not any(first <= number <= last for first, last in prunes)]
    if unexplained:
        report.find(f"the text of entry {unexplained[0]} is gone, and the log does not say that it was pruned")
