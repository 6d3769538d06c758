"""API types of agent tokens."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, StringConstraints

from better_paas.agents.service import TokenSpec
from better_paas.kit.schema import TRIMMED, Answer, Body, Version

RequireApproval = Literal["none", "destructive", "all"]
Name = Annotated[
    str, TRIMMED, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$")
]
Note = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
Identity = Annotated[str, StringConstraints(max_length=40)]


class AgentFields(Body):
    """What a token allows. Left out: as it was, or in a new token the default."""

    note: Note | None = None
    profile: str | None = Field(None, max_length=40, description="observer, deployer or operator.")
    scopes: list[Annotated[str, StringConstraints(max_length=60)]] | None = Field(None, max_length=50)
    all_resources: bool | None = Field(None, description="Every project and app, also later ones.")
    projects: list[Identity] | None = Field(None, max_length=200, description="Ids of projects, with all their apps.")
    apps: list[Identity] | None = Field(None, max_length=200, description="Ids of apps.")
    expires_in_days: int | None = Field(None, ge=1, le=3650, description="Default 90.")
    never_expires: bool = Field(False, description="Has to be said: a token that lives for ever is forgotten.")
    addresses: list[Annotated[str, TRIMMED, StringConstraints(max_length=60)]] | None = Field(
        None, max_length=100, description="Addresses or networks that it may be used from; empty for all."
    )
    rate_per_minute: int | None = Field(None, ge=1, le=60_000, description="Calls a minute. Default 600.")
    deploys_per_hour: int | None = Field(None, ge=0, le=10_000, description="Deployments an hour; 0 for no limit.")
    require_approval: RequireApproval | None = Field(
        None, description="Which calls a person has to approve. Default: destructive."
    )

    def spec(self, name: str | None) -> TokenSpec:
        return TokenSpec(
            name=name,
            note=self.note,
            profile=self.profile,
            scopes=self.scopes,
            all_resources=self.all_resources,
            project_ids=self.projects,
            app_ids=self.apps,
            expires_in_days=self.expires_in_days,
            never_expires=self.never_expires,
            addresses=self.addresses,
            rate_per_minute=self.rate_per_minute,
            deploys_per_hour=self.deploys_per_hour,
            require_approval=self.require_approval,
        )


class CreateAgent(AgentFields):
    name: Name


class UpdateAgent(AgentFields):
    id: Identity
    version: Version | None = None
    name: Name | None = None


class AgentId(Body):
    id: Identity


class RotateAgent(AgentId):
    grace_seconds: int = Field(0, ge=0, le=7 * 86_400, description="How long the old token works on.")


class FreezeBody(Body):
    frozen: bool


class ReportBody(Body):
    token: str = Field(max_length=200, validation_alias=AliasChoices("token", "leakedToken"))


class AgentAnswer(Answer):
    """A token's holder, never the token. can: what it may do, in sentences."""

    id: str
    name: str
    note: str
    profile: str
    scopes: list[str]
    all_resources: bool
    projects: list[str]
    apps: list[str]
    created_at: str
    created_by: str
    parent_id: str | None
    expires_at: str | None
    expired: bool
    addresses: list[str]
    rate_per_minute: int
    deploys_per_hour: int | None
    require_approval: str
    last_used_at: str | None
    last_address: str
    uses: int
    suspended_at: str | None
    suspended_reason: str
    old_token_until: str | None
    can: list[str]
    version: str


class AgentWithToken(AgentAnswer):
    """token: shown this once."""

    token: str


class RotatedAgent(Answer):
    id: str
    name: str
    token: str
    old_token_until: str | None


class NamedResource(Answer):
    id: str
    name: str


class SelfAnswer(Answer):
    """What a token can find out about itself. Empty lists with allResources: everything."""

    id: str
    name: str
    profile: str
    scopes: list[str]
    all_resources: bool
    projects: list[NamedResource]
    apps: list[NamedResource]
    expires_at: str | None
    rate_per_minute: int
    calls_left: int
    deploys_per_hour: int | None
    deploys_left: int | None
    require_approval: str
    needs_approval: list[str]
    frozen: bool
    can: list[str]


class ScopeHelp(Answer):
    scope: str
    allows: str


class ScopesAnswer(Answer):
    scopes: list[ScopeHelp]
    profiles: dict[str, list[str]]


class DescribeAnswer(Answer):
    can: list[str]


class FreezeAnswer(Answer):
    frozen: bool


class ReportAnswer(Answer):
    """Always the same words: whoever reports learns nothing about other tokens."""

    status: Literal["received"] = "received"


class DeletedAnswer(Answer):
    """deleted: ids of the token and of those that were made with it."""

    status: Literal["deleted"] = "deleted"
    deleted: list[str]
