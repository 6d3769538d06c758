"""How the ingress treats an app's requests: the rules as they are stored with it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Routing:
    """The plain way, unless something is said.

    accounts: (user name, bcrypt hash) pairs; with any, all visitors have to sign in. set_headers, drop_headers: of
    answers. largest_body: bytes of a request, 0 for any. answer_seconds: until an answer has to begin, 0 for ever.
    """

    force_https: bool = True
    accounts: tuple[tuple[str, str], ...] = ()
    set_headers: tuple[tuple[str, str], ...] = ()
    drop_headers: tuple[str, ...] = ()
    largest_body: int = 0
    answer_seconds: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For storing; an app without rules stores nothing."""
        return asdict(self) if self != Routing() else {}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Routing":
        return cls(
            **{
                **stored,
                "accounts": tuple((name, digest) for name, digest in stored.get("accounts", ())),
                "set_headers": tuple((name, value) for name, value in stored.get("set_headers", ())),
                "drop_headers": tuple(stored.get("drop_headers", ())),
            }
        )
