"""Volumes that apps have written to, so that one that is gone is missed."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    volumes = op.create_table(
        "volumes",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name"),
    )
    apps = sa.table("apps", sa.column("id"), sa.column("project_id"))
    releases = sa.table("releases", sa.column("app_id"), sa.column("state"), sa.column("settings", sa.JSON()))
    query = sa.select(apps.c.project_id, releases.c.settings).join(releases, releases.c.app_id == apps.c.id)
    found = op.get_bind().execute(query.where(releases.c.state.in_(("live", "held")))).all()
    keys = {(project, text.partition(":")[0]) for project, settings in found for text in settings.get("volumes") or ()}
    moment = datetime.now(UTC).replace(tzinfo=None)
    rows = [{"project_id": project, "name": name, "created_at": moment} for project, name in sorted(keys)]
    if rows:
        op.bulk_insert(volumes, rows)


def downgrade() -> None:
    op.drop_table("volumes")
