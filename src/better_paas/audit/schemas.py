"""API types of the audit log."""

from typing import Any

from pydantic import Field

from better_paas.kit.schema import Answer, Body


class AuditAnswer(Answer):
    """One entry. outcome: intent, success, failure, denied or pending. count: how many events it stands for."""

    id: str
    actor_type: str
    actor_id: str
    actor_name: str
    action: str
    resource_type: str
    resource_id: str
    resource_name: str
    payload_summary: str
    payload: dict[str, Any]
    diff: dict[str, Any]
    args_digest: str
    decision: str
    approval_id: str
    outcome: str
    ip_address: str
    request_id: str
    source: str
    error: str
    status: int | None
    duration_ms: int | None
    count: int
    created_at: str


class SinkAnswer(Answer):
    """A copy outside. position: up to which number it is there. problem: why it gets no more; or nothing."""

    name: str
    position: int
    problem: str
    changed_at: str


class CheckpointAnswer(Answer):
    """note: the signed checkpoint (C2SP). public_key: its vkey, for checking it elsewhere. sinks: copies outside."""

    size: int
    note: str
    public_key: str
    sinks: list[SinkAnswer]


class ProofAnswer(Answer):
    ok: bool
    entries: int
    pruned: int
    checkpoints: int
    anchors: int
    uncovered: int
    vouched: int = Field(description="Entries that a signature says there were. 0: an emptied log would look the same.")
    root: str
    findings: list[str]
    dangling: list[int]


class VerifyBody(Body):
    anchors: str = Field("", max_length=1_000_000, description="Checkpoints that were kept elsewhere, as text.")


class PruneBody(Body):
    before: str = Field(max_length=40, description="RFC 3339: entries older than this are exported, then pruned.")


class PruneAnswer(Answer):
    """file: the export on the server, to be kept. digest: its SHA-256."""

    pruned: int
    file: str
    digest: str
