"""One-use tickets that let a browser open a WebSocket without a token in the address."""

import secrets
import time

from better_paas.tokens.caller import Caller

LIFETIME_SECONDS = 60
_MOST = 10_000


class Tickets:
    """Kept in memory: they live for a minute."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, Caller]] = {}

    def issue(self, caller: Caller) -> str:
        """A ticket that carries the caller's rights, once."""
        moment = time.monotonic()
        if len(self._open) >= _MOST:
            self._open = {ticket: entry for ticket, entry in self._open.items() if entry[0] > moment}
        ticket = secrets.token_hex(32)
        self._open[ticket] = (moment + LIFETIME_SECONDS, caller)
        return ticket

    def redeem(self, ticket: str) -> Caller | None:
        """The caller behind `ticket`, the first time and within its minute."""
        expires, caller = self._open.pop(ticket, (0.0, None))
        return caller if expires > time.monotonic() else None
