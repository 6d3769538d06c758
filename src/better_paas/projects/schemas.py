"""API types of projects."""

from pydantic import Field

from better_paas.apps import fields
from better_paas.apps.schemas import AppAnswer
from better_paas.kit.schema import Answer, Body


class ServiceStatus(Answer):
    id: str
    name: str
    status: str


class ProjectSummary(Answer):
    """status: the worst of its apps' (building, failed, running, stopped)."""

    id: str
    name: str
    description: str
    server_id: str
    created_at: str
    status: str
    service_count: int
    service_statuses: list[ServiceStatus]


class ProjectDetail(ProjectSummary):
    services: list[AppAnswer]


class CreateProject(Body):
    name: fields.Name
    description: str = Field("", max_length=500)
    server_id: str = Field("", pattern="^(localhost)?$")


class RenameProject(Body):
    id: str = Field(max_length=40)
    name: fields.Name


class ProjectId(Body):
    id: str = Field(max_length=40)
