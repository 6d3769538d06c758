"""Who is calling."""

from dataclasses import dataclass

from better_paas.agents.registry import EffectiveGrant
from better_paas.policy import Action


@dataclass(frozen=True)
class Caller:
    """kind: admin, agent or anonymous. id: stable in the audit log. address: of the client.

    proof: digest of the token that was shown, so that an open stream can be checked again. holder: what an agent's
    token allows. rotated: it came with the token from before a rotation.
    """

    kind: str
    id: str
    address: str
    source: str = "api"
    name: str = ""
    token_digest: str = ""
    holder: EffectiveGrant | None = None
    rotated: bool = False

    def may(self, action: Action) -> bool:
        """Whether the caller's scopes allow this; which resources is another question."""
        if action.public or self.kind == "admin":
            return True
        return self.holder is not None and self.holder.allows(action)

    @property
    def is_agent(self) -> bool:
        return self.holder is not None

    @property
    def sees_all(self) -> bool:
        return self.kind == "admin" or (self.holder is not None and self.holder.all_resources)

    def sees_app(self, app_id: str, project_id: str) -> bool:
        return self.sees_all or (self.holder is not None and self.holder.sees_app(app_id, project_id))

    def sees_project(self, project_id: str) -> bool:
        """Whether all of the project is the caller's, also what is made in it later."""
        return self.sees_all or (self.holder is not None and self.holder.sees_project(project_id))


def anonymous(address: str, source: str = "api") -> Caller:
    return Caller("anonymous", "", address, source)
