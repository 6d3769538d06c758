"""Jobs: locks, replacement, saved steps, leases, cancellation, and what a dead process leaves."""

import asyncio

import pytest

from better_paas.errors import Conflict
from better_paas.jobs import queue
from better_paas.jobs.models import Job
from better_paas.jobs.worker import Cancelled, Kind, Worker

KINDS = frozenset({"work"})


def enqueue(database, **options):
    return database.write(lambda session: queue.enqueue(session, "work", options.pop("payload", {}), **options).id)


def status(database, job_id):
    return database.read(lambda session: session.get(Job, job_id).status)


async def wait_for(check, seconds=5):
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.01)


async def test_one_at_a_time_for_each_lock(database):
    first = await enqueue(database, lock_key="app:1")
    second = await enqueue(database, lock_key="app:1")
    other = await enqueue(database, lock_key="app:2")
    claims = [await database.write(lambda session: queue.claim(session, KINDS)) for _ in range(3)]
    assert [claim and claim.id for claim in claims] == [first, other, None]
    await database.write(lambda session: queue.finish(session, claims[0], "succeeded"))
    assert (await database.write(lambda session: queue.claim(session, KINDS))).id == second


async def test_a_newer_queued_job_replaces_the_older(database):
    first = await enqueue(database, dedupe_key="deploy:1")
    second = await enqueue(database, dedupe_key="deploy:1")
    assert await status(database, first) == "cancelled"
    assert await status(database, second) == "queued"


async def test_a_stale_lease_can_not_finish(database):
    await enqueue(database)
    claim = await database.write(lambda session: queue.claim(session, KINDS))
    await database.write(queue.release_orphans)
    again = await database.write(lambda session: queue.claim(session, KINDS))
    assert again.attempt == 2
    with pytest.raises(Conflict):
        await database.write(lambda session: queue.finish(session, claim, "succeeded"))
    await database.write(lambda session: queue.finish(session, again, "succeeded"))


class Running(Worker):
    """One whose loop is a task, as the platform keeps it."""

    def begin(self):
        self.loop = asyncio.create_task(self.run())

    async def stop(self):
        self.loop.cancel()
        await super().stop()


async def make_worker(database, handler, on_failure=None, slots=2, **options):
    async def nothing(run, error): ...

    worker = Running(database, lambda run: None)
    worker.register(Kind("work", handler, on_failure or nothing, slots, **options))
    worker.begin()
    return worker


async def test_a_killed_job_goes_on_at_its_first_unfinished_step(database):
    runs = []
    reached = asyncio.Event()

    async def handler(run):
        async def one():
            runs.append("one")
            return {"value": 1}

        async def two():
            runs.append("two")
            if runs.count("two") == 1:
                reached.set()
                await asyncio.sleep(60)
            return {}

        assert await run.step("one", one) == {"value": 1}
        await run.step("two", two)

    job = await enqueue(database)
    worker = await make_worker(database, handler)
    await reached.wait()
    await worker.stop()
    assert await status(database, job) == "queued"
    second = await make_worker(database, handler)
    await wait_for(lambda: _is(database, job, "succeeded"))
    assert runs == ["one", "two", "two"]
    await second.stop()


async def _is(database, job, wanted):
    return await status(database, job) == wanted


async def test_cancelling_before_the_first_line_ends_the_job_too(database):
    async def handler(run):
        raise AssertionError("it was cancelled before it began")

    job = await enqueue(database, lock_key="x")
    worker = await make_worker(database, handler)
    async with asyncio.timeout(5):
        while job not in worker._running:  # claimed, but its task has not had its turn
            await asyncio.sleep(0)
    assert worker.cancel(job)
    await wait_for(lambda: _is(database, job, "cancelled"))
    await worker.stop()


async def test_an_orderly_stop_is_no_failed_attempt(database):
    begun = asyncio.Event()

    async def handler(run):
        begun.set()
        await asyncio.sleep(60)

    job = await enqueue(database)
    for _ in range(5):
        begun.clear()
        worker = await make_worker(database, handler)
        await asyncio.wait_for(begun.wait(), 5)
        await worker.stop()
    assert await database.read(lambda session: session.get(Job, job).attempt) == 0


async def test_a_claim_that_fails_is_tried_again(database, monkeypatch):
    done = asyncio.Event()

    async def handler(run):
        done.set()

    monkeypatch.setattr("better_paas.jobs.worker._PAUSE_SECONDS", 0.01)
    worker = await make_worker(database, handler)
    real, failures = worker._claim, iter([OSError(28, "No space left on device")])

    async def flaky(kinds):
        if (error := next(failures, None)) is not None:
            raise error
        return await real(kinds)

    monkeypatch.setattr(worker, "_claim", flaky)
    await enqueue(database)
    worker.wake()
    await asyncio.wait_for(done.wait(), 5)
    async with asyncio.timeout(5):
        while worker.problem:
            await asyncio.sleep(0.01)
    await worker.stop()


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "queued again"])
async def test_a_job_that_takes_the_server_down_three_times_is_failed(database, is_held):
    """Also when the server ended again between taking it over and beginning it."""
    tidied = []

    async def handler(run):
        raise AssertionError("it must not run a fourth time")

    async def on_failure(run, error):
        tidied.append(str(error))

    job = await enqueue(database)
    for _ in range(3):
        await database.write(lambda session: queue.claim(session, KINDS))
        await database.write(queue.release_orphans)
    if is_held:
        await database.write(lambda session: queue.claim(session, KINDS))
    worker = await make_worker(database, handler, on_failure, may_end_server=True)
    await wait_for(lambda: _is(database, job, "failed"))
    assert "the server ended 3 times" in tidied[0]
    await worker.stop()


async def test_what_a_process_ended_over_runs_alone_among_its_like_and_takes_no_other_along(database):
    """Of two that ran when the server ended one is to blame: the other one must not be given up with it."""
    first, second = await enqueue(database), await enqueue(database)
    for _ in range(2):
        await database.write(lambda session: queue.claim(session, KINDS))
    await database.write(queue.release_orphans)
    begun, go_on = [], asyncio.Event()

    async def handler(run):
        begun.append(run.claim.id)
        await go_on.wait()

    worker = await make_worker(database, handler, slots=2, may_end_server=True)
    new = await enqueue(database)
    worker.wake()
    async with asyncio.timeout(5):
        while new not in begun:
            await asyncio.sleep(0.01)
    assert begun == [first, new]
    assert await database.read(lambda session: session.get(Job, second).attempt) == 1
    go_on.set()
    await wait_for(lambda: _is(database, second, "succeeded"))
    await worker.stop()


async def test_what_is_ours_goes_on_however_often_the_server_ended(database):
    job = await enqueue(database)
    for _ in range(5):
        await database.write(lambda session: queue.claim(session, KINDS))
        await database.write(queue.release_orphans)

    async def handler(run): ...

    worker = await make_worker(database, handler)
    await wait_for(lambda: _is(database, job, "succeeded"))
    await worker.stop()


async def test_cancelling_tidies_up_and_frees_the_lock(database):
    begun, tidied = asyncio.Event(), []

    async def handler(run):
        begun.set()
        await asyncio.sleep(60)

    async def on_failure(run, error):
        tidied.append(type(error))

    job = await enqueue(database, lock_key="x")
    worker = await make_worker(database, handler, on_failure)
    worker.wake()
    await begun.wait()
    assert worker.cancel(job)
    await worker.wait(job)
    assert await status(database, job) == "cancelled"
    assert tidied == [Cancelled]
    await worker.stop()


async def test_after_the_point_of_no_return_a_cancellation_is_refused(database):
    begun, go = asyncio.Event(), asyncio.Event()

    async def handler(run):
        run.final = True
        begun.set()
        await go.wait()

    job = await enqueue(database)
    worker = await make_worker(database, handler)
    await begun.wait()
    assert not worker.cancel(job)
    go.set()
    await wait_for(lambda: _is(database, job, "succeeded"))
    await worker.stop()


async def test_a_failure_in_the_tidying_does_not_hold_the_lock(database):
    async def handler(run):
        raise ValueError("broken")

    async def on_failure(run, error):
        raise RuntimeError("also broken")

    job = await enqueue(database, lock_key="x")
    worker = await make_worker(database, handler, on_failure)
    await wait_for(lambda: _is(database, job, "failed"))
    await worker.stop()


async def test_a_job_that_frees_its_slot_lets_another_begin(database):
    begun, end = asyncio.Queue(), asyncio.Event()

    async def handler(run):
        begun.put_nowait(run.claim.id)
        if begun.qsize() < 2:
            run.free_slot()
        await end.wait()

    jobs = [await enqueue(database) for _ in range(3)]
    worker = await make_worker(database, handler, slots=1)
    async with asyncio.timeout(5):
        while begun.qsize() < 2:
            await asyncio.sleep(0.01)
    assert not await _is(database, jobs[2], "running")
    end.set()
    for job in jobs:
        await wait_for(lambda job=job: _is(database, job, "succeeded"))
    await worker.stop()


async def test_slots_bound_what_runs_at_once(database):
    running = most = 0
    two = asyncio.Barrier(2)

    async def handler(run):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await two.wait()
        running -= 1

    jobs = [await enqueue(database) for _ in range(6)]
    worker = await make_worker(database, handler, slots=2)
    for job in jobs:
        await wait_for(lambda job=job: _is(database, job, "succeeded"))
    assert most == 2
    await worker.stop()
