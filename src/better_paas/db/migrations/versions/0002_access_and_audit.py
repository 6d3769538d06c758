"""Keys that seal secrets, agents, approvals, and the audit log as a tree."""

import json

import sqlalchemy as sa
from alembic import op

from better_paas.audit.merkle import leaf_hash

revision: str = "0002"
down_revision: str | None = "0001"

_FILTERED = {
    "created_at": "createdAt",
    "actor_id": "actorId",
    "action": "action",
    "outcome": "outcome",
    "resource_id": "resourceId",
    "request_id": "requestId",
}


def upgrade() -> None:
    op.create_table(
        "sealing_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("proof", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("retired_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    _agents()
    _audit()


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("all_resources", sa.Boolean(), nullable=False),
        sa.Column("project_ids", sa.JSON(), nullable=False),
        sa.Column("app_ids", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("rate_per_minute", sa.Integer(), nullable=False),
        sa.Column("deploys_per_hour", sa.Integer(), nullable=True),
        sa.Column("require_approval", sa.String(), nullable=False),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("previous_digest", sa.String(), nullable=False),
        sa.Column("previous_until", sa.DateTime(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(), nullable=True),
        sa.Column("last_address", sa.String(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("suspended_at", sa.DateTime(), nullable=True),
        sa.Column("suspended_reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["agents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_agents_parent_id", "agents", ["parent_id"], unique=False)
    op.create_table(
        "switches",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("agent_id", sa.String(), nullable=False),
        sa.Column("agent_name", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("resource_type", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String(), nullable=False),
        sa.Column("resource_name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_approvals_digest", "approvals", ["agent_id", "digest"], unique=False)
    op.create_index("ix_approvals_status", "approvals", ["status"], unique=False)


def _audit() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("frontier", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "audit_sinks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.rename_table("audit_entries", "audit_entries_before")
    op.drop_index("ix_audit_entries_request", "audit_entries_before")
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record", sa.String(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        *(
            sa.Column(
                column, sa.String(), sa.Computed(f"json_extract(record, '$.{field}')", persisted=False), nullable=True
            )
            for column, field in _FILTERED.items()
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in _FILTERED:
        op.create_index(f"ix_audit_entries_{column}", "audit_entries", [column], unique=False)
    _carry_over()
    op.drop_table("audit_entries_before")


def _carry_over() -> None:
    """Entries from before, numbered without a gap and hashed."""
    connection = op.get_bind()
    old = connection.execute(sa.text("SELECT * FROM audit_entries_before ORDER BY id")).mappings()
    insert = sa.text("INSERT INTO audit_entries (id, record, leaf) VALUES (:id, :record, :leaf)")
    for number, row in enumerate(old, 1):
        fields = {
            "seq": number,
            "createdAt": str(row["created_at"]).replace(" ", "T") + "Z",
            "actorType": row["actor_type"],
            "actorId": row["actor_id"],
            "action": row["action"],
            "outcome": row["outcome"],
            "requestId": row["request_id"],
            "source": row["source"],
            "resourceType": row["resource_type"],
            "resourceId": row["resource_id"],
            "ipAddress": row["ip_address"],
            "payload": json.loads(row["payload"]),
            "error": row["error"],
            "durationMs": row["duration_ms"],
        }
        kept = {name: value for name, value in fields.items() if value not in (None, "", {})}
        record = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        connection.execute(insert, {"id": number, "record": record, "leaf": leaf_hash(record.encode())})


def downgrade() -> None:
    raise NotImplementedError("the audit log can't be taken back to a form that proves less; restore a backup")
