"""Good statuses of a health path, what happened beside to an app, and how long a deployment is looked after."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    op.add_column("apps", sa.Column("health_status", sa.String(), nullable=False, server_default=""))
    op.add_column("apps", sa.Column("event", sa.String(), nullable=False, server_default=""))
    op.add_column("deployments", sa.Column("watched_until", sa.DateTime(), nullable=True))
    op.add_column("deployments", sa.Column("steady_since", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("deployments", "steady_since")
    op.drop_column("deployments", "watched_until")
    op.drop_column("apps", "event")
    op.drop_column("apps", "health_status")
