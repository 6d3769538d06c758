"""One-use tickets that let a browser open a WebSocket without a token in the address."""

import json
import secrets
import time
from collections.abc import Callable

from better_paas.access.caller import Caller
from better_paas.kit.crypto import CannotOpen, Keyring, is_sealed

LIFETIME_SECONDS = 60
_MOST = 10_000
_PLACE = "tickets/-/caller"


class Tickets:
    """Sealed, so that each process that shares the state can redeem what another issued.

    Used ones are remembered for their minute. used: tells the other processes of one.
    """

    def __init__(self, ring: Keyring, used: Callable[[str], None]) -> None:
        self._ring, self._tell = ring, used
        self._used: dict[str, float] = {}

    def issue(self, caller: Caller) -> str:
        """A ticket with which the caller can open one connection."""
        fields = [
            caller.kind,
            caller.id,
            caller.address,
            caller.source,
            caller.name,
            caller.token_digest,
            caller.rotated,
        ]
        sealed = self._ring.seal(json.dumps([time.time() + LIFETIME_SECONDS, secrets.token_hex(16), fields]), _PLACE)
        return sealed.encode().hex()

    def redeem(self, ticket: str) -> Caller | None:
        """Who asked for `ticket`, the first time and within its minute. What its token allows is to be looked up."""
        try:
            sealed = bytes.fromhex(ticket).decode()
            if not is_sealed(sealed):  # clear text would be taken as it is
                return None
            expires, name, fields = json.loads(self._ring.open(sealed, _PLACE))
        except (ValueError, CannotOpen):
            return None
        if expires <= time.time() or name in self._used:
            return None
        self.use(name)
        self._tell(name)
        kind, identity, address, source, named, token_digest, rotated = fields
        return Caller(kind, identity, address, source, named, token_digest, None, rotated)

    def use(self, name: str) -> None:
        """A ticket was redeemed, here or by another process. name: what is sealed in it, however it is written."""
        moment = time.monotonic()
        if len(self._used) >= _MOST:
            self._used = {used: until for used, until in self._used.items() if until > moment}
        self._used[name] = moment + LIFETIME_SECONDS
