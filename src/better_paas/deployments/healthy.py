"""Waits until a release that was started answers, and says soon where it listens if that is not where it should."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from better_paas.errors import StepFailed
from better_paas.kit.listeners import Listener
from better_paas.kit.quoted import Statement
from better_paas.runtime import probe
from better_paas.runtime.probe import Probe, Speaks
from better_paas.runtime.protocol import Runtime

# The code of a failure in which the app's own process ended.
EXITED = "app_exited"
# What serves no requests is healthy when it has stayed up for this long.
_WORKER_SECONDS = 4.0
# An open port is enough of what speaks no HTTP if it stays so: a server that is about to end has one, too.
_STEADY_SECONDS = 2.0
# After this, and then this often, it is looked where a release listens that does not answer.
_LOOK_AFTER_SECONDS, _LOOK_SECONDS = 2.0, 1.0
# For how long it may listen only where nobody gets to, and only at another port: some open one for figures first.
_PATIENCE_SECONDS, _ELSEWHERE_SECONDS = 20.0, 10.0


@dataclass(frozen=True)
class Elsewhere:
    """What to think of another port than the one that a release was given.

    may_be: its owner has not said which it is. usual: where the version before listens, which needs no patience.
    """

    may_be: bool = True
    usual: int = 0


@dataclass(frozen=True)
class Goal:
    """A release and what is asked of it. host_port, container_port: 0 if it serves no requests."""

    deployment_id: str
    host_port: int
    container_port: int = 0
    path: str = ""
    good_status: str = ""
    elsewhere: Elsewhere = Elsewhere()


class ListensElsewhere(Exception):
    """It can be reached, though not at the port that it was given: at `port`."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.port = port


async def until_healthy(
    runtime: Runtime, goal: Goal, timeout: float, say: Callable[[str], None] | None = None
) -> Probe:
    """What was seen of it. timeout: seconds. Errors: StepFailed, RuntimeFailed, ListensElsewhere."""
    tell = say or (lambda _: None)
    started = time.monotonic()
    where = _Where(runtime, goal, tell)
    steady_since, attempt = 0.0, 0
    while True:
        result = await _look(goal, started)
        state = await runtime.state(goal.deployment_id)
        if not state.running:
            raise _exited(state.why)
        moment = time.monotonic()
        is_bare = result.healthy and result.speaks is Speaks.OTHER and bool(goal.host_port)
        steady_since = (steady_since or moment) if is_bare else 0.0
        if result.healthy and (not is_bare or moment - steady_since >= _STEADY_SECONDS):
            tell(f"Healthy: {result.seen}")
            return result
        if not result.healthy:
            await where.look(moment - started)
        if moment > started + timeout:
            raise _unhealthy(goal, timeout, result)
        await asyncio.sleep(probe.pause_before(attempt))
        attempt += 1


async def _look(goal: Goal, started: float) -> Probe:
    if goal.host_port:
        return await probe.once(goal.host_port, goal.path, goal.good_status)
    seconds = time.monotonic() - started
    return Probe(seconds >= _WORKER_SECONDS, f"it has been up for {seconds:.0f} s", speaks=Speaks.OTHER)


class _Where:
    """Where a release listens that does not answer at its port."""

    def __init__(self, runtime: Runtime, goal: Goal, say: Callable[[str], None]) -> None:
        self._runtime, self._goal, self._say = runtime, goal, say
        self._next, self._hidden_since, self._elsewhere_since = _LOOK_AFTER_SECONDS, -1.0, -1.0
        self._before: list[Listener] = []

    async def look(self, seconds: float) -> None:
        """seconds: since it was started. Errors: StepFailed, ListensElsewhere."""
        if not self._goal.container_port or seconds < self._next:
            return
        self._next = seconds + _LOOK_SECONDS
        found = await self._runtime.listeners(self._goal.deployment_id)
        before, self._before = self._before, found
        reachable = [listener for listener in found if not listener.is_local]
        if not found or any(listener.port == self._goal.container_port for listener in reachable):
            self._hidden_since = self._elsewhere_since = -1.0
            return
        if not reachable:
            self._only_local(found, seconds)
        elif found == before:  # it has settled
            self._at_another_port(reachable, seconds)

    def _at_another_port(self, reachable: list[Listener], seconds: float) -> None:
        goal = self._goal
        if any(listener.port == goal.elsewhere.usual for listener in reachable) and goal.elsewhere.may_be:
            raise ListensElsewhere(goal.elsewhere.usual)
        if self._elsewhere_since < 0:
            self._elsewhere_since = seconds
            shown = ", ".join(map(str, reachable[:3]))
            self._say(f"It listens on {shown}, and not on {goal.container_port}, the port that it was given in PORT.")
        elif self._may_move() and seconds - self._elsewhere_since >= _ELSEWHERE_SECONDS:
            raise ListensElsewhere(reachable[0].port)

    def _may_move(self) -> bool:
        """Not from where the version before was reached: it has only not come so far yet."""
        elsewhere = self._goal.elsewhere
        return elsewhere.may_be and elsewhere.usual != self._goal.container_port

    def _only_local(self, found: list[Listener], seconds: float) -> None:
        shown = ", ".join(map(str, found[:3]))
        sentence, hint = f"it listens on {shown}, where nothing can reach it", "Let it listen on 0.0.0.0."
        if self._hidden_since < 0:
            self._hidden_since = seconds
            self._say(f"{sentence[0].upper()}{sentence[1:]}. {hint}")
        elif seconds - self._hidden_since >= _PATIENCE_SECONDS:
            raise StepFailed(sentence, f"{hint} Its port is in PORT.", code="unreachable")


def _exited(why: Statement) -> StepFailed:
    return StepFailed(
        f"the app did not stay up: {why.sentence}",
        "Its last lines are in the log. Does the start command work, and are all variables set?",
        code=EXITED,
        quoted=why.quoted,
    )


def _unhealthy(goal: Goal, timeout: float, result: Probe) -> StepFailed:
    good = goal.good_status or probe.GOOD_STATUS
    return StepFailed(
        f"the app did not become healthy within {timeout:.0f} s: {result.seen}",
        "The app has to listen on 0.0.0.0 and the port in PORT"
        + (f", and answer its health path with a status of {good}. " if goal.path else ". ")
        + "If it serves no requests, set its kind to worker.",
        code="unhealthy",
        quoted=result.body,
    )
