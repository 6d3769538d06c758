"""Rules of apps: rows in, rows out. Nothing here touches the engine or the ingress."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import ScalarSelect, select
from sqlalchemy.orm import Session, defer

from better_paas.apps import secrets
from better_paas.apps.fields import check_environment
from better_paas.apps.models import App
from better_paas.deployments.models import Deployment, Release
from better_paas.deployments.uploads import PREFIX as UPLOAD_PREFIX
from better_paas.domains import service as domains
from better_paas.domains.hosts import HostRules
from better_paas.errors import Conflict, Invalid, NotFound, SecretUnreadable, refuse_stale
from better_paas.git.source import parse_address
from better_paas.kit.clock import iso, now
from better_paas.kit.ids import new_id
from better_paas.kit.quoted import Statement, subject
from better_paas.kit.redact import MASK
from better_paas.kit.secret_forms import looks_secret
from better_paas.kit.versions import fingerprint
from better_paas.projects import service as projects

ACTIVE = ("queued", "building")
# Columns that hold nothing for "as the server has it".
NULLABLE = ("port_override", "watch_minutes", "static_site", "single_page")
# What of an update the ingress's configuration is made from.
SEEN_BY_INGRESS = frozenset({"domains", "volumes"})
_COLUMNS = (
    "git_repo",
    "branch",
    "git_token",
    "root_dir",
    "build_method",
    "dockerfile_path",
    "install_command",
    "build_command",
    "start_command",
    "port_override",
    "kind",
    "processes",
    "release_command",
    "build_args",
    "apt_packages",
    "run_apt_packages",
    "output_dir",
    "static_site",
    "single_page",
    "runtime_version",
    "build_secrets",
    "submodules",
    "watch_minutes",
    "health_path",
    "health_status",
    "memory",
    "cpus",
    "volumes",
    "auto_deploy",
)


# What an answer shows: plans and settings are large, and take longer to read than all the rest.
_OF_RELEASES = defer(Release.settings)
_OF_DEPLOYMENTS = defer(Deployment.plan)


@dataclass(frozen=True)
class EnvironmentChange:
    """set, unset: variables and names. secret, plain: names that are marked as secret from now on, and that are not."""

    set: dict[str, str]
    unset: list[str]
    secret: list[str]
    plain: list[str]


@dataclass(frozen=True)
class AppView:
    """An app with all that its answer shows."""

    app: App
    release: Release | None
    live: Deployment | None
    latest: Deployment | None
    domains: list[str]
    environment: dict[str, str]
    # Why its secrets can't be opened; empty while all is well.
    sealed: str = ""
    # The version that failed after it had gone live, if that is what led to the latest deployment.
    taken_back: Deployment | None = None


def get(session: Session, app_id: str) -> App:
    """Errors: NotFound, also for one in the trash."""
    app = session.get(App, app_id)
    if app is None:
        raise NotFound("App not found", "List the apps to see their ids.")
    if app.deleted_at is not None:
        raise NotFound("App not found: it is in the trash", "Restore it first: POST /api/apps/restore.")
    return app


def all_apps(session: Session) -> list[App]:
    """By name, without those in the trash."""
    return list(session.scalars(select(App).where(App.deleted_at.is_(None)).order_by(App.name)))


def visible_ids(session: Session, sees: Callable[[str, str], bool]) -> set[str]:
    """Ids of the apps that a caller sees. sees: asked with the ids of an app and of its project."""
    rows = session.execute(select(App.id, App.project_id).where(App.deleted_at.is_(None)))
    return {app_id for app_id, project_id in rows if sees(app_id, project_id)}


def views(session: Session, apps: list[App]) -> list[AppView]:
    """Views of `apps` with a fixed number of queries, however many they are."""
    ids = [app.id for app in apps]
    live_releases = select(Release).where(Release.id.in_([app.live_release_id for app in apps])).options(_OF_RELEASES)
    releases = {release.id: release for release in session.scalars(live_releases)}
    latest = _latest_deployments(session, ids)
    gone_back = [app_id for app_id, entry in latest.items() if entry.trigger == "watch"]
    taken_back = _latest_deployments(session, gone_back, before=1) if gone_back else {}
    live = {entry.id: entry for entry in latest.values()}
    earlier = {release.deployment_id for release in releases.values()} - live.keys()
    query = select(Deployment).where(Deployment.id.in_(earlier)).options(_OF_DEPLOYMENTS)
    live |= {entry.id: entry for entry in session.scalars(query)}
    names = domains.names_of(session, ids)
    result = []
    for app in apps:
        release = releases.get(app.live_release_id or "")
        result.append(
            AppView(
                app,
                release,
                live.get(release.deployment_id) if release else None,
                latest.get(app.id),
                names.get(app.id, []),
                *_readable(session, app),
                taken_back=taken_back.get(app.id),
            )
        )
    return result


def _readable(session: Session, app: App) -> tuple[dict[str, str], str]:
    """The variables, or why they can't be opened: one app's damage must not hide the others."""
    try:
        return secrets.environment(session, app), ""
    except SecretUnreadable as error:
        return {}, error.error


def newest_deployment(before: int = 0) -> ScalarSelect[str]:
    """The id of the last deployment of each app of a query, or of one so many before it."""
    return (
        select(Deployment.id)
        .where(Deployment.app_id == App.id)
        .order_by(Deployment.created_at.desc(), Deployment.id.desc())
        .limit(1)
        .offset(before)
        .correlate(App)
        .scalar_subquery()
    )


def _latest_deployments(session: Session, app_ids: list[str], before: int = 0) -> dict[str, Deployment]:
    query = select(Deployment).join(App, Deployment.id == newest_deployment(before)).where(App.id.in_(app_ids))
    query = query.options(_OF_DEPLOYMENTS)
    return {deployment.app_id: deployment for deployment in session.scalars(query)}


def status_of(view: AppView) -> tuple[str, Statement]:
    """(status, why). A failed deployment leaves an app running if an older release still serves."""
    latest, app = view.latest, view.app
    if latest is not None and latest.status in ACTIVE:
        return "building", Statement("A deployment is on its way.")
    if view.sealed:
        return "running" if view.release is not None and app.desired_running else "failed", Statement(view.sealed)
    failed = latest.why if latest is not None and latest.status == "failed" else None
    if view.release is None:
        if failed is not None:
            return "failed", Statement(f"The first deployment failed: {failed.sentence}.", failed.quoted)
        return "stopped", Statement("Nothing is deployed yet.")
    if not app.desired_running:
        return "stopped", Statement("Stopped by its owner.")
    if app.fault:
        fault = Statement.read(app.fault, "its process ended")
        return "failed", Statement(f"The app is down: {fault.sentence}.", fault.quoted)
    if failed is not None:
        itself = view.live is not None and latest is not None and view.live.id == latest.id
        then = "it is up again" if itself else "the version before it serves"
        sentence = f"The last deployment failed ({failed.sentence}); {then}."
        return "running", Statement(sentence, failed.quoted)
    if view.taken_back is not None and view.live is not None:
        why = view.taken_back.why
        sentence = f"Version {_named(view.taken_back)} was taken back: {why.sentence}; {_named(view.live)} serves."
        return "running", Statement(sentence, why.quoted)
    if app.event:
        event = Statement.read(app.event, "something happened to its processes")
        return "running", Statement(f"It runs. {event.sentence}.", event.quoted)
    return "running", Statement("")


def _named(deployment: Deployment) -> str:
    return deployment.commit[:7] or f"of deployment {deployment.id}"


def is_worker(release: Release | None) -> bool:
    """Whether what is live serves no requests."""
    return release is not None and release.container_port == 0


def answer(view: AppView, rules: HostRules, *, for_agent: bool = False, unserved: int = 0) -> dict[str, Any]:
    """Fields of the app's API answer. The one place where secret values are masked.

    for_agent: agents get no value that is secret, and none that looks like one though nobody said so. unserved: how
    many of its names the ingress leaves out.
    """
    app, release, live, latest = view.app, view.release, view.live, view.latest
    status, detail = status_of(view)
    if unserved:
        left_out = f"The ingress leaves out {unserved} of its names: GET /api/apps/domains says why."
        detail = Statement(f"{detail.sentence} {left_out}".lstrip(), detail.quoted)
    default_host = rules.default_host(app.name)
    return {
        **{name: getattr(app, name) for name in _COLUMNS},
        "id": app.id,
        "name": app.name,
        "status": status,
        "status_detail": detail.sentence,
        "status_quoted": detail.quoted,
        "git_token": MASK if app.git_token else "",
        "port": (release.host_port or None) if release else None,
        "url": "" if is_worker(release) else rules.url(view.domains[0] if view.domains else default_host),
        "default_host": default_host,
        "domains": view.domains,
        "env_vars": {
            key: MASK if key in app.secret_keys or (for_agent and looks_secret(key, value)) else value
            for key, value in view.environment.items()
        },
        "secret_keys": app.secret_keys,
        "reach": app.reach,
        "server_id": app.server_id,
        "project_id": app.project_id,
        "active_image": release.image if release else None,
        "active_deploy_id": release.deployment_id if release else None,
        "active_commit": live.commit if live else None,
        "active_commit_msg": subject(live.commit_msg) if live else None,
        "live_since": iso(release.created_at) if release else None,
        "latest_deployment": latest
        and {
            "id": latest.id,
            "status": latest.status,
            "trigger": latest.trigger,
            "commit": latest.commit,
            "commit_msg": subject(latest.commit_msg),
            "error": latest.why.sentence,
            "quoted": latest.why.quoted,
            "created_at": iso(latest.created_at),
            "finished_at": iso(latest.finished_at),
        },
        "created_at": iso(app.created_at),
        "version": version_of(app, view.domains),
    }


def create(session: Session, wanted: dict[str, Any], rules: HostRules, sees: domains.Sees) -> App:
    """A new app from the checked fields of a deploy call. A taken name gets `-2`, `-3` …"""
    name = free_name(session, wanted["name"])
    app_id = new_id()
    project_id = wanted.get("project_id") or ""
    if project_id:
        projects.get(session, project_id)
    else:
        project_id = projects.create(session, name, "", project_id=app_id).id
    moment = now()
    app = App(
        id=app_id,
        name=name,
        project_id=project_id,
        server_id="localhost",
        desired_running=True,
        fault="",
        live_release_id=None,
        created_at=moment,
        updated_at=moment,
        env_vars="",
        secret_keys=[],
        routing={},
        reach=[],
        deleted_at=None,
        **{column: wanted[column] for column in _COLUMNS if column not in ("git_repo", "git_token")},
        git_repo="",
        git_token="",
    )
    _set_source(session, app, wanted["git_repo"], wanted["git_token"])
    session.add(app)
    session.flush()
    _set_environment(session, app, wanted["env_vars"], wanted["secret_keys"])
    domains.replace(session, app.id, wanted["domains"], rules, sees)
    return app


def version_of(app: App, names: list[str]) -> str:
    """Changes whenever something does that an update changes. names: of its domains."""
    return fingerprint([app.env_vars, app.secret_keys, names, *(getattr(app, column) for column in _COLUMNS)])


def update(session: Session, app_id: str, changes: dict[str, Any], rules: HostRules, sees: domains.Sees) -> App:
    """Change only what `changes` names. version: that it was read at, if given. Errors: NotFound, Conflict, Invalid."""
    app = get(session, app_id)
    refuse_stale(changes.get("version"), version_of(app, domains.names_of(session, [app_id]).get(app_id, [])))
    for column in _COLUMNS:
        if column in changes and column not in ("git_repo", "git_token"):
            setattr(app, column, changes[column] if changes[column] is not None or column in NULLABLE else "")
    if "git_repo" in changes or "git_token" in changes:
        _set_source(session, app, changes.get("git_repo", app.git_repo), changes.get("git_token"))
    if "env_vars" in changes or "secret_keys" in changes:
        _set_environment(session, app, changes.get("env_vars"), changes.get("secret_keys"))
    if "domains" in changes:
        domains.replace(session, app.id, changes["domains"], rules, sees)
    app.updated_at = now()
    return app


def merge_environment(session: Session, app_id: str, wanted: EnvironmentChange) -> App:
    """Set and remove variables; all others stay. Errors: NotFound, Invalid."""
    app = get(session, app_id)
    stored = secrets.environment(session, app)
    missing = [name for name in wanted.unset if name not in stored]
    if missing:
        raise Invalid(f"there is no variable {missing[0]}", "GET /api/apps/get shows all names.")
    # What is shown of a secret, and to agents of all that looks like one, stands for what is stored.
    meant = {name: value for name, value in wanted.set.items() if value != MASK}
    if strange := [name for name, value in wanted.set.items() if value == MASK and name not in stored]:
        raise Invalid(f"{strange[0]} has the value ***, as secrets are shown", "Send its real value.")
    merged = {name: value for name, value in stored.items() if name not in wanted.unset} | meant
    try:
        check_environment(merged)
    except ValueError as error:
        raise Invalid(str(error)) from None
    unknown = [name for name in wanted.secret if name not in merged]
    if unknown:
        raise Invalid(f"secret: there is no variable {unknown[0]}", "Set it in the same call.")
    secret = {*app.secret_keys, *wanted.secret} - {*wanted.plain}
    _refuse_showing([name for name in app.secret_keys if name not in secret and name not in meant])
    _store_environment(session, app, merged, secret)
    app.updated_at = now()
    return app


def settings_of(session: Session, app_id: str) -> dict[str, Any]:
    """What an update can change, with the variables and the deploy token opened. Errors: NotFound."""
    app = get(session, app_id)
    variables, _ = _readable(session, app)
    return {
        **{to_camel(column): getattr(app, column) for column in _COLUMNS if column != "git_token"},
        "gitToken": app.git_token,
        "secretKeys": list(app.secret_keys),
        "domains": domains.names_of(session, [app_id]).get(app_id, []),
        "envVars": variables,
    }


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What changed, for the audit log: old and new values, but of variables and tokens only that they did."""
    changed: dict[str, Any] = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
    if "gitToken" in changed:
        changed["gitToken"] = [MASK if value else "" for value in changed["gitToken"]]
    if "envVars" in changed:
        old, new = changed["envVars"]
        changed["envVars"] = {
            "added": sorted(set(new) - set(old)),
            "removed": sorted(set(old) - set(new)),
            "changed": sorted(name for name in set(old) & set(new) if old[name] != new[name]),
        }
    return changed


def rename(session: Session, app_id: str, name: str) -> App:
    """Errors: Conflict if another app has the name."""
    app = get(session, app_id)
    other = session.scalars(select(App).where(App.name == name)).first()
    if other is not None and other.id != app_id:
        raise Conflict(f"the name {name} is taken", "Choose another name.")
    projects.rename_with_its_app(session, app.project_id, app.id, app.name, name)
    app.name, app.updated_at = name, now()
    return app


def free_name(session: Session, name: str) -> str:
    """`name`, or the first of `name-2`, `name-3` … that is free."""
    taken = set(session.scalars(select(App.name).where(App.name.startswith(name[:30]))))
    if name not in taken:
        return name
    for number in range(2, 10_000):
        candidate = f"{name[: 39 - len(str(number))].rstrip('-')}-{number}"
        if candidate not in taken:
            return candidate
    raise Conflict(f"the name {name} is taken", "Choose another name.")


def _set_source(session: Session, app: App, repository: str, token: str | None) -> None:
    """Keep a password that came inside the address as the deploy token, never in the address."""
    if repository.startswith(UPLOAD_PREFIX):
        # Whose upload it is, is never up to the caller.
        if app.git_repo != repository and repository != UPLOAD_PREFIX:
            raise Invalid("gitRepo: this is no repository", "Upload files by POST /api/deploy/upload.")
        repository = f"{UPLOAD_PREFIX}{app.id}"
    elif not repository.startswith("sample:"):
        address = parse_address(repository)
        if address.token:
            token = address.token if token in (None, "", MASK) else token
        repository = address.url
    if app.git_token and app.git_repo not in ("", repository) and token in (None, MASK):
        # Else whoever may change an app could have its token sent to a server of his own.
        raise Invalid(
            "gitToken: the stored deploy token is for another address",
            "Send the token for the new address with it, or an empty one for none.",
        )
    app.git_repo = repository
    if token is not None and token != MASK:
        secrets.set_git_token(session, app, token)


def _set_environment(session: Session, app: App, wanted: dict[str, str] | None, secret_keys: list[str] | None) -> None:
    """Replace the variables; `***` keeps what is stored, and what was secret stays so unless it is said."""
    # All values anew need none of the old ones: that is the way out when a key was lost.
    stored = secrets.environment(session, app) if wanted is None or MASK in wanted.values() else {}
    wanted = dict.fromkeys(stored, MASK) if wanted is None else wanted
    kept: dict[str, str] = {}
    for key, value in wanted.items():
        if value != MASK:
            kept[key] = value
        elif key in stored:
            kept[key] = stored[key]
        else:
            raise Invalid(f"{key} has the value ***, but nothing is stored under this name", "Send its real value.")
    secret = app.secret_keys if secret_keys is None else secret_keys
    _refuse_showing([key for key in app.secret_keys if key not in secret and wanted.get(key) == MASK])
    _store_environment(session, app, kept, secret)


def _store_environment(session: Session, app: App, values: dict[str, str], secret: Collection[str]) -> None:
    secrets.set_environment(session, app, values)
    app.secret_keys = sorted(key for key in set(secret) if key in values)


def _refuse_showing(uncovered: list[str]) -> None:
    """Errors: Invalid for a stored secret that is to become readable."""
    if uncovered:
        raise Invalid(
            f"{uncovered[0]} is secret: to make it readable, send its value again", "A stored secret is never shown."
        )
