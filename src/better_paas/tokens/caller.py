"""Who is calling."""

from dataclasses import dataclass

from better_paas.policy import Action


@dataclass(frozen=True)
class Caller:
    """kind: admin, agent or anonymous. id: stable in the audit log. address: of the client."""

    kind: str
    id: str
    address: str
    source: str = "api"
    scopes: frozenset[str] = frozenset()

    def may(self, action: Action) -> bool:
        return action.public or self.kind == "admin" or action.allows(self.scopes)


def anonymous(address: str, source: str = "api") -> Caller:
    return Caller("anonymous", "", address, source)
