"""API types of approvals."""

from typing import Any, Literal

from pydantic import Field

from better_paas.kit.schema import Answer, Body


class ApprovalAnswer(Answer):
    """status: pending, approved, denied, used or expired. summary: what the call would do; quoted: the names of others
    that it is about. reason: of a no."""

    id: str
    status: str
    agent_id: str
    agent_name: str
    action: str
    resource_type: str
    resource_id: str
    resource_name: str
    summary: str
    quoted: str
    payload: dict[str, Any]
    reason: str
    created_at: str
    expires_at: str
    decided_at: str | None
    used_at: str | None


class ApprovalRequired(Answer):
    """The answer (202) to a call that a person has to approve. Make the same call again once that is done."""

    status: Literal["approval_required"] = "approval_required"
    approval_id: str
    url: str
    expires_at: str
    summary: str
    quoted: str


class ApprovalId(Body):
    id: str = Field(max_length=40)


class Refusal(ApprovalId):
    """reason: for the agent to read: what to do instead."""

    reason: str = Field("", max_length=300)
