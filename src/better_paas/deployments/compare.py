"""What differs between two deployments: commit, plan, settings, and names of variables. Values of variables never."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.deployments import service
from better_paas.deployments.models import Deployment
from better_paas.errors import Invalid, SecretUnreadable

_PLAN = ("runtime", "version", "framework", "package_manager", "install", "build", "start", "port", "output", "release")
_SETTINGS = ("healthPath", "healthStatus", "memory", "cpus", "volumes", "processes", "startCommand")
# The platform's own, in every release.
_OURS = {"HOST", "HOSTNAME", "PORT"}


@dataclass(frozen=True)
class Change:
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Difference:
    """before: the older deployment, or None if there is none to compare with."""

    before: Deployment | None
    after: Deployment
    plan: list[Change]
    settings: list[Change]
    added: list[str]
    removed: list[str]
    changed: list[str]


def compare(session: Session, deployment_id: str, other_id: str) -> Difference:
    """other_id: "" for the good deployment before it. Errors: NotFound, Invalid."""
    after = service.get(session, deployment_id)
    before = service.get(session, other_id) if other_id else _good_before(session, after)
    if before is None:
        return Difference(None, after, [], [], [], [], [])
    if before.app_id != after.app_id:
        raise Invalid("these deployments are of two apps", "Compare two of one app.")
    old, new = _settings(session, before), _settings(session, after)
    old_names, new_names = _variables(old), _variables(new)
    known = old is not None and new is not None
    both = old_names.keys() & new_names.keys()
    return Difference(
        before,
        after,
        _changes(before.plan, after.plan, _PLAN) if before.plan and after.plan else [],
        _changes(old or {}, new or {}, _SETTINGS) if known else [],
        sorted(new_names.keys() - old_names.keys()) if known else [],
        sorted(old_names.keys() - new_names.keys()) if known else [],
        sorted(name for name in both if old_names[name] != new_names[name]) if known else [],
    )


def _good_before(session: Session, deployment: Deployment) -> Deployment | None:
    query = select(Deployment).where(
        Deployment.app_id == deployment.app_id,
        Deployment.status == "success",
        Deployment.created_at < deployment.created_at,
    )
    return session.scalars(query.order_by(Deployment.created_at.desc()).limit(1)).first()


def _settings(session: Session, deployment: Deployment) -> dict[str, Any] | None:
    """What its release ran with; None if it had none, or if that can't be opened."""
    release = service.release_of(session, deployment.id)
    try:
        return service.settings_of(session, release) if release is not None else None
    except SecretUnreadable:
        return None


def _variables(settings: dict[str, Any] | None) -> dict[str, str]:
    return {name: value for name, value in (settings or {}).get("environment", {}).items() if name not in _OURS}


def _changes(before: dict[str, Any], after: dict[str, Any], names: tuple[str, ...]) -> list[Change]:
    pairs = [(name, _text(before.get(name)), _text(after.get(name))) for name in names]
    return [Change(*pair) for pair in pairs if pair[1] != pair[2]]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {entry}" for name, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
