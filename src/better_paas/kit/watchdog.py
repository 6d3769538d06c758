"""Watches the event loop: what holds it, holds up everybody. It is found out which line did."""

import asyncio
import functools
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from better_paas.kit.supervision import KeptThread

TICK_SECONDS = 0.25
# From here on it is a fault.
HELD_SECONDS = 1.0
_MOST_FRAMES = 25

# Told of each time that the loop was held: seconds, and the stack that held it, the innermost call first.
Told = Callable[[float, str], None]


class LoopWatch:
    """lag: seconds that the loop was late by at the last look. holds: how often it was held; longest: seconds."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self.lag = self.longest = 0.0
        self.holds = 0
        self._beat = 0.0
        self._stack = ""

    async def keep(self) -> None:
        """Look four times a second. Never returns."""
        self._beat, ended = time.monotonic(), threading.Event()
        observe = functools.partial(self._observe, threading.get_ident(), ended)
        KeptThread("the watch over the event loop", observe, lambda _: None, ended)
        try:
            while True:
                due = self._beat + TICK_SECONDS
                await asyncio.sleep(TICK_SECONDS)
                self._beat = time.monotonic()
                self._look(self._beat - due)
        finally:
            ended.set()

    def _observe(self, loop_thread: int, ended: threading.Event) -> None:
        """Note the loop's stack where it does not come back.

        What holds it may be one call, such as that of a regular expression, which lets no other thread of Python run:
        then this one has its turn as soon as that call returns, while its caller is still there. The interpreter's
        faulthandler would not wait, and can crash the process when it reads the stacks of threads that run.
        """
        noted, pause = 0.0, HELD_SECONDS
        while not ended.wait(pause):
            beat = self._beat
            pause = beat + HELD_SECONDS - time.monotonic()
            if pause <= 0:
                pause = HELD_SECONDS
                if beat != noted:
                    noted, self._stack = beat, _written(sys._current_frames().get(loop_thread))

    def _look(self, late: float) -> None:
        self.lag = max(0.0, late)
        if not self._stack:
            return
        stack, self._stack = self._stack, ""
        self.holds += 1
        self.longest = max(self.longest, late)
        self._told(late, stack)


def _written(frame: FrameType | None) -> str:
    """Files, lines and names, and no values."""
    lines: list[str] = []
    while frame is not None and len(lines) < _MOST_FRAMES:
        lines.append(f'File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}')
        frame = frame.f_back
    return "\n".join(lines)
