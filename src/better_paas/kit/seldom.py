"""Log lines that strangers can cause, as seldom as they are of use."""

import logging
import time
from collections.abc import Callable

_EVERY_SECONDS = 1.0
_MOST_KINDS = 1000


class Seldom(logging.Filter):
    """Lets one line of each kind pass in a second; the next one says how many were left out."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        # Kind: (when one passed, how many did not since).
        self._kinds: dict[tuple[str, str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, str(record.msg), record.exc_info[0] if record.exc_info else None)
        now = self._monotonic()
        passed, left_out = self._kinds.get(kind, (-_EVERY_SECONDS, 0))
        if now - passed < _EVERY_SECONDS:
            self._kinds[kind] = (passed, left_out + 1)
            return False
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more of these)", ()
        return True
