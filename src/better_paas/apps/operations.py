"""Stopping, starting and deleting: changes of what runs that are no deployments."""

import asyncio
import functools
from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from better_paas.apps import secrets, trash
from better_paas.apps import service as apps
from better_paas.apps.adoption import ADVICE, Adoption, Unknown
from better_paas.apps.models import App
from better_paas.caddy.process import CaddyFailed
from better_paas.db.database import Database, notify
from better_paas.deployments import service as deployments
from better_paas.deployments.log_store import DeploymentLogStore
from better_paas.deployments.models import Release
from better_paas.deployments.releases import Releases
from better_paas.deployments.uploads import Uploads
from better_paas.domains.ingress import Ingress
from better_paas.errors import Conflict, PaasError, SecretUnreadable, StepFailed, Unavailable
from better_paas.jobs import queue
from better_paas.jobs.worker import Worker
from better_paas.kit.quoted import Statement, quote
from better_paas.kit.redact import Redactor
from better_paas.kit.supervision import Problem
from better_paas.projects import service as projects
from better_paas.runtime.protocol import GONE, MAIN, Runtime, RuntimeFailed, State
from better_paas.volumes import service as volumes

_CANCEL_SECONDS = 60
_CANCEL_ATTEMPTS = 5
_RECONNECT_SECONDS = 2
_log = structlog.get_logger(__name__)


class Operations:
    """One at a time for each app. problem: what runs here that the state does not know of; empty if nothing does."""

    problem = Problem()

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        ingress: Ingress,
        releases: Releases,
        worker: Worker,
        log_store: DeploymentLogStore,
        uploads: Uploads,
        adoption: Adoption,
    ) -> None:
        self._adoption = adoption
        self._database, self._runtime, self._ingress = database, runtime, ingress
        self._releases, self._worker, self._log_store, self._uploads = releases, worker, log_store, uploads

    async def stop(self, app_id: str) -> None:
        """The route says "stopped" first, then the release ends. Errors: NotFound, Conflict."""

        def mark(session: Session) -> Release | None:
            app = apps.get(session, app_id)
            deployments.refuse_while_active(session, app_id, "stopped")
            app.desired_running, app.fault = False, ""
            return deployments.live_release(session, app)

        await self._database.read(lambda session: apps.get(session, app_id))
        async with self._database.exclusive(f"app/{app_id}"):
            release = await self._database.write(mark)
            await self._releases.point(app_id)
            if release is not None:
                await self._runtime.stop(release.deployment_id)

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
        async with self._database.exclusive(f"app/{app_id}"):
            app, release = await self._database.read(look)
            await self._bring_up(app, release)

    async def _bring_up(self, app: App, release: Release) -> None:
        """Start a release that stands, and send it requests once it is healthy. Errors: Unavailable."""
        spec = await self._releases.spec(release, app.name, app.project_id)
        try:
            await self._releases.bring_up(spec)
            await self._healthy_or_stopped(release)
            await self._runtime.settle(release.deployment_id)
        except RuntimeFailed as error:
            raise Unavailable(str(error), error.hint, quoted=error.quoted) from error
        except StepFailed as error:
            # What an app answers to the probe may hold whatever it knows.
            redactor = Redactor(await self._database.read(lambda session: secrets.secret_values(session, app, release)))
            quoted = quote(error.quoted, redactor.text)
            raise Unavailable(error.error, error.hint, code=error.code, quoted=quoted) from None
        await self._database.write(lambda session: _mark_started(session, app.id))
        await self._releases.point(app.id)

    async def _healthy_or_stopped(self, release: Release) -> None:
        try:
            await self._releases.wait_until_healthy(release)
        except BaseException:
            # Also when the caller goes away: what was not brought up does not stay half up.
            await asyncio.shield(self._runtime.stop(release.deployment_id))
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
            if before == "running":
                notify(session, "cancel", deployment.job_id)
            else:
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
        ended = await self._database.read(lambda session: deployments.get(session, deployment_id).status)
        if ended == "success":  # another process was just making it live
            raise Conflict("this deployment has gone live", "To undo it, roll back instead.")

    async def delete(self, app_id: str) -> None:
        """Put the app into the trash: its routes go and its processes end; the rest stays. Errors: NotFound."""
        await self._database.read(lambda session: apps.get(session, app_id))
        async with self._database.exclusive(f"app/{app_id}"):
            await self._end_deployments(app_id)
            await self._database.write(lambda session: trash.put(session, app_id))
            await self._take_down(app_id)

    async def _take_down(self, app_id: str) -> None:
        """What an app in the trash must not have: routes and processes."""
        await self._apply_ingress()
        self._ingress.forget(app_id)
        known = set(await self._database.read(lambda session: deployments.newest_ids(session, app_id)))
        for deployment_id in known & set(await self._runtime.states()):
            await self._runtime.stop(deployment_id)
            await self._runtime.remove(deployment_id)

    async def restore(self, app_id: str) -> None:
        """Bring an app back from the trash as it was; its name may have got a number. Errors: NotFound, 503.

        If it can't be started, it is back all the same, and the error says why it does not run.
        """

        def bring_back(session: Session) -> tuple[App, Release | None]:
            app = trash.take_back(session, app_id)
            return app, deployments.live_release(session, app)

        async with self._database.exclusive(f"app/{app_id}"):
            app, release = await self._database.write(bring_back)
            await self._releases.point(app_id)
            await self._apply_ingress()
            if release is not None and app.desired_running:
                await self._bring_up(app, release)

    async def purge(self, app_id: str, with_volumes: bool) -> trash.Purged:
        """Delete for good what an app in the trash still has. Errors: NotFound, Conflict."""
        async with self._database.exclusive(f"app/{app_id}"):
            await self._database.read(lambda session: trash.get(session, app_id))
            await self._take_down(app_id)
            images = await self._runtime.images(app_id)
            # Rows last: whatever a killed server leaves undone is still found by them.
            for _, reference in images:
                await self._runtime.remove_image(reference)
            own = await self._database.read(lambda session: trash.own_volumes(session, app_id))
            if with_volumes:
                for key in own:
                    await self.delete_volume(*key)
            self._log_store.forget_app(app_id)
            await self._uploads.forget(app_id)
            name, project_id = await self._database.write(lambda session: trash.purge(session, app_id))
            if project_id:
                await self._runtime.remove_project(project_id)
        return trash.Purged(name, len(images), [name for _, name in own] if with_volumes else [])

    async def delete_volume(self, project_id: str, name: str) -> None:
        """Errors: RuntimeFailed while something uses it."""
        await self._runtime.remove_volume(project_id, name)
        await self._database.write(lambda session: volumes.forget(session, project_id, name))

    async def purge_expired(self, days: int) -> None:
        """Purge what has been in the trash for longer than `days`. Volumes stay: only a person deletes those."""
        for app_id in await self._database.read(lambda session: trash.expired(session, days)):
            try:
                await self.purge(app_id, with_volumes=False)
            except (RuntimeFailed, PaasError) as error:
                _log.warning("an app can't be taken out of the trash yet", app=app_id, reason=str(error))

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
        """Put the project with all its apps into the trash. Errors: NotFound."""

        def look(session: Session) -> list[str]:
            projects.get(session, project_id)
            return [app.id for app in apps.all_apps(session) if app.project_id == project_id]

        for app_id in await self._database.read(look):
            await self.delete(app_id)
        if await self._database.write(lambda session: trash.put_project(session, project_id)):
            await self._runtime.remove_project(project_id)

    async def recover_interrupted(self) -> None:
        """Before jobs go on: what a killed server left half done in the state."""
        await self._database.write(deployments.recover_interrupted)

    async def sweep(self) -> None:
        """Before the first request: what stands now is left over from before; what comes later is in use."""
        await self._uploads.sweep(await self._database.read(trash.all_ids))

    async def reconcile(self) -> None:
        """At start: make routes and containers what the state says. Nothing that is not ours is looked at."""
        states = await self._states()
        unknown = await self._note_unknown(states) if states is not None else Unknown()
        for app, _ in await self._database.read(deployments.live_releases):
            if app.id not in unknown.app_ids:  # else its route leads to what the state does not know
                await self._releases.point(app.id)
        for app in await self._database.read(trash.all_trashed):
            self._ingress.forget(app.id)
        if states is not None:
            await self._match_all(states, unknown, None)

    async def match_containers(self, changed: Callable[[str], None] | None = None) -> bool:
        """Start what should run, stop what should not, remove what no release needs. One app can't hold up others.

        changed: told of the apps whose fault has gone. False if the runtime can't be reached.
        """
        states = await self._states()
        if states is not None:
            await self._match_all(states, await self._note_unknown(states), changed)
        return states is not None

    async def _states(self) -> dict[str, State] | None:
        """Asked for before the state is: a release that is made in between is known before it exists."""
        try:
            return await self._runtime.states()
        except RuntimeFailed as error:
            _log.error("the runtime can't be brought in step", reason=str(error))
            return None

    async def _note_unknown(self, states: dict[str, State]) -> Unknown:
        found = await self._adoption.unknown(states)
        self.problem, self._releases.unknown = found.problem, found.app_ids
        if self.problem:
            _log.error(self.problem, advice=ADVICE)
        return found

    async def _match_all(
        self, states: dict[str, State], unknown: Unknown, changed: Callable[[str], None] | None
    ) -> None:
        # A killed server's leftovers were asked for once. What never was is of another state: nobody knows whether it
        # is needed.
        unneeded = states.keys() - await self._database.read(deployments.known_deployment_ids)
        for deployment_id in unneeded - unknown.releases.keys():
            _log.warning("removing a release that nothing needs", deployment=deployment_id)
            try:
                await self._runtime.remove(deployment_id)
            except RuntimeFailed as error:
                _log.error("a release can't be removed", deployment=deployment_id, reason=str(error))
        for app, release in await self._database.read(deployments.live_releases):
            if release is None:
                continue
            if _is_as_wanted(app, release, states.get(release.deployment_id, GONE)):
                if app.fault:  # that it is up again was said while nobody listened
                    await self._note_fault(release.deployment_id, Statement(""), changed)
                continue
            try:
                async with self._database.exclusive(f"app/{app.id}"):
                    await self._match(app.id)
            except (RuntimeFailed, SecretUnreadable) as error:
                fault, deployment_id = Statement.of(error), release.deployment_id
                _log.error("an app can't be brought up", app=app.name, reason=str(fault))
                await self._database.write(
                    functools.partial(deployments.set_fault, deployment_id=deployment_id, fault=fault)
                )

    async def _match(self, app_id: str) -> None:
        """One app, as the state is now that its lock is held. A deployment on its way looks after itself."""
        found = await self._database.read(lambda session: deployments.settled_release(session, app_id))
        if found is None:
            return
        app, release = found
        state = await self._runtime.state(release.deployment_id)
        if _is_as_wanted(app, release, state):
            return
        if app.desired_running:
            await self._releases.bring_up(await self._releases.spec(release, app.name, app.project_id))
            await self._runtime.settle(release.deployment_id)
            await self._database.write(lambda session: _mark_started(session, app.id))
        else:
            await self._runtime.stop(release.deployment_id)

    async def watch_faults(self, changed: Callable[[str], None]) -> None:
        """Follow the engine's events: an app whose process dies is shown as such. Never returns."""
        while True:
            try:
                async for deployment_id, fault in self._runtime.faults():
                    await self._note_fault(deployment_id, fault, changed)
            except Exception as error:  # an engine restart ends the stream; there is nobody to tell
                _log.warning("the engine's events broke off", reason=str(error))
            # Whatever happens until it is there again is not heard of.
            while not await self._match_again(changed):
                pass

    async def _match_again(self, changed: Callable[[str], None]) -> bool:
        await asyncio.sleep(_RECONNECT_SECONDS)
        try:
            return await self.match_containers(changed)
        except Exception as error:
            _log.error("the runtime can't be brought in step", reason=str(error))
            return False

    async def _note_fault(self, deployment_id: str, fault: Statement, changed: Callable[[str], None] | None) -> None:
        note: Callable[[Session, str, Statement], str | None] = deployments.set_fault
        if fault.sentence and (await self._runtime.state(deployment_id)).running:
            # One of its workers, or it was started again meanwhile: it serves, and that is its state.
            note = deployments.set_event
        app_id = await self._database.write(lambda session: note(session, deployment_id, fault))
        if app_id is not None and changed is not None:
            changed(app_id)

    async def _apply_ingress(self) -> None:
        try:
            await self._ingress.apply()
        except CaddyFailed as error:
            _log.error("the ingress could not be told", reason=str(error))


def _is_as_wanted(app: App, release: Release, state: State) -> bool:
    if not app.desired_running:
        return not state.running
    return state.running and state.processes >= {MAIN, *(release.settings.get("processes") or {})}


def _mark_started(session: Session, app_id: str) -> None:
    app = apps.get(session, app_id)
    app.desired_running, app.fault = True, ""
