"""Enqueue, claim, renew and finish jobs. Each call is one write unit."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from better_paas.errors import Conflict
from better_paas.jobs.models import Job, JobStep
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id

LEASE = timedelta(seconds=60)
# A job that has ended so many processes would end the next one, too.
MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Claim:
    """A job that this worker holds until its lease ends."""

    id: str
    kind: str
    payload: dict[str, Any]
    lease_token: str
    attempt: int
    cancel_requested: bool = False


def enqueue(
    session: Session, kind: str, payload: dict[str, Any], *, lock_key: str | None = None, dedupe_key: str | None = None
) -> Job:
    """Add a job. A queued one with the same `dedupe_key` is replaced: it ends as cancelled.

    A caller that must know which one was replaced looks with `queued` before.
    """
    if dedupe_key is not None:
        for replaced in session.scalars(select(Job).where(Job.dedupe_key == dedupe_key, Job.status == "queued")):
            _end(replaced, "cancelled", "replaced by a newer one")
        session.flush()
    job = Job(
        id=new_id(16),
        kind=kind,
        payload=payload,
        status="queued",
        lock_key=lock_key,
        dedupe_key=dedupe_key,
        lease_token=None,
        lease_until=None,
        attempt=0,
        deadline=None,
        created_at=now(),
        started_at=None,
        finished_at=None,
    )
    session.add(job)
    return job


class LeaseLost(Conflict):
    """Another worker has taken the job over, and looks after all that belongs to it."""

    def __init__(self) -> None:
        super().__init__("Another worker has taken this job over", code="stale_lease")


def claim(
    session: Session, kinds: frozenset[str], process: str = "", only_new: frozenset[str] = frozenset()
) -> Claim | None:
    """The oldest queued job of `kinds` whose lock is free, now running under a new lease of this process.

    only_new: of these kinds none that a process has ended over.
    """
    held = select(Job.lock_key).where(Job.status == "running", Job.lock_key.is_not(None))
    job = session.scalars(
        select(Job)
        .where(Job.status == "queued", Job.kind.in_(kinds), Job.lock_key.is_(None) | Job.lock_key.not_in(held))
        .where((Job.attempt == 0) | Job.kind.not_in(only_new))
        .order_by(Job.created_at, Job.id)
        .limit(1)
    ).first()
    if job is None:
        return None
    job.status, job.lease_token, job.lease_until = "running", f"{process}.{new_id(24)}", now() + LEASE
    job.attempt += 1
    job.started_at = job.started_at or now()
    return Claim(job.id, job.kind, job.payload, job.lease_token, job.attempt, job.cancel_requested)


def renew(session: Session, claimed: Claim) -> None:
    """Extend the lease. Errors: LeaseLost."""
    _held(session, claimed).lease_until = now() + LEASE


def give_back(session: Session, claimed: Claim) -> None:
    """Queue a running job again as if it had not been claimed: this process stops in good order."""
    job = _held(session, claimed)
    job.attempt -= 1
    job.dedupe_key = None
    job.status, job.lease_token, job.lease_until = "queued", None, None


def is_queued(session: Session, job_id: str) -> bool:
    job = session.get(Job, job_id)
    return job is not None and job.status == "queued"


def before(session: Session, job_id: str) -> int:
    """How many queued jobs of its kind are taken before this one; -1 if it does not wait itself."""
    job = session.get(Job, job_id)
    if job is None or job.status != "queued":
        return -1
    earlier = (Job.created_at < job.created_at) | ((Job.created_at == job.created_at) & (Job.id < job.id))
    query = select(func.count()).select_from(Job).where(Job.status == "queued", Job.kind == job.kind, earlier)
    return session.scalar(query) or 0


def is_open(session: Session, job_id: str) -> bool:
    """Whether the job waits or runs."""
    job = session.get(Job, job_id)
    return job is not None and job.status in ("queued", "running")


def finish(session: Session, claimed: Claim, status: str, error: str = "") -> None:
    """End the job. Errors: LeaseLost."""
    _end(_held(session, claimed), status, error)


def orphans(session: Session, living: Collection[str]) -> list[Job]:
    """Running jobs whose process is not among the living ones, or has not renewed its lease."""
    moment = now()
    return [
        job
        for job in session.scalars(select(Job).where(Job.status == "running"))
        if (job.lease_token or "").partition(".")[0] not in living
        or job.lease_until is None
        or job.lease_until < moment
    ]


def release_orphans(session: Session, living: Collection[str] = (), only: Collection[str] | None = None) -> int:
    """Queue jobs that nobody works at any more, and say how many. only: leases of those that are meant; None for all.

    Whoever claims one again sees by its attempt how often a process has ended over it.
    """
    resumed = 0
    for job in orphans(session, living):
        if only is not None and job.lease_token not in only:
            continue
        resumed += 1
        # The queued key stays unique: a newer job of the same key was queued meanwhile and wins after this one.
        job.dedupe_key = None
        job.status, job.lease_token, job.lease_until = "queued", None, None
    return resumed


def request_cancel(session: Session, job_id: str) -> str:
    """Mark a job to be cancelled and give the status that it had. A queued one ends at once."""
    job = session.get(Job, job_id)
    if job is None:
        return "missing"
    before = job.status
    if before == "queued":
        _end(job, "cancelled", "cancelled before it began")
    elif before == "running":
        job.cancel_requested = True
    return before


def waiting(session: Session) -> tuple[int, datetime | None]:
    """(how many jobs wait, since when the oldest does)."""
    query = select(func.count(), func.min(Job.created_at)).where(Job.status == "queued")
    count, oldest = session.execute(query).one()
    return count, oldest


def saved_output(session: Session, job_id: str, name: str) -> dict[str, Any] | None:
    """What a finished step gave, or None if it has to run."""
    step = session.get(JobStep, (job_id, name))
    return (step.output or {}) if step is not None and step.status == "done" else None


def save_step(session: Session, claimed: Claim, name: str, status: str, output: dict[str, Any] | None) -> None:
    """Record that a step began (`running`) or ended. Errors: LeaseLost."""
    _held(session, claimed)
    step = session.get(JobStep, (claimed.id, name))
    if step is None:
        position = len(session.scalars(select(JobStep.name).where(JobStep.job_id == claimed.id)).all())
        step = JobStep(job_id=claimed.id, name=name, position=position, started_at=now())
        session.add(step)
    elif status == "running":
        step.started_at = now()
    step.status, step.output = status, output
    step.finished_at = None if status == "running" else now()


def steps_of(session: Session, job_ids: list[str]) -> dict[str, list[JobStep]]:
    """Steps by job, in their order."""
    result: dict[str, list[JobStep]] = {}
    query = select(JobStep).where(JobStep.job_id.in_(job_ids)).order_by(JobStep.job_id, JobStep.position)
    for step in session.scalars(query):
        result.setdefault(step.job_id, []).append(step)
    return result


def forget_finished(session: Session, keep: Callable[[Job], bool], older_than: timedelta) -> None:
    """Delete ended jobs that nobody asks about any more."""
    limit = now() - older_than
    for job in session.scalars(select(Job).where(Job.finished_at.is_not(None), Job.finished_at < limit)).all():
        if not keep(job):
            session.delete(job)


def fail_running_steps(session: Session, job_id: str, status: str) -> None:
    session.execute(
        update(JobStep)
        .where(JobStep.job_id == job_id, JobStep.status == "running")
        .values(status=status, finished_at=now())
    )


def _held(session: Session, claimed: Claim) -> Job:
    job = session.get(Job, claimed.id)
    if job is None or job.status != "running" or job.lease_token != claimed.lease_token:
        raise LeaseLost
    return job


def _end(job: Job, status: str, error: str) -> None:
    job.status, job.error, job.finished_at = status, error, now()
    job.lease_token = job.lease_until = None
