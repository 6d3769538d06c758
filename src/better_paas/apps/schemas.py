"""API types of apps."""

from typing import Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator

from better_paas.apps import fields
from better_paas.kit.schema import Answer, Body, Version

BuildMethod = Literal["auto", "dockerfile", "plan"]
Kind = Literal["", "web", "worker"]


class LatestDeployment(Answer):
    id: str
    status: str
    trigger: str
    commit: str
    commit_msg: str
    error: str
    quoted: str
    created_at: str
    finished_at: str | None


class AppAnswer(Answer):
    """An app as it is. status: running, building, stopped or failed. Secret values are `***`.

    version: changes with the settings; an update that sends it is refused if they were changed meanwhile.

    statusDetail: the platform's own words; statusQuoted: what a stranger said to it, as a deployment's `quoted`.
    """

    id: str
    name: str
    status: str
    status_detail: str
    status_quoted: str
    git_repo: str
    branch: str
    git_token: str
    root_dir: str
    port: int | None
    url: str
    default_host: str
    domains: list[str]
    build_method: str
    dockerfile_path: str
    install_command: str
    build_command: str
    start_command: str
    port_override: int | None
    kind: str
    processes: dict[str, str]
    release_command: str
    build_args: dict[str, str]
    apt_packages: list[str]
    run_apt_packages: list[str]
    output_dir: str
    static_site: bool | None
    single_page: bool | None
    runtime_version: str
    build_secrets: list[str]
    submodules: bool
    watch_minutes: int | None
    health_path: str
    health_status: str
    memory: str
    cpus: str
    env_vars: dict[str, str]
    secret_keys: list[str]
    volumes: list[str]
    reach: list[str]
    auto_deploy: bool
    server_id: str
    project_id: str
    active_image: str | None
    active_deploy_id: str | None
    active_commit: str | None
    active_commit_msg: str | None
    live_since: str | None
    latest_deployment: LatestDeployment | None
    created_at: str
    version: str


class DeployAnswer(AppAnswer):
    deployment_id: str


class BuildSettings(Body):
    """How an app is built; what is left empty is found out."""

    root_dir: fields.TreePath = ""
    build_method: BuildMethod = "auto"
    dockerfile_path: fields.TreePath = ""
    install_command: fields.Command = ""
    build_command: fields.Command = ""
    start_command: fields.Command = ""
    port_override: fields.Port | None = None
    kind: Kind = Field("", description="worker: it serves no requests. Empty: as its Procfile says, else web.")
    processes: fields.Processes = Field(
        default={}, description="Commands of processes beside the main one; they win over those of the Procfile."
    )
    release_command: fields.Command = Field("", description="Run once before each new release starts.")
    build_args: fields.Environment = Field(default={}, description="Of an own Dockerfile. They are no secret.")
    apt_packages: fields.Packages = Field(default=[], description="Debian packages that building needs.")
    run_apt_packages: fields.Packages = Field(default=[], description="Debian packages that running needs.")
    output_dir: fields.TreePath = Field("", description="The folder that the build makes, or that is served as it is.")
    static_site: bool | None = Field(None, description="Serve the output as files. Null: as it is found out.")
    single_page: bool | None = Field(None, description="Unknown paths of a site get its index. Null: as found out.")
    runtime_version: fields.RuntimeVersion = Field("", description="Of the language, such as 22 or 3.12.")
    build_secrets: list[fields.EnvKey] = Field(
        default=[], max_length=50, description="Names of secret variables that installing and building may know."
    )
    submodules: bool = Field(False, description="Fetch the repository's submodules too, from its own host.")

    @field_validator("build_method", mode="before")
    @classmethod
    def _old_names(cls, value: object) -> object:
        return "auto" if value in ("", "nixpacks") else value

    @field_validator("port_override", mode="before")
    @classmethod
    def _no_port(cls, value: object) -> object:
        return None if value in ("", 0, "0") else value


class Source(BuildSettings):
    """Where an app comes from and how it is built."""

    git_repo: fields.Repository
    branch: fields.Ref = Field("", description="Branch, tag or commit; empty for the default branch.")
    git_token: fields.Token = Field("", description="Deploy token, `user:password`, or for ssh a private key.")


class AppSettings(Body):
    """What an app runs with."""

    env_vars: fields.Environment = {}
    secret_keys: list[fields.EnvKey] = Field(default=[], max_length=500)
    domains: list[fields.Domain] = Field(default=[], max_length=50)
    memory: fields.Memory = ""
    cpus: fields.Cpus = ""
    volumes: fields.Volumes = []
    health_path: fields.HealthPath = ""
    health_status: fields.HealthStatus = Field(
        "", description="Statuses of the health path that are good, such as 200-299,401. Empty: 200-399."
    )
    watch_minutes: fields.WatchMinutes | None = Field(
        None, description="Minutes that a new release is watched for; 0 for not at all. Null: the server's setting."
    )
    auto_deploy: bool = Field(False, description="Kept for clients that send it; pushes do not start deployments yet.")
    project_id: str = Field("", max_length=40)
    server_id: Literal["", "localhost"] = ""


class DeployBody(Source, AppSettings):
    name: fields.Name


class UploadConfig(BuildSettings, AppSettings):
    """The part `config` of an upload. id: an app that gets these files now; else `name`, of a new one."""

    id: str = Field("", max_length=40)
    version: Version | None = None
    name: fields.Name | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.id and self.name is not None:
            raise ValueError("give an id or a name, not both")
        return self


class UpdateBody(Body):
    """Only the fields that are there are changed. A secret sent back as `***` keeps its value."""

    id: str = Field(max_length=40)
    version: Version | None = None
    git_repo: fields.Repository | None = None
    branch: fields.Ref | None = None
    git_token: fields.Token | None = None
    root_dir: fields.TreePath | None = None
    build_method: BuildMethod | None = None
    dockerfile_path: fields.TreePath | None = None
    install_command: fields.Command | None = None
    build_command: fields.Command | None = None
    start_command: fields.Command | None = None
    port_override: fields.Port | None = None
    kind: Kind | None = None
    processes: fields.Processes | None = None
    release_command: fields.Command | None = None
    build_args: fields.Environment | None = None
    apt_packages: fields.Packages | None = None
    run_apt_packages: fields.Packages | None = None
    output_dir: fields.TreePath | None = None
    static_site: bool | None = None
    single_page: bool | None = None
    runtime_version: fields.RuntimeVersion | None = None
    build_secrets: list[fields.EnvKey] | None = Field(None, max_length=50)
    submodules: bool | None = None
    watch_minutes: fields.WatchMinutes | None = None
    env_vars: fields.Environment | None = None
    secret_keys: list[fields.EnvKey] | None = Field(None, max_length=500)
    domains: list[fields.Domain] | None = Field(None, max_length=50)
    memory: fields.Memory | None = None
    cpus: fields.Cpus | None = None
    volumes: fields.Volumes | None = None
    health_path: fields.HealthPath | None = None
    health_status: fields.HealthStatus | None = None
    auto_deploy: bool | None = None

    _old_names = field_validator("build_method", mode="before")(lambda value: "auto" if value == "nixpacks" else value)
    _no_port = field_validator("port_override", mode="before")(lambda value: None if value in ("", 0, "0") else value)


class EnvBody(Body):
    """Only these variables are changed, whatever else changes meanwhile. A secret stays secret unless `plain` names it.

    Values arrive as they are sent, byte for byte.
    """

    id: str = Field(max_length=40)
    set: fields.Environment = Field(default={}, description="Values by name, of new variables and of those there are.")
    unset: list[fields.EnvKey] = Field(default=[], max_length=500, description="Names of variables to remove.")
    secret: list[fields.EnvKey] = Field(default=[], max_length=500, description="Names that are secret from now on.")
    plain: list[fields.EnvKey] = Field(
        default=[], max_length=500, description="Names that are not secret any more; their values must be in `set`."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if twice := {*self.set} & {*self.unset} or {*self.secret} & {*self.plain}:
            raise ValueError(f"{min(twice)} is in two lists that exclude each other")
        return self


class AppId(Body):
    id: str = Field(max_length=40)


class RenameBody(AppId):
    name: fields.Name


class ReachBody(AppId):
    reach: fields.Reach = Field(
        description="Addresses or networks, each with :port or for all ports, such as 10.0.0.5:5432; IPv6 in brackets. "
        "They replace what there is."
    )


class RollbackAnswer(DeployAnswer):
    """from, to: the deployments whose version serves now, and will then."""

    from_deployment: str | None = Field(serialization_alias="from")
    to_deployment: str = Field(serialization_alias="to")


class RedeployBody(AppId):
    no_cache: bool = False


class RollbackBody(AppId):
    deployment_id: str = Field("", max_length=40, description="Empty: the version before.")


class CancelBody(Body):
    id: str = Field(max_length=40)
    deployment_id: str = Field("", max_length=40)


class DomainBody(AppId):
    domain: fields.Domain


class StatusAnswer(Answer):
    status: str


class LogsAnswer(Answer):
    logs: list[str]


class MetricsAnswer(Answer):
    """cpu: of one core, 1.0 is all of it. memory: bytes; memoryLimit 0 for none."""

    cpu: float
    memory: int
    memory_limit: int
    processes: int
    measured_at: str


class PlanAnswer(Answer):
    """What would be built. available: versions that this server can give, or null for all of the registry's."""

    summary: str
    runtime: str
    version: str
    framework: str
    package_manager: str
    install: str
    build: str
    start: str
    port: int
    output: str
    single_page: bool
    processes: dict[str, str]
    release: str
    build_packages: list[str]
    run_packages: list[str]
    tools: dict[str, str]
    context: str | None
    notes: list[str]
    dockerfile: str
    commit: str
    commit_msg: str
    available: list[str] | None


class BranchesBody(Body):
    git_repo: fields.Repository = Field(validation_alias=AliasChoices("gitRepo", "git_repo"))
    git_token: fields.Token = Field("", validation_alias=AliasChoices("gitToken", "git_token"))
