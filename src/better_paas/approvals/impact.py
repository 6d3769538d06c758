"""What a call would do, in words, and the version of what it would do it to. Reads only."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from better_paas.agents import service as agents
from better_paas.agents.models import Agent
from better_paas.apps import secrets
from better_paas.apps.models import App
from better_paas.deployments.models import Deployment
from better_paas.domains import service as domains
from better_paas.errors import SecretUnreadable
from better_paas.policy import Action
from better_paas.projects.models import Project

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_LONGEST = 600
# Bytes by (project id, volume).
Sizes = Mapping[tuple[str, str], int]
# Actions that take away by what they leave out.
REPLACING = ("app:update", "app:deploy")


@dataclass(frozen=True)
class Impact:
    """summary: one or two sentences for the person who is asked. version: changes when the resource does."""

    summary: str
    resource_name: str
    version: str


def takes_away(session: Session, resource_id: str, fields: dict[str, Any]) -> bool:
    """Whether an update removes something that is there: domains, variables or volumes that it leaves out."""
    app = session.get(App, resource_id)
    return app is not None and bool(_removed(session, app, fields))


def _removed(session: Session, app: App, fields: dict[str, Any]) -> list[str]:
    removed: list[str] = []
    if isinstance(fields.get("domains"), list):
        removed += set(domains.names_of(session, [app.id]).get(app.id, [])) - set(map(str, fields["domains"]))
    if isinstance(fields.get("envVars"), dict):
        removed += set(_variables(session, app)) - set(fields["envVars"])
    if isinstance(fields.get("volumes"), list):
        removed += set(app.volumes) - set(map(str, fields["volumes"]))
    return sorted(removed)


def _variables(session: Session, app: App) -> list[str]:
    try:
        return list(secrets.environment(session, app))
    except SecretUnreadable:
        return []


def impact_of(
    session: Session, action: Action, resource_id: str, fields: dict[str, Any], sizes: Sizes | None = None
) -> Impact:
    """fields: the call's arguments. Values of variables never appear; their names do."""
    found = _impact_of(session, action, resource_id, fields, sizes or {})
    # It is read in dashboards and terminals: one line, and no longer than a person reads.
    line = _CONTROL.sub(" ", found.summary)
    return Impact(line if len(line) <= _LONGEST else line[:_LONGEST] + " …", found.resource_name, found.version)


def _impact_of(session: Session, action: Action, resource_id: str, fields: dict[str, Any], sizes: Sizes) -> Impact:
    if action.resource == "app" and (app := session.get(App, resource_id)) is not None:
        return Impact(_of_app(session, action, app, fields, sizes), app.name, _version([_app_state(session, app)]))
    if action.resource == "project" and (project := session.get(Project, resource_id)) is not None:
        apps = _apps_of(session, project)
        return Impact(
            _of_project(session, action, project, apps, sizes),
            project.name,
            _version([project.name, *(_app_state(session, app) for app in apps)]),
        )
    if action.resource == "agent" and (agent := session.get(Agent, resource_id)) is not None:
        children = agents.descendants(session, agent.id)
        also = f" and the {len(children)} made with it" if children else ""
        verb = {"agent:delete": "Deletes", "agent:rotate": "Replaces the secret of"}.get(action.name, "Changes")
        tail = " They stop working at once." if action.name == "agent:delete" else ""
        return Impact(
            f"{verb} the token {agent.name}{also}.{tail}", agent.name, _version([agent.digest, *agent.scopes])
        )
    name = str(fields.get(action.resource_field) or "")[:80]
    return Impact(f"Runs {action.name}" + (f" for {name}." if name else "."), name, "")


def _of_app(session: Session, action: Action, app: App, fields: dict[str, Any], sizes: Sizes) -> str:
    match action.name:
        case "app:delete":
            return f"Puts app {app.name} into the trash: {_belongings(session, [app], sizes)}."
        case "app:domain_remove":
            return (
                f"Takes the domain {str(fields.get('domain'))[:80]} from app {app.name}: its visitors get a 404 page."
            )
        case "app:deploy":
            changed = ", ".join(_changed(fields)) or "nothing else"
            gone = _gone(session, app, fields)
            return f"Replaces the files of app {app.name}, deploys them, and changes {changed}.{gone}"
        case "app:update":
            gone = _gone(session, app, fields)
            return f"Changes app {app.name}: {', '.join(_changed(fields)) or 'nothing'}.{gone}"
        case "app:rename":
            return f"Renames app {app.name} to {str(fields.get('name'))[:60]}: its default address changes."
        case "app:stop":
            return f"Stops app {app.name}: its visitors see a page that says so."
        case _:
            return f"Runs {action.name} on app {app.name}."


def _gone(session: Session, app: App, fields: dict[str, Any]) -> str:
    removed = _removed(session, app, fields)
    return f" Takes away {', '.join(removed[:8])}{' …' if len(removed) > 8 else ''}." if removed else ""


def _of_project(session: Session, action: Action, project: Project, apps: list[App], sizes: Sizes) -> str:
    if action.name != "project:delete":
        return f"Runs {action.name} on project {project.name}."
    if not apps:
        return f"Deletes the empty project {project.name}."
    names = ", ".join(app.name for app in apps[:5]) + (" …" if len(apps) > 5 else "")
    goes = _belongings(session, apps, sizes)
    return f"Puts project {project.name} into the trash with {_count(len(apps), 'app')} ({names}): {goes}."


def _belongings(session: Session, apps: list[App], sizes: Sizes) -> str:
    """What goes and what stays with apps."""
    ids = [app.id for app in apps]
    names = sorted(name for found in domains.names_of(session, ids).values() for name in found)
    running = sum(1 for app in apps if app.live_release_id and app.wanted)
    deployments = session.scalar(select(func.count()).select_from(Deployment).where(Deployment.app_id.in_(ids))) or 0
    volumes = sorted({(volume.partition(":")[0], app.project_id) for app in apps for volume in app.volumes})
    named = [f"{name} {_readable(sizes.get((project, name)))}".strip() for name, project in volumes]
    shown = ", ".join(named[:3]) + (" …" if len(named) > 3 else "")
    parts = [
        f"{running} of {_count(len(apps), 'app')} running"
        if len(apps) > 1
        else ("running" if running else "not running")
    ]
    parts.append(
        _count(len(names), "domain") + (f" ({', '.join(names[:3])}{' …' if len(names) > 3 else ''})" if names else "")
    )
    parts.append(_count(deployments, "deployment"))
    parts.append(f"{_count(len(volumes), 'volume')} kept ({shown})" if volumes else "no volumes")
    return ", ".join(parts)


def _readable(size: int | None) -> str:
    if size is None:
        return ""
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _changed(fields: dict[str, Any]) -> list[str]:
    names = [name for name in fields if name not in ("id", "envVars", "gitToken", "archive")]
    if "gitToken" in fields:
        names.append("the deploy token")
    if isinstance(fields.get("envVars"), dict):
        names.append(f"variables ({', '.join(sorted(map(str, fields['envVars']))[:8])})")
    return names


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _apps_of(session: Session, project: Project) -> list[App]:
    mine = select(App).where(App.project_id == project.id, App.deleted_at.is_(None))
    return list(session.scalars(mine.order_by(App.name)))


def _app_state(session: Session, app: App) -> str:
    names = domains.names_of(session, [app.id]).get(app.id, [])
    return json.dumps([app.id, app.name, app.updated_at.isoformat(), app.live_release_id, app.wanted, names])


def _version(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
