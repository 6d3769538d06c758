"""API types of connecting."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from better_paas.agents.schemas import AgentFields, CreateAgent, Name
from better_paas.kit.schema import Answer, Body

Opaque = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[\x21-\x7e]+$")]
State = Annotated[str, StringConstraints(min_length=16, max_length=512, pattern=r"^[\x21-\x7e]+$")]
Claim = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.:/-]+$")]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=300)]
UserCode = Annotated[str, StringConstraints(min_length=8, max_length=12)]


class ClientQuestion(Body):
    """What a client put into the address that it opened."""

    client_id: Opaque
    redirect_uri: str = Field(max_length=300)
    state: State
    code_challenge: str = Field(max_length=200)
    code_challenge_method: str = Field(max_length=20)
    resource: str = Field("", max_length=300)


class ClientAnswer(Answer):
    """name: what it calls itself. place: where its answer goes, in words."""

    name: str
    place: str
    own: bool


class ApproveClient(ClientQuestion, CreateAgent):
    """A yes, with what the token is to allow."""


class CallbackAnswer(Answer):
    """Where the browser goes now: back to the client, with the code, `state` and `iss`."""

    callback_url: str


class Exchange(Body):
    code: Opaque
    code_verifier: str = Field(max_length=200)
    state: str = Field("", max_length=512)
    client_id: Opaque = "paas-cli"
    redirect_uri: str = Field(max_length=300)


class ConnectedAnswer(Answer):
    """A new token, shown this once, and what belongs to it."""

    url: str
    token: str
    profile: str
    name: str
    agent_id: str
    expires_at: str | None


class BeginDevice(Body):
    name: Name = "paas CLI"
    machine: Annotated[str, StringConstraints(max_length=80, pattern=r"^[\x20-\x7e]*$")] = ""


class DeviceAnswer(Answer):
    """words: to be shown beside the code; whoever signs in has to recognise them."""

    device_code: str
    user_code: str
    verification_url: str
    words: str
    expires_in: int
    interval: int


class DeviceCode(Body):
    device_code: Opaque


class PendingAnswer(Answer):
    """Nobody has answered yet: ask again."""

    status: Literal["authorization_pending"] = "authorization_pending"


class LookDevice(Body):
    user_code: UserCode


class WaitingDevice(Answer):
    """Who asks. name, machine: as it says. address: as we see it. choices: one of them stands in its terminal."""

    name: str
    machine: str
    address: str
    age_seconds: int
    choices: list[str]


class ApproveDevice(CreateAgent, LookDevice):
    words: str = Field(max_length=60)


class IdentityBody(Body):
    """token: what the CI system gave the job, a JWT with our address as its audience."""

    token: str = Field(min_length=20, max_length=16_000, pattern=r"^[\w-]+\.[\w-]+\.[\w-]+$")


class TrustFields(AgentFields):
    name: Name
    issuer: Annotated[str, StringConstraints(max_length=300, pattern=r"^https?://[^\s?#]+$")] = Field(
        description="https://token.actions.githubusercontent.com, https://gitlab.com, or your own."
    )
    audience: Annotated[str, StringConstraints(max_length=300, pattern=r"^[\x21-\x7e]*$")] = Field(
        "", description="What the identity token has to be for; empty for this server's address."
    )
    claims: dict[Claim, Pattern] = Field(
        min_length=1,
        max_length=20,
        description="Conditions: claim and pattern, such as repository: owner/name, ref: refs/heads/main. * matches.",
    )


class TrustAnswer(Answer):
    id: str
    name: str
    issuer: str
    audience: str
    claims: dict[str, str]
    profile: str
    scopes: list[str]
    all_resources: bool
    projects: list[str]
    apps: list[str]
    created_at: str
    last_used_at: str | None
    uses: int


class TrustId(Body):
    id: str = Field(max_length=40)
