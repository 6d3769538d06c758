"""API types of the audit log."""

from typing import Any

from better_paas.kit.schema import Answer


class AuditAnswer(Answer):
    id: str
    actor_type: str
    actor_id: str
    action: str
    resource_type: str
    resource_id: str
    payload_summary: str
    payload: dict[str, Any]
    outcome: str
    ip_address: str
    request_id: str
    source: str
    error: str
    duration_ms: int | None
    created_at: str
