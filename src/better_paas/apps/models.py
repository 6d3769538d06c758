"""The table of apps."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from better_paas.db.base import Base


class App(Base):
    """A deployable service and the settings that its next release gets."""

    __tablename__ = "apps"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    server_id: Mapped[str] = mapped_column(default="localhost")
    git_repo: Mapped[str]
    branch: Mapped[str] = mapped_column(default="")
    git_token: Mapped[str] = mapped_column(default="")
    root_dir: Mapped[str] = mapped_column(default="")
    build_method: Mapped[str] = mapped_column(default="auto")
    dockerfile_path: Mapped[str] = mapped_column(default="")
    install_command: Mapped[str] = mapped_column(default="")
    build_command: Mapped[str] = mapped_column(default="")
    start_command: Mapped[str] = mapped_column(default="")
    port_override: Mapped[int | None]
    # What it serves: `web`, `worker` (nothing), or "" to go by its Procfile.
    kind: Mapped[str] = mapped_column(default="")
    # Commands of processes beside the main one; they win over those of the Procfile, and an empty one takes it away.
    processes: Mapped[dict[str, str]] = mapped_column(default=dict)
    release_command: Mapped[str] = mapped_column(default="")
    build_args: Mapped[dict[str, str]] = mapped_column(default=dict, server_default="{}")
    apt_packages: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    run_apt_packages: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    output_dir: Mapped[str] = mapped_column(default="", server_default="")
    # None: as it is found out.
    static_site: Mapped[bool | None]
    single_page: Mapped[bool | None]
    runtime_version: Mapped[str] = mapped_column(default="", server_default="")
    # Names of secret variables that installing and building may know.
    build_secrets: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    submodules: Mapped[bool] = mapped_column(default=False, server_default=false())
    health_path: Mapped[str] = mapped_column(default="")
    # Which answers of it are good; empty for those that usually are.
    health_status: Mapped[str] = mapped_column(default="", server_default="")
    memory: Mapped[str] = mapped_column(default="")
    cpus: Mapped[str] = mapped_column(default="")
    # One sealed text (see secrets.py); a mapping in the clear in rows from before there was a key.
    env_vars: Mapped[str | dict[str, str]] = mapped_column(JSON, default="")
    secret_keys: Mapped[list[str]] = mapped_column(default=list)
    volumes: Mapped[list[str]] = mapped_column(default=list)
    # Minutes that a new release is watched for; None for the server's own setting.
    watch_minutes: Mapped[int | None]
    # How the ingress treats its requests (see domains/routing.py); empty for the plain way.
    routing: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # What it may reach though the packet filter keeps apps from it: openings, as firewall/rules.py writes them.
    reach: Mapped[list[str]] = mapped_column(default=list)
    auto_deploy: Mapped[bool] = mapped_column(default=False)
    # What the user wants: False after a stop, until a start or a deployment.
    desired_running: Mapped[bool] = mapped_column("wanted", default=True)
    # What happened to the live release's process, as Statement.stored() gives it; empty while it runs.
    fault: Mapped[str] = mapped_column(default="")
    # What happened beside, such as a worker of it that ran out of memory; a new release begins without.
    event: Mapped[str] = mapped_column(default="", server_default="")
    live_release_id: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    # When it was put into the trash; its name is then free for another (see trash.py).
    deleted_at: Mapped[datetime | None]
