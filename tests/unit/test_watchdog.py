"""Whoever holds the event loop is named."""

import asyncio
import re
import time

import pytest

from better_paas.kit.watchdog import LoopWatch


def sleeps_on_the_loop():
    time.sleep(1.3)


def matches_on_the_loop():
    """One call of the interpreter: no other thread of Python gets a turn meanwhile."""
    started = time.monotonic()
    length = 18
    while time.monotonic() - started < 1.0:
        length += 2
        re.match("(a*)*b", "a" * length)


@pytest.mark.parametrize("holds", [sleeps_on_the_loop, matches_on_the_loop])
async def test_the_stack_that_held_the_loop_is_told(holds):
    heard = asyncio.get_running_loop().create_future()
    watch = LoopWatch(lambda seconds, stack: heard.set_result((seconds, stack)))
    keeping = asyncio.create_task(watch.keep())
    await asyncio.sleep(0.1)
    holds()
    seconds, stack = await asyncio.wait_for(heard, 5)
    keeping.cancel()
    assert seconds > 0.5 and f"in {holds.__name__}" in stack
    assert watch.holds == 1 and watch.longest == seconds


async def test_a_loop_that_is_free_is_left_alone():
    told = []
    watch = LoopWatch(lambda seconds, stack: told.append(stack))
    keeping = asyncio.create_task(watch.keep())
    await asyncio.sleep(0.2)
    time.sleep(0.3)
    await asyncio.sleep(0.8)
    keeping.cancel()
    assert not told and watch.holds == 0
