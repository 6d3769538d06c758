"""Processes, watching, routing, the trash, and keys of calls that must not be done twice."""

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    op.add_column("apps", sa.Column("kind", sa.String(), nullable=False, server_default=""))
    op.add_column("apps", sa.Column("processes", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("apps", sa.Column("release_command", sa.String(), nullable=False, server_default=""))
    op.add_column("apps", sa.Column("watch_minutes", sa.Integer(), nullable=True))
    op.add_column("apps", sa.Column("routing", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("apps", sa.Column("deleted_at", sa.DateTime(), nullable=True))
    op.add_column("projects", sa.Column("deleted_at", sa.DateTime(), nullable=True))
    op.add_column("domains", sa.Column("redirect_to", sa.String(), nullable=False, server_default=""))
    op.add_column("domains", sa.Column("strip_path", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("deployments", sa.Column("request_id", sa.String(), nullable=False, server_default=""))
    # A release is found by its label: whatever it consists of.
    op.drop_column("releases", "container_id")
    op.create_table(
        "answered_calls",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("app_id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "stored_secrets",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_answered_calls_created_at", "answered_calls", ["created_at"])


def downgrade() -> None:
    op.drop_table("stored_secrets")
    op.drop_table("answered_calls")
    op.add_column("releases", sa.Column("container_id", sa.String(), nullable=False, server_default=""))
    op.drop_column("deployments", "request_id")
    op.drop_column("domains", "strip_path")
    op.drop_column("domains", "redirect_to")
    op.drop_column("projects", "deleted_at")
    for name in ("deleted_at", "routing", "watch_minutes", "release_command", "processes", "kind"):
        op.drop_column("apps", name)
