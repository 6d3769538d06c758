"""What a call would do, in words, and the version of what it would do it to. Reads only."""

import json
from collections.abc import Callable, Iterable, Mapping
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
from better_paas.domains.routing import Routing
from better_paas.errors import SecretUnreadable
from better_paas.kit.quoted import Statement, quote
from better_paas.kit.versions import fingerprint
from better_paas.policy import Action
from better_paas.projects.models import Project

# Bytes by (project id, volume).
Sizes = Mapping[tuple[str, str], int]
# Actions that take away by what they leave out.
REPLACING = ("app:update", "app:deploy", "app:env", "app:routing_update")


@dataclass(frozen=True)
class Impact:
    """summary: one or two sentences for the person who is asked; quoted: what names of others are in question.

    version: changes when the resource does.
    """

    summary: Statement
    resource_name: str
    version: str


def takes_away(session: Session, resource_id: str, fields: dict[str, Any]) -> bool:
    """Whether a change removes something that is there: domains, variables, volumes … that it leaves out."""
    app = session.get(App, resource_id)
    return app is not None and bool(_removed(session, app, fields))


def _removed(session: Session, app: App, fields: dict[str, Any]) -> list[str]:
    rules = Routing.from_dict(app.routing)
    # What there is of each field that is replaced as a whole.
    present: dict[str, Callable[[], Iterable[str]]] = {
        "domains": lambda: domains.names_of(session, [app.id]).get(app.id, []),
        "envVars": lambda: _variables(session, app),
        "volumes": lambda: app.volumes,
        "processes": lambda: app.processes,
        "basicAuth": lambda: (name for name, _ in rules.accounts),
        "responseHeaders": lambda: (name for name, _ in rules.set_headers),
    }
    removed: set[str] = set()
    for name, there in present.items():
        if isinstance(wanted := fields.get(name), list | dict):
            removed |= set(there()) - _names(wanted)
    if isinstance(commands := fields.get("processes"), dict):
        removed |= {
            name for name in app.processes if name in commands and not str(commands[name]).strip()
        }  # which takes it away
    if isinstance(fields.get("unset"), list):
        removed |= set(_variables(session, app)) & _names(fields["unset"])
    return sorted(removed)


def _names(wanted: list[Any] | dict[str, Any]) -> set[str]:
    """Of accounts their user names."""
    return {str(each.get("username")) if isinstance(each, dict) else str(each) for each in wanted}


def _variables(session: Session, app: App) -> list[str]:
    try:
        return list(secrets.environment(session, app))
    except SecretUnreadable:
        return []


def impact_of(
    session: Session, action: Action, resource_id: str, fields: dict[str, Any], sizes: Sizes | None = None
) -> Impact:
    """fields: the call's arguments. Values of variables never appear; their names do."""
    sizes = sizes or {}
    if action.resource == "app" and (app := session.get(App, resource_id)) is not None:
        return Impact(_of_app(session, action, app, fields, sizes), app.name, fingerprint([_app_state(session, app)]))
    if action.resource == "project" and (project := session.get(Project, resource_id)) is not None:
        apps = _apps_of(session, project)
        return Impact(
            _of_project(session, action, project, apps, sizes),
            project.name,
            fingerprint([project.name, *(_app_state(session, app) for app in apps)]),
        )
    if action.resource == "agent" and (agent := session.get(Agent, resource_id)) is not None:
        children = agents.descendants(session, agent.id)
        also = f" and the {len(children)} made with it" if children else ""
        verb = {"agent:delete": "Deletes", "agent:rotate": "Replaces the secret of"}.get(action.name, "Changes")
        tail = " They stop working at once." if action.name == "agent:delete" else ""
        return Impact(
            Statement(f"{verb} a token{also}.{tail}", quote(agent.name)),
            agent.name,
            agents.version_of(agent),
        )
    name = str(fields.get(action.resource_field) or "")
    return Impact(Statement(f"Runs {action.name}.", quote(name)), name[:80], "")


def _of_app(session: Session, action: Action, app: App, fields: dict[str, Any], sizes: Sizes) -> Statement:
    match action.name:
        case "app:delete":
            goes = _belongings(session, [app], sizes)
            return Statement(f"Puts app {app.name} into the trash: {goes.sentence}.", goes.quoted)
        case "app:domain_remove":
            return Statement(
                f"Takes a domain from app {app.name}: its visitors get a 404 page.", quote(str(fields.get("domain")))
            )
        case "app:deploy":
            return _change(
                session, app, fields, f"Replaces the files of app {app.name}, deploys them, and changes", "nothing else"
            )
        case "app:update":
            return _change(session, app, fields, f"Changes app {app.name}:", "nothing")
        case "app:env":
            return _variables_change(session, app, fields)
        case "app:routing_update":
            return _change(session, app, fields, f"Changes how requests of app {app.name} are treated:", "nothing")
        case "app:rename":
            return Statement(f"Renames app {app.name}: its default address changes.", quote(str(fields.get("name"))))
        case "app:stop":
            return Statement(f"Stops app {app.name}: its visitors see a page that says so.")
        case _:
            return Statement(f"Runs {action.name} on app {app.name}.")


def _change(session: Session, app: App, fields: dict[str, Any], begins: str, nothing: str) -> Statement:
    removed = _removed(session, app, fields)
    variables = sorted(map(str, fields["envVars"])) if isinstance(fields.get("envVars"), dict) else []
    sentence = f"{begins} {', '.join(_changed(fields)) or nothing}."
    if removed:
        sentence += f" Takes away {len(removed)} of what is there."
    lists = (("takes away", removed), ("variables", variables))
    return Statement(sentence, quote("; ".join(f"{what} {', '.join(names)}" for what, names in lists if names)))


def _variables_change(session: Session, app: App, fields: dict[str, Any]) -> Statement:
    wanted, removed = sorted(map(str, fields.get("set") or {})), _removed(session, app, fields)
    lists = (("sets", wanted), ("takes away", removed), ("makes readable", sorted(map(str, fields.get("plain") or []))))
    parts = [f"sets {_count(len(wanted), 'variable')}"] if wanted else []
    parts += [f"takes away {_count(len(removed), 'variable')}"] if removed else []
    sentence = f"Changes the variables of app {app.name}: {' and '.join(parts) or 'no values'}."
    return Statement(sentence, quote("; ".join(f"{what} {', '.join(names)}" for what, names in lists if names)))


def _of_project(session: Session, action: Action, project: Project, apps: list[App], sizes: Sizes) -> Statement:
    if action.name != "project:delete":
        return Statement(f"Runs {action.name} on project {project.name}.")
    if not apps:
        return Statement(f"Deletes the empty project {project.name}.")
    names = ", ".join(app.name for app in apps[:5]) + (" …" if len(apps) > 5 else "")
    goes = _belongings(session, apps, sizes)
    sentence = f"Puts project {project.name} into the trash with {_count(len(apps), 'app')} ({names}): {goes.sentence}."
    return Statement(sentence, goes.quoted)


def _belongings(session: Session, apps: list[App], sizes: Sizes) -> Statement:
    """What goes and what stays with apps."""
    ids = [app.id for app in apps]
    names = sorted(name for found in domains.names_of(session, ids).values() for name in found)
    running = sum(1 for app in apps if app.live_release_id and app.desired_running)
    deployments = session.scalar(select(func.count()).select_from(Deployment).where(Deployment.app_id.in_(ids))) or 0
    volumes = sorted({(volume.partition(":")[0], app.project_id) for app in apps for volume in app.volumes})
    named = [f"{name} {_readable(sizes.get((project, name)))}".strip() for name, project in volumes]
    parts = [
        f"{running} of {_count(len(apps), 'app')} running"
        if len(apps) > 1
        else ("running" if running else "not running")
    ]
    parts.append(_count(len(names), "domain"))
    parts.append(_count(deployments, "deployment"))
    parts.append(f"{_count(len(volumes), 'volume')} kept" if volumes else "no volumes")
    lists = (("domains", names), ("volumes", named))
    return Statement(", ".join(parts), quote("; ".join(f"{what} {', '.join(of)}" for what, of in lists if of)))


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
        names.append(_count(len(fields["envVars"]), "variable"))
    return names


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _apps_of(session: Session, project: Project) -> list[App]:
    mine = select(App).where(App.project_id == project.id, App.deleted_at.is_(None))
    return list(session.scalars(mine.order_by(App.name)))


def _app_state(session: Session, app: App) -> str:
    names = [
        [domain.name, domain.redirect_to, domain.strip_path]
        for domain in domains.of_apps(session, [app.id]).get(app.id, [])
    ]
    state = [app.id, app.name, app.updated_at.isoformat(), app.live_release_id, app.desired_running, app.routing, names]
    return json.dumps(state, sort_keys=True)
