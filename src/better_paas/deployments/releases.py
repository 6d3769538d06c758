"""Brings releases up, switches requests to them, and takes old ones away."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy.orm import Session

from better_paas.apps.models import App
from better_paas.builders.plan import BuildPlan
from better_paas.caddy.process import CaddyFailed
from better_paas.db.database import Database
from better_paas.deployments import service
from better_paas.deployments.context import DeploymentContext, DeploySettings
from better_paas.deployments.healthy import EXITED, Elsewhere, Goal, ListensElsewhere, until_healthy
from better_paas.deployments.log_store import APP_OUTPUT
from better_paas.deployments.models import Release
from better_paas.domains.ingress import Ingress
from better_paas.errors import StepFailed
from better_paas.jobs.worker import JobRun
from better_paas.runtime import connections
from better_paas.runtime.cause import words_of_failure
from better_paas.runtime.probe import Probe, Speaks
from better_paas.runtime.protocol import PortTaken, ReleaseSpec, Runtime, RuntimeFailed, Volume
from better_paas.volumes import service as volumes

_DRAIN_PAUSE = 0.25
_DRAIN_LEAST = 1.0
# An app with one writer makes its visitors wait while it drains: its idle connections end after a second.
_HELD_DRAIN_LEAST = 0.1
_PORT_ATTEMPTS = 5
_TAIL_LINES = 30
_FIRST_RETRY, _LONGEST_RETRY = 2.0, 60.0
# A release that stands listens where it did.
_AS_GIVEN = Elsewhere(may_be=False)
_log = structlog.get_logger(__name__)


class Releases:
    """Also runs the job kind `retire`."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        ingress: Ingress,
        settings: DeploySettings,
        open_up: Callable[[str], Awaitable[None]],
    ) -> None:
        """open_up: lets an app reach what it may, before its containers send anything."""
        self._open_up = open_up
        self._database, self._runtime, self._ingress, self._settings = database, runtime, ingress, settings
        # Apps of which something runs that the state does not know: beside that nothing is started.
        self.unknown: set[str] = set()

    # The steps of a deployment

    async def prepare(self, work: DeploymentContext, image: str, plan: BuildPlan) -> dict[str, Any]:
        """Run the release command, such as a migration of the app's database, while the version before serves."""
        work.log.step("release", f"Running the release command: {plan.release}")
        release = await self._reserve(work, image, plan, await self._release_settings(work, plan), set())
        spec = await self.spec(release, work.app_name, work.project_id)
        await self._find_volumes(spec)
        await self._open_up(spec.app_id)
        said: deque[str] = deque(maxlen=_TAIL_LINES)

        def say(line: str) -> None:
            said.append(line)
            work.log.say(f"release │ {line}", APP_OUTPUT)

        code = await self._runtime.run_once(spec, plan.release, say)
        if code != 0:
            raise StepFailed(
                f"the release command ended with code {code}",
                "Its output is in the log. The version before goes on serving.",
                code="release_command_failed",
                quoted=words_of_failure(said),
            )
        return {}

    async def start(self, work: DeploymentContext, image: str, plan: BuildPlan) -> dict[str, Any]:
        """Start the deployment's release beside the one that serves, or in its place if they share a volume."""
        work.log.step("start", "Starting the release")
        if ours := sorted(platform_variables(plan.port).keys() & work.variables.keys()):
            work.log.say(f"Note: {', '.join(ours)} among the app's variables: the platform sets its own.", "warning")
        self._refuse_beside_unknown(work.deployment.app_id)
        settings = await self._release_settings(work, plan)
        refused: set[int] = set()
        while True:
            release = await self._reserve(work, image, plan, settings, refused)
            spec = await self.spec(release, work.app_name, work.project_id)
            await self._find_volumes(spec)
            held = await self._make_way(work, spec)
            try:
                await self._start(spec)
                break
            except PortTaken:
                if len(refused) >= _PORT_ATTEMPTS:
                    raise
                refused.add(release.host_port)
                await self._runtime.remove(work.deployment.id)
        return {"port": release.host_port, "healthPath": settings["healthPath"], "held": held}

    async def _reserve(
        self, work: DeploymentContext, image: str, plan: BuildPlan, settings: dict[str, Any], refused: set[int]
    ) -> Release:
        return await self._database.write(
            lambda session: service.reserve_release(
                session,
                service.get(session, work.deployment.id),
                image,
                plan.port,
                settings,
                self._settings.ports,
                refused,
            )
        )

    async def _release_settings(self, work: DeploymentContext, plan: BuildPlan) -> dict[str, Any]:
        """What the release runs with: now's settings, or for a rollback those of the release that comes back."""
        if work.deployment.rollback_of:

            def earlier(session: Session) -> dict[str, Any] | None:
                release = service.release_of(session, work.deployment.rollback_of or "")
                return service.settings_of(session, release) if release is not None else None

            if (settings := await self._database.read(earlier)) is not None:
                return settings
        # A generated image has both in itself.
        command, variables = (plan.start, plan.environment) if plan.runtime == "dockerfile" else ("", {})
        return {
            **work.settings,
            "environment": {**variables, **work.variables},
            "startCommand": command,
            "processes": plan.processes,
            "healthPath": work.settings["healthPath"] or plan.health_path,
            "healthStatus": work.settings["healthStatus"] or plan.health_status,
        }

    async def _make_way(self, work: DeploymentContext, spec: ReleaseSpec) -> bool:
        """Stop the serving release, its requests held, if it writes to a volume that the new one writes to."""
        app_id = work.deployment.app_id
        app, old = await self._database.read(lambda session: _app_and_release(session, app_id))
        if app is not None and not app.desired_running:
            # It may just be starting again: then that one is there first, and makes way like any other.
            async with self._database.exclusive(f"app/{app_id}"):
                app, old = await self._database.read(lambda session: _app_and_release(session, app_id))
        if app is None or old is None or not app.desired_running or old.deployment_id == work.deployment.id:
            return False
        shared = _single_writers(spec.volumes) & _single_writers(service.volumes_of(old))
        if not shared:
            return False
        work.log.say(f"Only one release may write to {', '.join(sorted(shared))}: requests wait while they change over")
        await self._database.write(lambda session: service.hold(session, old.id))
        # That requests wait is part of a site with a volume: the ingress may not know yet that this one has one.
        with contextlib.suppress(CaddyFailed):
            await self._ingress.apply()
        self._ingress.hold(app.id)
        await self._drain(old.host_port, least=_HELD_DRAIN_LEAST)
        await self._runtime.stop(old.deployment_id)
        return True

    async def probe(self, work: DeploymentContext, started: dict[str, Any], plan: BuildPlan) -> dict[str, Any]:
        path = started["healthPath"]
        goal = f"it answers{f' GET {path}' if path else ''}" if plan.port else "it has stayed up for a while"
        work.log.step("probe", f"Waiting until {goal}")
        seen = await self._probe(work, started)
        if seen.warning:
            work.log.say(f"Note: {seen.warning}.", "warning")
        known = await self._database.read(lambda session: service.speech_of(session, work.deployment.id))
        if seen.speaks is not known:
            await self._database.write(lambda session: service.note_speech(session, work.deployment.id, seen.speaks))
        return {}

    async def _probe(self, work: DeploymentContext, started: dict[str, Any]) -> Probe:
        timeout = self._settings.hold_seconds if started["held"] else self._settings.health_timeout
        timeout = min(timeout, self._settings.health_timeout)
        release = await self._database.read(lambda session: service.starting(session, work.deployment.id))
        _, serving = await self._database.read(lambda session: _app_and_release(session, work.deployment.app_id))
        elsewhere = Elsewhere(work.overrides.port is None, serving.container_port if serving is not None else 0)
        try:
            return await self._wait_and_follow(work, release, timeout, elsewhere)
        except ListensElsewhere as found:
            release = await self._move(work, found.port)
        try:
            seen = await self._wait_and_follow(work, release, timeout, elsewhere)
        except ListensElsewhere as found:
            raise StepFailed(
                f"the app listens on another port each time, such as {found.port}",
                "Let it listen on the port in PORT, or set its port.",
                code="unreachable",
            ) from None
        if seen.speaks is Speaks.OTHER:
            raise StepFailed(
                "what listens at another port speaks no HTTP, and nothing listens at the port in PORT",
                "Let the app listen on the port in PORT, or set its port.",
                code="unreachable",
            )
        return seen

    async def _wait_and_follow(
        self, work: DeploymentContext, release: Release, timeout: float, elsewhere: Elsewhere
    ) -> Probe:
        """What the app says meanwhile is in the deployment's log."""
        follower = asyncio.create_task(self._follow_output(work))
        try:
            return await self.wait_until_healthy(release, work.log.say, timeout, elsewhere)
        except StepFailed as error:
            # What the app said last comes with the failure, not after it.
            await asyncio.wait({follower}, timeout=1.0)
            raise await self._with_last_words(work, error) from error
        finally:
            follower.cancel()

    async def _with_last_words(self, work: DeploymentContext, error: StepFailed) -> StepFailed:
        """The failure, with what the app wrote itself where that is all that is known."""
        if error.code != EXITED:
            return error
        lines: list[str] = []
        with contextlib.suppress(RuntimeFailed):
            lines = [line.text async for line in self._runtime.logs(work.deployment.id, tail=_TAIL_LINES)]
        said = words_of_failure(lines)
        if not said:
            return error
        return StepFailed(error.error, error.hint, code=error.code, quoted=f"{error.quoted} {said}".strip())

    async def _move(self, work: DeploymentContext, port: int) -> Release:
        """Start the release again with requests led to where it listens. Its settings can say so from the start."""
        work.log.say(
            f"It listens on port {port}: requests are led there. Set its port to {port} to save this.", "warning"
        )
        await self._runtime.remove(work.deployment.id)
        release = await self._database.write(lambda session: service.take_port(session, work.deployment.id, port))
        await self._start(await self.spec(release, work.app_name, work.project_id))
        return release

    async def _follow_output(self, work: DeploymentContext) -> None:
        with contextlib.suppress(Exception):  # the log line is a courtesy; the probe decides
            async for line in self._runtime.logs(work.deployment.id, tail=_TAIL_LINES, follow=True):
                work.log.say(f"{line.process or 'app'} │ {line.text}", APP_OUTPUT)

    async def cut_over(self, work: DeploymentContext, started: dict[str, Any]) -> dict[str, Any]:
        work.log.step("live", "Switching requests to the new release" if started["port"] else "The new release is up")
        await self._runtime.settle(work.deployment.id)
        speaks = await self._database.read(lambda session: service.speech_of(session, work.deployment.id))
        if started["port"] and (speaks is Speaks.HTTP2 or not self._ingress.serves(work.deployment.app_id)):
            try:
                await self._ingress.apply()
            except CaddyFailed as error:
                hint = "See the System page, then deploy again."
                raise StepFailed("the ingress does not take the app", hint, quoted=str(error)) from error
        self._point(work.deployment.app_id, started["port"], speaks)
        minutes = self._settings.watch_minutes
        await self._database.write(lambda session: service.go_live(session, work.deployment.id, minutes))
        return {}

    async def undo(self, app_id: str, deployment_id: str) -> None:
        """Take a failed release away; what served before serves again."""
        # First: while it stands, the one before must not write to their volume.
        await self._runtime.remove(deployment_id)
        app, release = await self._database.read(lambda session: _app_and_release(session, app_id))
        if app is not None and release is not None and app.desired_running:
            state = await self._runtime.state(release.deployment_id)
            if not state.running:
                await self.bring_up(await self.spec(release, app.name, app.project_id))
                await self._runtime.settle(release.deployment_id)
                # It served before: late is better than never.
                with contextlib.suppress(StepFailed):
                    await self.wait_until_healthy(release, timeout=self._settings.hold_seconds)
        await self.point(app_id)

    # Starting

    async def bring_up(self, spec: ReleaseSpec) -> None:
        """Start a release, the first time or again. Errors: RuntimeFailed, also for a volume that is missing."""
        self._refuse_beside_unknown(spec.app_id)
        await self._find_volumes(spec)
        await self._start(spec)

    def _refuse_beside_unknown(self, app_id: str) -> None:
        """Errors: RuntimeFailed. Two releases that do not know of each other would write to the same volumes."""
        if app_id in self.unknown:
            raise RuntimeFailed(
                "a release of this app runs that the state does not know: it is older than what runs",
                "On the server, bring back a newer copy of the state, or run better-paas adopt, or better-paas forget.",
            )

    async def _start(self, spec: ReleaseSpec) -> None:
        await self._open_up(spec.app_id)
        await self._runtime.start(spec)
        if spec.volumes:
            names = [volume.name for volume in spec.volumes]
            await self._database.write(lambda session: volumes.note(session, spec.project_id, names))

    async def _find_volumes(self, spec: ReleaseSpec) -> None:
        """Errors: RuntimeFailed. An app that finds an empty volume where its data was begins anew, and nobody notices
        until that is what the backups hold."""
        if not spec.volumes:
            return
        known = await self._database.read(lambda session: volumes.known(session, spec.project_id))
        for volume in spec.volumes:
            is_known = (spec.project_id, volume.name) in known
            if is_known and not await self._runtime.has_volume(spec.project_id, volume.name):
                raise RuntimeFailed(
                    "a volume is missing, with all that the app kept in it",
                    "Is the disk there that volumes lie on? Bring it back, or the volume from a copy. If the app is to "
                    "begin with an empty one, forget the volume on the Volumes page, then try again.",
                    volume.name,
                )

    # Routes

    async def point(self, app_id: str) -> None:
        """Make the app's route what the state says. Used after a failure and at start."""
        app, release = await self._database.read(lambda session: _app_and_release(session, app_id))
        if app is None or app.deleted_at is not None:
            return
        if release is None:
            self._ingress.point_to_waiting(app_id)
        elif not app.desired_running:
            self._ingress.point_to_stopped(app_id)
        elif release.state == "held":
            self._ingress.hold(app_id)
        else:
            self._point(app_id, release.host_port, service.speech(release))

    def _point(self, app_id: str, host_port: int, speaks: Speaks) -> None:
        if host_port:
            self._ingress.point(app_id, host_port, speaks)
        else:
            self._ingress.point_to_worker(app_id)

    async def spec(self, release: Release, app_name: str, project_id: str) -> ReleaseSpec:
        """What the runtime needs to start `release`, the first time or again. Errors: SecretUnreadable."""

        def unit(session: Session) -> tuple[dict[str, Any], bool]:
            app = session.get(App, release.app_id)
            return service.settings_of(session, release), app is not None and bool(app.reach)

        kept, is_opened = await self._database.read(unit)
        return ReleaseSpec(
            app_id=release.app_id,
            app_name=app_name,
            project_id=project_id,
            deployment_id=release.deployment_id,
            image=release.image,
            container_port=release.container_port,
            host_port=release.host_port,
            start_command=kept["startCommand"],
            processes=kept.get("processes") or {},
            environment={**kept["environment"], **platform_variables(release.container_port)},
            memory=kept["memory"],
            cpus=kept["cpus"],
            volumes=service.volumes_of(release),
            own_address=is_opened,
        )

    async def wait_until_healthy(
        self,
        release: Release,
        say: Callable[[str], None] | None = None,
        timeout: float = 0,
        elsewhere: Elsewhere = _AS_GIVEN,
    ) -> Probe:
        """Errors: StepFailed, RuntimeFailed; ListensElsewhere if it may be. timeout: seconds; 0 for HEALTH_TIMEOUT."""
        kept = release.settings
        goal = Goal(
            release.deployment_id,
            release.host_port,
            release.container_port,
            kept["healthPath"],
            kept.get("healthStatus", ""),
            elsewhere,
        )
        return await until_healthy(self._runtime, goal, timeout or self._settings.health_timeout, say)

    # Behind the cutover

    async def retire(self, run: JobRun) -> None:
        """Let an old release finish its requests, then remove it. Tries until the engine does it."""
        release_id = run.payload["releaseId"]
        release = await self._database.read(lambda session: session.get(Release, release_id))
        if release is None or release.state != "draining":
            return
        await self._drain(release.host_port)
        pause = _FIRST_RETRY
        while True:
            try:
                await self._runtime.stop(release.deployment_id)
                await self._runtime.remove(release.deployment_id)
                break
            except RuntimeFailed as error:
                _log.warning("an old release can't be removed yet", release=release_id, reason=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_RETRY)
        await self._database.write(lambda session: service.forget_release(session, release_id))
        try:
            await self.prune_images(release.app_id)
        except RuntimeFailed as error:
            _log.warning("old images can't be removed", app=release.app_id, reason=str(error))

    async def retire_failed(self, run: JobRun, error: BaseException) -> None:
        _log.error("an old release could not be removed", release=run.payload["releaseId"], exc_info=error)

    async def _drain(self, port: int, least: float = _DRAIN_LEAST) -> None:
        """Wait until the ingress holds no connection to `port`, at most the drain time."""
        started = time.monotonic()
        while port and (waited := time.monotonic() - started) < self._settings.drain_seconds:
            if waited >= least and connections.established(port) == 0:
                return
            await asyncio.sleep(min(_DRAIN_PAUSE, least))

    async def prune_images(self, app_id: str) -> None:
        """Keep the newest images and whatever runs."""
        order, used = await self._database.read(
            lambda session: (service.newest_ids(session, app_id), service.images_in_use(session, app_id))
        )
        images = dict(await self._runtime.images(app_id))
        # By our own times: an image that was wholly cached carries the engine's old one.
        for number, deployment_id in enumerate([found for found in order if found in images]):
            reference = images[deployment_id]
            if number >= self._settings.keep_images and reference not in used:
                await self._runtime.remove_image(reference)


def platform_variables(port: int) -> dict[str, str]:
    """What the platform says to each release; no variable of an app's own wins over it."""
    return {"HOST": "0.0.0.0", "HOSTNAME": "0.0.0.0", **({"PORT": str(port)} if port else {})}


def _single_writers(volumes: tuple[Volume, ...]) -> set[str]:
    return {volume.name for volume in volumes if volume.has_one_writer}


def _app_and_release(session: Session, app_id: str) -> tuple[App | None, Release | None]:
    app = session.get(App, app_id)
    return app, service.live_release(session, app)
