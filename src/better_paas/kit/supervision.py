"""Long-lived tasks and threads: one that ends is said, begun again after a pause that grows, and part of health."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from better_paas.kit.clock import now

Work = Callable[[], Coroutine[Any, Any, None]]
Told = Callable[[str], None]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Condition:
    """How a part of the server does. problem: what is wrong; empty while all is well. since: when that began."""

    problem: str
    since: datetime


def _after(before: Condition | None, problem: str) -> Condition:
    """Since when it is so stays what it was, whatever else is said of the same."""
    if before is None or bool(before.problem) != bool(problem):
        return Condition(problem, now())
    return Condition(problem, before.since)


class Problem:
    """An attribute that says what is wrong with its object, and knows since when that is so."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instance: object, owner: type) -> str:
        found: Condition | None = instance.__dict__.get(self._name)
        return found.problem if found is not None else ""

    def __set__(self, instance: object, text: str) -> None:
        instance.__dict__[self._name] = _after(instance.__dict__.get(self._name), text)


def condition_of(instance: object, since: datetime, name: str = "problem") -> Condition:
    """How an object with a `Problem` does. since: when it began, for one of which nothing was ever said."""
    found: Condition | None = instance.__dict__.get(f"_{name}")
    return found or Condition(str(getattr(instance, name)), since)


class Supervisor:
    """The long-lived tasks of an event loop, by name."""

    def __init__(self) -> None:
        self._conditions: dict[str, Condition] = {}

    async def keep(self, name: str, work: Work) -> None:
        """Run `work`, which is not meant to return, again and again until this is cancelled."""
        await kept(name, work, lambda problem: self.tell(name, problem))

    def tell(self, name: str, problem: str) -> None:
        """How a part does, whoever looks after it; "" when it is well. From any thread."""
        self._conditions[name] = _after(self._conditions.get(name), problem)

    def condition(self, name: str, since: datetime) -> Condition:
        return self._conditions.get(name) or Condition("", since)

    def problems(self) -> dict[str, Condition]:
        """Those that are not well."""
        return {name: found for name, found in sorted(self._conditions.items()) if found.problem}


async def kept(name: str, work: Work, told: Told) -> None:
    """Run `work` for ever. told: what ended it, and "" once it has run for as long as the pause before it."""
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while True:
        began, well = loop.time(), loop.call_later(pause, told, "")
        error: BaseException | None = None
        try:
            await work()
        except Exception as raised:  # whatever it was: what ends here would never be done again
            error = raised
        finally:
            well.cancel()
        pause = _next_pause(pause, loop.time() - began)
        told(_reason(name, error))
        _log.error("a task ended and is started again", task=name, exc_info=error)
        await asyncio.sleep(pause)


class KeptThread:
    """The same for a thread. It ends when `work` returns, or fails after `stopping` was set."""

    def __init__(
        self, name: str, work: Callable[[], None], told: Told, stopping: threading.Event | None = None
    ) -> None:
        self._name, self._work, self._told = name, work, told
        self._stopping = stopping or threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            # From another thread: this one is at its work.
            well = threading.Timer(pause, self._told, ("",))
            well.daemon = True
            try:
                if pause != _FIRST_PAUSE:  # the first time nobody thinks otherwise
                    well.start()
                self._work()
                return
            except BaseException as raised:  # a thread that ends takes with it all that wait for it
                error = raised
            finally:
                well.cancel()
            pause = _next_pause(pause, time.monotonic() - began)
            self._told(_reason(self._name, error))
            _log.error("a thread ended and is started again", thread=self._name, exc_info=error)
            if self._stopping.wait(pause):
                return


def _reason(name: str, error: BaseException | None) -> str:
    return f"{name} ended" + (f": {str(error) or type(error).__name__}" if error is not None else "")


def _next_pause(pause: float, ran: float) -> float:
    """Twice as long each time, until it has run for a while."""
    return min((_FIRST_PAUSE if ran > _LONGEST_PAUSE else pause) * 2, _LONGEST_PAUSE)
