"""What an app's owner may say of its build beside commands."""

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"

_LISTS = ("apt_packages", "run_apt_packages", "build_secrets")


def upgrade() -> None:
    op.add_column("apps", sa.Column("build_args", sa.JSON(), nullable=False, server_default="{}"))
    for name in _LISTS:
        op.add_column("apps", sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
    for name in ("output_dir", "runtime_version"):
        op.add_column("apps", sa.Column(name, sa.String(), nullable=False, server_default=""))
    for name in ("static_site", "single_page"):
        op.add_column("apps", sa.Column(name, sa.Boolean(), nullable=True))
    op.add_column("apps", sa.Column("submodules", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    for name in ("submodules", "single_page", "static_site", "runtime_version", "output_dir", *_LISTS, "build_args"):
        op.drop_column("apps", name)
