"""A deployment with everything that its steps need to know."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from better_paas.apps import secrets
from better_paas.apps import service as apps
from better_paas.apps.models import App
from better_paas.apps.schemas import BuildSettings
from better_paas.builders.plan import Overrides
from better_paas.db.database import Database
from better_paas.deployments import service
from better_paas.deployments.log_store import DeploymentLog, DeploymentLogStore
from better_paas.deployments.models import Deployment
from better_paas.deployments.sources import SourceRef
from better_paas.deployments.uploads import PREFIX as UPLOAD_PREFIX
from better_paas.deployments.uploads import Uploads
from better_paas.git.limits import Limits
from better_paas.kit.redact import Redactor


@dataclass(frozen=True)
class DeploySettings:
    """What of the settings a deployment needs. Seconds, bytes, and defaults of apps that set no limit."""

    workspace: Path
    limits: Limits
    build_timeout: float
    health_timeout: float
    hold_seconds: float
    drain_seconds: float
    watch_minutes: int
    keep_images: int
    build_cache_bytes: int
    least_free_bytes: int
    ports: range
    default_memory: str
    default_cpus: str
    uploads: Uploads


@dataclass(frozen=True)
class DeploymentContext:
    """A deployment with what its app wants now.

    build_variables: what the build may know. resumed: a server that has ended was at it before.
    """

    deployment: Deployment
    app_name: str
    project_id: str
    source: SourceRef
    overrides: Overrides
    variables: dict[str, str]
    build_variables: dict[str, str]
    settings: dict[str, Any]
    log: DeploymentLog
    resumed: bool = False


async def redactor_of(database: Database, app_id: str, deployment_id: str) -> Redactor:
    """Masks the app's secret values, and those that a rollback brings back; none if the app is gone."""

    def values(session: Session) -> list[str]:
        app = session.get(App, app_id)
        deployment = session.get(Deployment, deployment_id)
        rollback_of = deployment.rollback_of if deployment is not None else None
        earlier = service.release_of(session, rollback_of) if rollback_of else None
        return secrets.secret_values(session, app, earlier) if app is not None else []

    return Redactor(await database.read(values))


async def begin(
    database: Database, log_store: DeploymentLogStore, settings: DeploySettings, deployment_id: str
) -> DeploymentContext:
    """Mark the deployment as begun, and gather what it needs. Errors: SecretUnreadable."""

    def mark(session: Session) -> tuple[Deployment, bool]:
        resumed = service.get(session, deployment_id).status == "building"
        return service.begin(session, deployment_id), resumed

    deployment, resumed = await database.write(mark)

    def open_secrets(session: Session) -> tuple[App, str, dict[str, str]]:
        found = apps.get(session, deployment.app_id)
        return found, secrets.git_token(session, found), secrets.environment(session, found)

    app, git_token, variables = await database.read(open_secrets)
    log = log_store.open(app.id, deployment.id, await redactor_of(database, app.id, deployment.id))
    branch = "" if app.git_repo.startswith(UPLOAD_PREFIX) else app.branch
    source = SourceRef(app.git_repo, deployment.commit or branch, git_token, app.root_dir, app.submodules)
    overrides = wishes(app)
    public = {key: value for key, value in variables.items() if key not in app.secret_keys}
    kept = {
        "environment": variables,
        "secretKeys": app.secret_keys,
        "volumes": app.volumes,
        "healthPath": app.health_path,
        "healthStatus": app.health_status,
        "memory": app.memory or settings.default_memory,
        "cpus": app.cpus or settings.default_cpus,
    }
    lent = {key: value for key, value in variables.items() if key in public or key in app.build_secrets}
    return DeploymentContext(
        deployment, app.name, app.project_id, source, overrides, variables, lent, kept, log, resumed
    )


def wishes(said: App | BuildSettings) -> Overrides:
    """What an app, or a call that makes one, says of its build, in the words of plans."""
    return Overrides(
        build_method=said.build_method,
        dockerfile_path=said.dockerfile_path,
        install_command=said.install_command,
        build_command=said.build_command,
        start_command=said.start_command,
        port=said.port_override,
        kind=said.kind,
        processes=said.processes,
        release_command=said.release_command,
        packages=tuple(said.apt_packages),
        run_packages=tuple(said.run_apt_packages),
        output=said.output_dir,
        site=said.static_site,
        single_page=said.single_page,
        version=said.runtime_version,
        build_args=said.build_args,
    )
