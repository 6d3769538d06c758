"""What single apps may reach though the packet filter keeps all others from it."""

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    op.add_column("apps", sa.Column("reach", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("apps", "reach")
