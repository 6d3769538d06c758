"""Stopping, starting and deleting: changes of what runs that are no deployments."""

import asyncio
import functools
from collections import defaultdict
from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from better_paas.apps import secrets
from better_paas.apps import service as apps
from better_paas.apps.models import App
from better_paas.caddy.process import CaddyFailed
from better_paas.db.database import Database
from better_paas.deployments import service as deployments
from better_paas.deployments.logbook import LogBook
from better_paas.deployments.models import Release
from better_paas.deployments.tasks import Deployer
from better_paas.deployments.uploads import Uploads
from better_paas.domains.ingress import Ingress
from better_paas.errors import Conflict, PaasError, SecretUnreadable, StepFailed, Unavailable
from better_paas.jobs import queue
from better_paas.jobs.worker import Worker
from better_paas.kit.redact import Redactor
from better_paas.projects import service as projects
from better_paas.runtime.protocol import Runtime, RuntimeFailed

_CANCEL_SECONDS = 60
_CANCEL_ATTEMPTS = 5
_RECONNECT_SECONDS = 2
_log = structlog.get_logger(__name__)


class Operations:
    """One at a time for each app."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        ingress: Ingress,
        deployer: Deployer,
        worker: Worker,
        logbook: LogBook,
        uploads: Uploads,
    ) -> None:
        self._database, self._runtime, self._ingress = database, runtime, ingress
        self._deployer, self._worker, self._logbook, self._uploads = deployer, worker, logbook, uploads
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def stop(self, app_id: str) -> None:
        """The route says "stopped" first, then the release ends. Errors: NotFound, Conflict."""

        def mark(session: Session) -> Release | None:
            app = apps.get(session, app_id)
            deployments.refuse_while_active(session, app_id, "stopped")
            app.wanted, app.fault = False, ""
            return deployments.live_release(session, app)

        await self._database.read(lambda session: apps.get(session, app_id))
        async with self._locks[app_id]:
            release = await self._database.write(mark)
            await self._deployer.point(app_id)
            if release is not None:
                await self._runtime.stop(release.container_id)

    async def start(self, app_id: str) -> None:
        """Start the live release again; it gets requests once it is healthy. Errors: NotFound, Conflict, 503."""

        def look(session: Session) -> tuple[App, Release]:
            app = apps.get(session, app_id)
            deployments.refuse_while_active(session, app_id, "started")
            release = deployments.live_release(session, app)
            if release is None:
                raise Conflict("nothing was deployed yet, so there is nothing to start", "Deploy the app first.")
            return app, release

        await self._database.read(lambda session: apps.get(session, app_id))
        async with self._locks[app_id]:
            app, release = await self._database.read(look)
            spec = await self._deployer.spec(release, app.name, app.project_id)
            try:
                container_id = await self._runtime.start(spec)
                await self._healthy_or_stopped(container_id, release)
                await self._runtime.settle(container_id)
            except RuntimeFailed as error:
                raise Unavailable(str(error), error.hint) from error
            except StepFailed as error:
                # What an app answers to the probe may hold whatever it knows.
                redactor = Redactor(
                    await self._database.read(lambda session: secrets.secret_values(session, app, release))
                )
                text, hint = redactor.text(error.error), redactor.text(error.hint or "")
                raise Unavailable(text, hint, code=error.code) from None
            await self._database.write(lambda session: _mark_started(session, app_id, release.id, container_id))
            await self._deployer.point(app_id)

    async def _healthy_or_stopped(self, container_id: str, release: Release) -> None:
        try:
            await self._deployer.wait_until_healthy(container_id, release.host_port, release.settings["healthPath"])
        except BaseException:
            # Also when the caller goes away: what was not brought up does not stay half up.
            await asyncio.shield(self._runtime.stop(container_id))
            raise

    async def cancel(self, deployment_id: str) -> None:
        """Cancel a deployment and wait until it has tidied up. Errors: NotFound, Conflict if it is too late."""

        def request(session: Session) -> tuple[str, str]:
            deployment = deployments.get(session, deployment_id)
            if deployment.status not in deployments.ACTIVE:
                raise Conflict(
                    f"this deployment has ended ({deployment.status})", "To undo a successful one, roll back instead."
                )
            before = queue.request_cancel(session, deployment.job_id)
            if before != "running":
                # Waiting, or its job is over without having said so.
                deployments.fail(session, deployment_id, "cancelled", "cancelled before it began", "")
            return deployment.job_id, before

        job_id, before = await self._database.write(request)
        if before == "running" and not self._worker.cancel(job_id):
            raise Conflict("this deployment is going live at this moment", "To undo it, roll back instead.")
        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._worker.wait(job_id)
        except TimeoutError:
            raise Unavailable(
                "the deployment is being cancelled, which takes long", "Look again in a minute."
            ) from None

    async def delete(self, app_id: str) -> None:
        """Remove the app and all that was made for it. Its volumes are kept. Errors: NotFound."""
        await self._database.read(lambda session: apps.get(session, app_id))
        async with self._locks[app_id]:
            await self._end_deployments(app_id)
            containers = await self._containers(app_id)
            deployment_ids = await self._database.read(lambda session: deployments.newest_ids(session, app_id))
            project_id = await self._database.write(lambda session: _delete_rows(session, app_id))
            await self._apply_ingress()
            self._ingress.forget(app_id)
            for container_id in containers:
                await self._runtime.stop(container_id)
            # By label too: a deployment that was killed may have left one that its row does not name.
            owners = await self._runtime.owned()
            for container_id in {*containers, *(found for found, owner in owners.items() if owner in deployment_ids)}:
                await self._runtime.remove(container_id)
            for _, reference in await self._runtime.images(app_id):
                await self._runtime.remove_image(reference)
            if project_id:
                await self._runtime.remove_project(project_id)
            self._logbook.forget_app(app_id)
            await self._uploads.forget(app_id)
        self._locks.pop(app_id, None)

    async def _end_deployments(self, app_id: str) -> None:
        """Cancel what is on its way. Errors: Conflict if it does not end."""
        for _ in range(_CANCEL_ATTEMPTS):
            active = await self._database.read(lambda session: deployments.active(session, app_id))
            if active is None:
                return
            try:
                await self.cancel(active.id)
            except PaasError:
                await self._worker.wait(active.job_id)
        raise Conflict("a deployment of this app does not end", "Try again in a moment.")

    async def delete_project(self, project_id: str) -> None:
        """Delete each app of the project, then the project. Errors: NotFound."""

        def look(session: Session) -> list[str]:
            projects.get(session, project_id)
            return [app.id for app in apps.all_apps(session) if app.project_id == project_id]

        for app_id in await self._database.read(look):
            await self.delete(app_id)
        if await self._database.write(lambda session: _delete_project_row(session, project_id)):
            await self._runtime.remove_project(project_id)

    async def tidy_up(self) -> None:
        """Before the first request: what stands now is left over from before; what comes later is in use."""
        await self._database.write(deployments.mend)
        await self._deployer.sweep_workspaces()
        await self._uploads.sweep(await self._database.read(lambda session: {app.id for app in apps.all_apps(session)}))

    async def reconcile(self) -> None:
        """At start: make routes and containers what the state says. Nothing that is not ours is looked at."""
        pairs = await self._database.read(deployments.live_releases)
        for app, _ in pairs:
            await self._deployer.point(app.id)
        self._ingress.forget_unknown({app.id for app, _ in pairs})
        await self.match_containers()

    async def match_containers(self) -> None:
        """Start what should run, stop what should not, remove what no release needs. One app can't hold up others."""
        try:
            # In this order: a container that is made in between is known before it exists.
            owned = await self._runtime.owned()
            known = await self._database.read(deployments.known_deployment_ids)
            for container_id, deployment_id in owned.items():
                if deployment_id not in known:
                    _log.warning("removing a container that no release needs", deployment=deployment_id)
                    await self._runtime.remove(container_id)
        except RuntimeFailed as error:
            _log.error("the runtime can't be brought in step", reason=str(error))
            return
        for app, release in await self._database.read(deployments.live_releases):
            if release is None:
                continue
            try:
                async with self._locks[app.id]:
                    await self._match(app.id)
            except (RuntimeFailed, SecretUnreadable) as error:
                fault, deployment_id = str(error), release.deployment_id
                _log.error("an app can't be brought up", app=app.name, reason=fault)
                await self._database.write(
                    functools.partial(deployments.set_fault, deployment_id=deployment_id, fault=fault)
                )

    async def _match(self, app_id: str) -> None:
        """One app, as the state is now that its lock is held. A deployment on its way looks after itself."""
        found = await self._database.read(lambda session: deployments.settled_release(session, app_id))
        if found is None:
            return
        app, release = found
        state = await self._runtime.state(release.container_id) if release.container_id else None
        running = state is not None and state.running
        if app.wanted and not running:
            spec = await self._deployer.spec(release, app.name, app.project_id)
            container_id = await self._runtime.start(spec)
            await self._runtime.settle(container_id)
            await self._database.write(lambda session: _mark_started(session, app.id, release.id, container_id))
        elif not app.wanted and running:
            await self._runtime.stop(release.container_id)

    async def watch_faults(self, changed: Callable[[str], None]) -> None:
        """Follow the engine's events: an app whose process dies is shown as such. Never returns."""
        while True:
            try:
                async for deployment_id, fault in self._runtime.faults():
                    await self._note_fault(deployment_id, fault, changed)
            except Exception as error:  # an engine restart ends the stream; there is nobody to tell
                _log.warning("the engine's events broke off", reason=str(error))
            await asyncio.sleep(_RECONNECT_SECONDS)
            try:
                # Whatever happened meanwhile was not seen.
                await self.match_containers()
            except Exception as error:
                _log.error("the runtime can't be brought in step", reason=str(error))

    async def _note_fault(self, deployment_id: str, fault: str, changed: Callable[[str], None]) -> None:
        app_id = await self._database.write(lambda session: deployments.set_fault(session, deployment_id, fault))
        if app_id is not None:
            changed(app_id)

    async def _containers(self, app_id: str) -> list[str]:
        rows = await self._database.read(lambda session: deployments.container_ids(session, app_id))
        return [container_id for container_id in rows if container_id]

    async def _apply_ingress(self) -> None:
        try:
            await self._ingress.apply()
        except CaddyFailed as error:
            _log.error("the ingress could not be told", reason=str(error))


def _mark_started(session: Session, app_id: str, release_id: str, container_id: str) -> None:
    app = apps.get(session, app_id)
    app.wanted, app.fault = True, ""
    deployments.set_container(session, release_id, container_id)


def _delete_rows(session: Session, app_id: str) -> str:
    """Delete the app, and its project if that came with it; gives the id of a project that went too."""
    app = apps.get(session, app_id)
    project_id = app.project_id
    session.delete(app)
    session.flush()
    if project_id != app_id or any(other.project_id == project_id for other in apps.all_apps(session)):
        return ""
    projects.delete(session, project_id)
    return project_id


def _delete_project_row(session: Session, project_id: str) -> bool:
    try:
        projects.delete(session, project_id)
    except PaasError:
        return False  # it went with its only app
    return True
