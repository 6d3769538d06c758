"""Waiting for a server that restarts: what it was asked to do goes on there."""

import time

from better_paas.cli.errors import UNREACHABLE, ApiError, CliError

_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
# What stands before the server answers in its place.
_AWAY = (502, 504)


class Patience:
    """How long a server is asked again that was there a moment ago."""

    def __init__(self) -> None:
        self._until: float | None = None

    def renew(self) -> None:
        """It answered."""
        self._until = None

    def wait(self, error: CliError) -> None:
        """Pause after `error`; raises it if it is another answer than none, or if the time is over."""
        away = error.status in _AWAY if isinstance(error, ApiError) else error.code == UNREACHABLE
        moment = time.monotonic()
        if self._until is None:
            self._until = moment + _SECONDS
        if not away or moment >= self._until:
            raise error
        time.sleep(_PAUSE_SECONDS)
