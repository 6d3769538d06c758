"""How long something takes at the pace of a quiet machine, whatever else this one does meanwhile."""

import re
import time
from collections.abc import Callable

# A plain search through 1 MB: what it takes says how fast this machine is at this moment.
_USUAL = re.compile("[b-y]z")
_TEXT = "abc" * 333_333
_QUIET_SECONDS = 0.01
_TRIES = 8
# What takes that many times too long is so on every machine, and is not asked again.
_HOPELESS = 20


def seconds(use: Callable[[], object], most: float) -> float:
    """Processor seconds of `use` at its best; it is asked again while it takes more than `most`."""
    least = float("inf")
    for _ in range(_TRIES):
        pace = max(1.0, _timed(lambda: _USUAL.search(_TEXT)) / _QUIET_SECONDS)
        least = min(least, _timed(use) / pace)
        if not most < least < most * _HOPELESS:
            break
    return least


def _timed(use: Callable[[], object]) -> float:
    started = time.thread_time()
    use()
    return time.thread_time() - started
