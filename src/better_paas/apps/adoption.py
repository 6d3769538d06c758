"""What runs, or has a route, and is not in the state: a state that was lost, or an older one that was brought back.

Nobody but a person can know whether it is still wanted: it is shown and left alone, until it is taken in or removed.
"""

import functools
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from better_paas.apps import secrets, trash
from better_paas.apps import service as apps
from better_paas.apps.models import App
from better_paas.audit import service as audit
from better_paas.db.database import Database
from better_paas.deployments import service as deployments
from better_paas.errors import StartRefused
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id
from better_paas.projects import service as projects
from better_paas.projects.models import Project
from better_paas.runtime.protocol import ReleaseSpec, Runtime, State, Volume

ADVICE = (
    "Bring back the newest copy of the state (better-paas db backups). Or stop the server and run 'better-paas adopt', "
    "which takes in what runs, or 'better-paas forget', which shows and removes it. Until then it is left as it is."
)
# What every release gets from the platform.
_OURS = ("HOST", "HOSTNAME", "PORT")


@dataclass(frozen=True)
class Unknown:
    """releases: by deployment id. routes: ids of apps that have one."""

    releases: dict[str, State] = field(default_factory=dict)
    routes: frozenset[str] = frozenset()

    @property
    def app_ids(self) -> set[str]:
        return {state.app_id for state in self.releases.values()} | self.routes

    @property
    def problem(self) -> str:
        """For people; empty if there is nothing."""
        parts = []
        if self.releases:
            parts.append(_counted(len(self.releases), "release"))
        if self.routes:
            parts.append(_counted(len(self.routes), "route"))
        return f"the state does not know {' and '.join(parts)} of this installation" if parts else ""


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number > 1 else ''}"


def refuse_routes(session: Session, routes: Path) -> None:
    """At start: with a state that does not know them, they would lead nowhere. Errors: StartRefused."""
    found = Unknown(routes=_unknown_routes(session, routes))
    if found.problem:
        raise StartRefused(f"{found.problem}: it is empty, or older than they are", ADVICE)


def _unknown_routes(session: Session, routes: Path) -> frozenset[str]:
    there = {path.name for path in routes.iterdir()} if routes.is_dir() else set()
    return frozenset(there - trash.all_ids(session))


class Adoption:
    """routes: the folder of route files."""

    def __init__(self, database: Database, runtime: Runtime, routes: Path) -> None:
        self._database, self._runtime, self._routes = database, runtime, routes

    async def unknown(self, states: dict[str, State]) -> Unknown:
        """states: what the runtime says of all that it has."""

        def unit(session: Session) -> Unknown:
            recorded = deployments.recorded(session, set(states))
            releases = {key: state for key, state in states.items() if key not in recorded}
            return Unknown(releases, _unknown_routes(session, self._routes))

        return await self._database.read(unit)

    async def describe(self, found: Unknown) -> dict[str, ReleaseSpec | None]:
        """What each release runs with, by deployment id. Errors: RuntimeFailed."""
        return {deployment_id: await self._runtime.describe(deployment_id) for deployment_id in found.releases}

    async def adopt(self, specs: list[ReleaseSpec]) -> list[App]:
        """Take them in: of each app the one that its route leads to, or any. The rest goes at the start."""
        by_app: dict[str, list[ReleaseSpec]] = {}
        for spec in specs:
            by_app.setdefault(spec.app_id, []).append(spec)
        taken = []
        for each in by_app.values():
            each.sort(key=self._is_routed)
            taken.append(await self._database.write(functools.partial(_adopt, specs=each)))
        return taken

    def _is_routed(self, spec: ReleaseSpec) -> bool:
        file = self._routes / spec.app_id / "0"
        return file.is_file() and file.read_text().endswith(f":{spec.host_port}")

    async def forget(self, found: Unknown, specs: dict[str, ReleaseSpec | None]) -> None:
        """Remove releases and routes. Volumes and images stay. Errors: RuntimeFailed."""
        request = new_id(16)
        names = {spec.app_id: spec.app_name for spec in specs.values() if spec is not None}
        await self._record("app:forget", "intent", request, found.app_ids, names)
        for deployment_id in found.releases:
            await self._runtime.stop(deployment_id)
            await self._runtime.remove(deployment_id)
        known = await self._database.read(lambda session: {project.id for project in projects.all_projects(session)})
        for project_id in {spec.project_id for spec in specs.values() if spec is not None} - known:
            await self._runtime.remove_project(project_id)
        for app_id in found.routes:
            shutil.rmtree(self._routes / app_id, ignore_errors=True)
        await self._record("app:forget", "success", request, found.app_ids, names)

    async def _record(
        self, action: str, outcome: audit.Outcome, request: str, app_ids: set[str], names: dict[str, str]
    ) -> None:
        def unit(session: Session) -> None:
            for app_id in sorted(app_ids):
                audit.record(session, _entry(action, outcome, request, app_id, names.get(app_id, "")))

        await self._database.write(unit)


def _adopt(session: Session, specs: list[ReleaseSpec]) -> App:
    """specs: of one app; the last one is to serve."""
    app = session.get(App, specs[-1].app_id) or _new_app(session, specs[-1])
    for spec in specs:
        deployment = deployments.record_found(session, app, spec.deployment_id, spec.image)
        release = deployments.reserve_release(session, deployment, spec.image, 0, _settings(spec), (), set())
        release.container_port, release.host_port = spec.container_port, spec.host_port
        deployments.go_live(session, spec.deployment_id)
    audit.record(session, _entry("app:adopt", "success", new_id(16), app.id, app.name))
    return app


def _entry(action: str, outcome: audit.Outcome, request: str, app_id: str, name: str) -> audit.Entry:
    return audit.by_platform(action, outcome, request, resource_type="app", resource_id=app_id, resource_name=name)


def _settings(spec: ReleaseSpec) -> dict[str, object]:
    return {
        "environment": spec.environment,
        "secretKeys": sorted(spec.environment.keys() - set(_OURS)),
        "volumes": [_volume_text(volume) for volume in spec.volumes],
        "memory": spec.memory,
        "cpus": spec.cpus,
        "healthPath": "",
        "healthStatus": "",
        "startCommand": spec.start_command,
        "processes": spec.processes,
    }


def _new_app(session: Session, spec: ReleaseSpec) -> App:
    if session.get(Project, spec.project_id) is None:
        name = spec.app_name if spec.project_id == spec.app_id else f"project-{spec.project_id[:6]}"
        projects.create(session, name, "", project_id=spec.project_id or spec.app_id)
    variables = {key: value for key, value in spec.environment.items() if key not in _OURS}
    app = App(
        id=spec.app_id,
        name=apps.free_name(session, spec.app_name),
        project_id=spec.project_id or spec.app_id,
        # Where it came from is written on no container.
        git_repo="",
        start_command=spec.start_command,
        processes=dict(spec.processes),
        kind="" if spec.container_port else "worker",
        memory=spec.memory,
        cpus=spec.cpus,
        volumes=[_volume_text(volume) for volume in spec.volumes],
        # Nor which of them were secret.
        secret_keys=sorted(variables),
        env_vars="",
        created_at=now(),
        updated_at=now(),
    )
    session.add(app)
    session.flush()
    secrets.set_environment(session, app, variables)
    return app


def _volume_text(volume: Volume) -> str:
    return f"{volume.name}:{volume.path}{':ro' if volume.read_only else ''}"
