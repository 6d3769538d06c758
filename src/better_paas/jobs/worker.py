"""Runs jobs in this process. It sleeps until a commit wakes it; nothing is polled."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from better_paas.db.database import Database
from better_paas.errors import StepFailed, Unavailable
from better_paas.jobs import queue
from better_paas.jobs.queue import Claim, LeaseLost
from better_paas.kit.supervision import Problem

Handler = Callable[["JobRun"], Awaitable[None]]
# Called with the reason when a job can't go on: it must leave the world tidy.
FailureHandler = Callable[["JobRun", BaseException], Awaitable[None]]

_RENEW_SECONDS = 20
_PAUSE_SECONDS = 2
_SURE_SECONDS = 5
_log = structlog.get_logger(__name__)


class Cancelled(Exception):
    """A person cancelled the job."""


@dataclass(frozen=True)
class Kind:
    """A kind of job. slots: how many run at once.

    may_end_server: it works at what strangers wrote. One that a process ended over runs alone among these the next
    time, so that it is known which it was, and after some times it is given up.
    """

    name: str
    handler: Handler
    on_failure: FailureHandler
    slots: int
    may_end_server: bool = False


class JobRun:
    """What a handler gets: the payload, and steps that are run once."""

    def __init__(
        self,
        database: Database,
        claim: Claim,
        announce: Callable[["JobRun"], None],
        slot_freed: Callable[[], None] = lambda: None,
    ) -> None:
        self.claim = claim
        # A task that is cancelled before its first line never runs, so until then only a note is taken.
        self.begun = False
        # From here on a cancellation comes too late.
        self.final = False
        # Another process has taken it over.
        self.is_lost = False
        # Whether it counts among its kind's slots.
        self.has_slot = True
        self.task: asyncio.Task[None] | None = None
        # How it ended; empty until then.
        self.outcome = ""
        self._database = database
        self._announce = announce
        self._slot_freed = slot_freed

    @property
    def payload(self) -> dict[str, Any]:
        return self.claim.payload

    def free_slot(self) -> None:
        """What slots are for is done: another job of its kind may begin, while this one goes on."""
        self.has_slot = False
        self._slot_freed()

    async def step(self, name: str, work: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """The output of `work`, or what it gave before the process was killed."""
        saved = await self._database.read(lambda session: queue.saved_output(session, self.claim.id, name))
        if saved is not None:
            return saved
        await self._save(name, "running", None)
        output = await work()
        await self._save(name, "done", output)
        return output

    async def _save(self, name: str, status: str, output: dict[str, Any] | None) -> None:
        await self._database.write(lambda session: queue.save_step(session, self.claim, name, status, output))
        self._announce(self)


class Worker:
    """Claims and runs jobs, up to each kind's slots. problem: why none are started, for people; empty if they are."""

    problem = Problem()

    def __init__(self, database: Database, announce: Callable[[JobRun], None]) -> None:
        self._database = database
        self._announce = announce
        self._kinds: dict[str, Kind] = {}
        self._running: dict[str, tuple[JobRun, asyncio.Task[None]]] = {}
        self._cancelled: set[str] = set()
        self._wake = asyncio.Event()
        self._stopping = False

    def register(self, kind: Kind) -> None:
        self._kinds[kind.name] = kind

    async def run(self) -> None:
        """Take over what a dead process left, then start jobs as they come. Never returns; it may be begun again."""
        await self.take_over()
        self.wake()
        await self._loop()

    async def take_over(self) -> None:
        """Queue again what processes that died, or no longer renew their leases, were working at."""

        def look(session: Session) -> tuple[set[str], bool]:
            orphans = queue.orphans(session, self._database.living(session))
            left = {job.lease_token or "" for job in orphans if job.id not in self._running}
            return left, bool(self._database.others(session))

        left, has_others = await self._database.read(look)
        if left and has_others:
            # One that only lost its connection is there again in a moment.
            await asyncio.sleep(_SURE_SECONDS)
            left &= (await self._database.read(look))[0]
        if not left:
            return

        def unit(session: Session) -> int:
            return queue.release_orphans(session, self._database.living(session), left)

        if resumed := await self._database.write(unit):
            _log.info("jobs taken over from a stopped process", count=resumed)
        self.wake()

    async def keep_taking_over(self) -> None:
        """The same whenever a lease has run out. Never returns; for the leader of several processes."""
        while True:
            # A process that stops working says nothing: only time tells.
            await asyncio.sleep(_RENEW_SECONDS)
            with contextlib.suppress(Exception):  # the database is away; so it is for everybody
                await self.take_over()

    def wake(self) -> None:
        """Look for queued jobs now. Call it after the commit that queued one."""
        self._wake.set()

    def cancel(self, job_id: str) -> bool:
        """Interrupt a running job; its failure handler then tidies up. False if it is too late for that."""
        entry = self._running.get(job_id)
        if entry is None:  # claimed a moment ago: the note is read when it begins
            self._cancelled.add(job_id)
            return True
        if entry[0].final:
            return False
        if job_id not in self._cancelled:
            self._cancelled.add(job_id)
            if entry[0].begun:
                entry[1].cancel()
        return True

    def cancel_if_mine(self, job_id: str) -> None:
        """Another process was asked to cancel a job, which may run here."""
        if job_id in self._running:
            self.cancel(job_id)

    async def stop(self) -> None:
        """Interrupt everything without ending it: the next process goes on at the first unfinished step.

        Whoever called `run` cancels that before.
        """
        self._stopping = True
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self, job_id: str) -> None:
        """Return when the job does not run any more."""
        entry = self._running.get(job_id)
        if entry is not None:
            await asyncio.wait({entry[1]})
        while self._database.is_shared:
            change = self._database.changed_elsewhere.next()
            if not await self._database.read(lambda session: queue.is_open(session, job_id)):
                return
            await change.wait()

    async def _loop(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._start_all()
                self.problem = ""
            except Exception as error:  # a full disk must not end the loop for good
                self.problem = f"jobs can't be started: {error}"
                _log.error("jobs can't be started", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                self.wake()

    async def _start_all(self) -> None:
        while (kinds := self._free_kinds()) and (claimed := await self._claim(kinds)):
            run = JobRun(self._database, claimed, self._announce, self.wake)
            run.task = task = asyncio.create_task(self._run(run), name=f"job-{claimed.kind}-{claimed.id}")
            self._running[claimed.id] = (run, task)

    async def _claim(self, kinds: frozenset[str]) -> Claim | None:
        process = self._database.process
        running = [run for run, _ in self._running.values() if self._kinds[run.claim.kind].may_end_server]
        only_new = frozenset(name for name in kinds if self._kinds[name].may_end_server)
        if not any(run.claim.attempt > 1 for run in running):
            only_new = frozenset()
        return await self._database.write(lambda session: queue.claim(session, kinds, process, only_new))

    def has_room(self, kind: str) -> bool:
        """Whether one more job of the kind could begin now."""
        return kind in self._free_kinds()

    def _free_kinds(self) -> frozenset[str]:
        busy = [run.claim.kind for run, _ in self._running.values() if run.has_slot]
        return frozenset(name for name, kind in self._kinds.items() if busy.count(name) < kind.slots)

    async def _run(self, run: JobRun) -> None:
        claimed = run.claim
        renewal = asyncio.create_task(self._renew(run))
        try:
            status, reason = await self._attempt(self._kinds[claimed.kind], run)
            await self._finish(claimed, status, reason)
            run.outcome = status
            self._announce(run)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            # An orderly stop is no failed attempt.
            with contextlib.suppress(LeaseLost):
                await self._database.write(lambda session: queue.give_back(session, claimed))
        except LeaseLost:
            _log.warning("another process has taken a job over", kind=claimed.kind, job=claimed.id)
        except Exception:
            _log.exception("job could not be ended", kind=claimed.kind, job=claimed.id)
        finally:
            renewal.cancel()
            self._running.pop(claimed.id, None)
            self._cancelled.discard(claimed.id)
            self.wake()

    async def _finish(self, claimed: Claim, status: str, reason: str) -> None:
        await self._until_stored(
            claimed,
            lambda: self._database.write(lambda session: queue.finish(session, claimed, status, reason[:2000])),
        )

    async def _until_stored(self, claimed: Claim, act: Callable[[], Awaitable[None]]) -> None:
        """Do it, however long the state can't be written, as on a full disk: until then the job's lock is held."""
        while True:
            try:
                await act()
                return
            except (OperationalError, InterfaceError, Unavailable) as error:
                self.problem = f"a job's end can't be written: {error}"
                _log.error("a job's end can't be written", job=claimed.id, reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _attempt(self, kind: Kind, run: JobRun) -> tuple[str, str]:
        run.begun = True
        try:
            if run.claim.id in self._cancelled or run.claim.cancel_requested:
                await self._tidy(kind, run, Cancelled())
                return "cancelled", "cancelled"
            if kind.may_end_server and run.claim.attempt > queue.MOST_ATTEMPTS:
                raise StepFailed(
                    f"it was given up: the server ended {queue.MOST_ATTEMPTS} times while it worked at it",
                    "The server's log says how it ended. Has the server enough memory?",
                    code="given_up",
                )
            await kind.handler(run)
            run.final = True
            return "succeeded", ""
        except asyncio.CancelledError:
            if not run.is_lost and run.claim.id not in self._cancelled:
                raise
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            if run.is_lost:
                raise LeaseLost from None
            await self._tidy(kind, run, Cancelled())
            return "cancelled", "cancelled"
        except LeaseLost:
            raise
        except Exception as error:  # every failure ends in the job's own failure handler
            await self._tidy(kind, run, error)
            return "failed", str(error)

    async def _tidy(self, kind: Kind, run: JobRun, error: BaseException) -> None:
        run.final = True
        status = "cancelled" if isinstance(error, Cancelled) else "failed"

        def end_steps(session: Session) -> None:
            queue.renew(session, run.claim)
            queue.fail_running_steps(session, run.claim.id, status)

        try:
            await self._until_stored(run.claim, lambda: self._database.write(end_steps))
            await self._until_stored(run.claim, lambda: kind.on_failure(run, error))
        except LeaseLost:
            raise  # what is there belongs to another one's attempt now
        except Exception:
            _log.exception("clean-up after a failed job failed", kind=kind.name, job=run.claim.id)
        self._announce(run)

    async def _renew(self, run: JobRun) -> None:
        claimed = run.claim
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                await self._database.write(lambda session: queue.renew(session, claimed))
            except LeaseLost:
                # Two must not work at the same: what this one still did would be the other's to undo.
                run.is_lost = True
                if run.task is not None:
                    run.task.cancel()
                return
            except Exception as error:  # the next round may have more luck
                _log.warning("a lease could not be renewed", job=claimed.id, reason=str(error))
