"""Loads every table, for migrations and for the test that compares them with the models."""

from better_paas.agents import models as agents
from better_paas.approvals import models as approvals
from better_paas.apps import idempotency
from better_paas.apps import models as apps
from better_paas.audit import models as audit
from better_paas.connect import models as connect
from better_paas.db.base import Base
from better_paas.deployments import models as deployments
from better_paas.domains import models as domains
from better_paas.jobs import models as jobs
from better_paas.projects import models as projects
from better_paas.vault import models as vault
from better_paas.volumes import models as volumes

__all__ = [
    "Base",
    "agents",
    "approvals",
    "apps",
    "audit",
    "connect",
    "deployments",
    "domains",
    "idempotency",
    "jobs",
    "projects",
    "vault",
    "volumes",
]
