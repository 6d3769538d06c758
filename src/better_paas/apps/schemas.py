"""API types of apps."""

from typing import Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator

from better_paas.apps import fields
from better_paas.kit.schema import Answer, Body

BuildMethod = Literal["auto", "dockerfile"]
Kind = Literal["", "web", "worker"]


class LatestDeployment(Answer):
    id: str
    status: str
    trigger: str
    commit: str
    commit_msg: str
    error: str
    created_at: str
    finished_at: str | None


class AppAnswer(Answer):
    """An app as it is. status: running, building, stopped or failed. Secret values are `***`."""

    id: str
    name: str
    status: str
    status_detail: str
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
    watch_minutes: int | None
    health_path: str
    memory: str
    cpus: str
    env_vars: dict[str, str]
    secret_keys: list[str]
    volumes: list[str]
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
    name: fields.Name | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.id and self.name is not None:
            raise ValueError("give an id or a name, not both")
        return self


class UpdateBody(Body):
    """Only the fields that are there are changed. A secret sent back as `***` keeps its value."""

    id: str = Field(max_length=40)
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
    watch_minutes: fields.WatchMinutes | None = None
    env_vars: fields.Environment | None = None
    secret_keys: list[fields.EnvKey] | None = Field(None, max_length=500)
    domains: list[fields.Domain] | None = Field(None, max_length=50)
    memory: fields.Memory | None = None
    cpus: fields.Cpus | None = None
    volumes: fields.Volumes | None = None
    health_path: fields.HealthPath | None = None
    auto_deploy: bool | None = None

    _old_names = field_validator("build_method", mode="before")(lambda value: "auto" if value == "nixpacks" else value)
    _no_port = field_validator("port_override", mode="before")(lambda value: None if value in ("", 0, "0") else value)


class AppId(Body):
    id: str = Field(max_length=40)


class RenameBody(AppId):
    name: fields.Name


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
    notes: list[str]
    dockerfile: str
    commit: str
    commit_msg: str
    available: list[str] | None


class BranchesBody(Body):
    git_repo: fields.Repository = Field(validation_alias=AliasChoices("gitRepo", "git_repo"))
    git_token: fields.Token = Field("", validation_alias=AliasChoices("gitToken", "git_token"))
