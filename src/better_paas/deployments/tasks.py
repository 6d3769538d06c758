"""The steps of a deployment. Each finds before it creates, so that a killed server goes on where it was."""

import asyncio
import contextlib
import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.orm import Session

from better_paas.apps import secrets
from better_paas.apps import service as apps
from better_paas.apps.fields import parse_volume
from better_paas.apps.models import App
from better_paas.builders.bases import Bases
from better_paas.builders.plan import BuildPlan, Overrides
from better_paas.caddy.process import CaddyFailed
from better_paas.db.database import Database
from better_paas.deployments import planning, service
from better_paas.deployments.logbook import DeploymentLog, LogBook
from better_paas.deployments.models import Deployment, Release
from better_paas.deployments.sources import SourceRef, app_folder, bring
from better_paas.deployments.uploads import Uploads
from better_paas.domains.ingress import Ingress
from better_paas.errors import PaasError, SecretUnreadable, StepFailed
from better_paas.git.fetch import Limits
from better_paas.jobs import queue
from better_paas.jobs.worker import Cancelled, JobRun
from better_paas.kit.clock import now
from better_paas.kit.redact import Redactor
from better_paas.runtime import connections, probe
from better_paas.runtime.protocol import BuildRequest, ReleaseSpec, Runtime, RuntimeFailed

_DRAIN_PAUSE = 0.25
_DRAIN_LEAST = 1.0
_PORT_ATTEMPTS = 5
_TAIL_LINES = 30
_FIRST_RETRY, _LONGEST_RETRY = 2.0, 60.0
_JOBS_KEPT = timedelta(days=30)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class DeploySettings:
    """What of the settings a deployment needs. Seconds, bytes, and defaults of apps that set no limit."""

    workspace: Path
    limits: Limits
    build_timeout: float
    health_timeout: float
    drain_seconds: float
    keep_images: int
    ports: range
    default_memory: str
    default_cpus: str
    uploads: Uploads


@dataclass(frozen=True)
class Work:
    """A deployment with what its app wants now."""

    deployment: Deployment
    app_name: str
    project_id: str
    source: SourceRef
    overrides: Overrides
    variables: dict[str, str]
    public_variables: dict[str, str]
    settings: dict[str, Any]
    log: DeploymentLog


class Deployer:
    """Runs the job kinds `deploy` and `retire`."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        ingress: Ingress,
        bases: Bases,
        logbook: LogBook,
        settings: DeploySettings,
    ) -> None:
        self._database, self._runtime, self._ingress = database, runtime, ingress
        self._bases, self._logbook, self._settings = bases, logbook, settings

    async def deploy(self, run: JobRun) -> None:
        """The main job: source, plan, image, release, probe, cutover."""
        work = await self._begin(run.payload["deploymentId"])
        if work.deployment.status not in service.ACTIVE:
            return  # it had ended; only the job's own end was not written
        if work.deployment.rollback_of:
            image, plan = await self._earlier_image(work)
        else:
            image, plan = await self._make_image(run, work)
        started = await run.step("start", lambda: self._start(work, image, plan))
        await run.step("probe", lambda: self._probe(work, started))
        run.final = True
        await run.step("live", lambda: self._cut_over(work, started))
        with _at_most_a_warning("tidying up after a deployment"):
            work.log.step("done", f"Live after {self._age(work):.1f} s")
            self._logbook.close(work.deployment.id)
            await self._tidy_up(work)

    async def deploy_failed(self, run: JobRun, error: BaseException) -> None:
        """Take away what the attempt made; the old release goes on serving. No part of it stops another."""
        deployment_id, app_id = run.payload["deploymentId"], run.payload["appId"]
        if await self._database.read(lambda session: service.is_live(session, deployment_id)):
            # It failed behind the cutover: what serves stays.
            await self._database.write(lambda session: service.go_live(session, deployment_id))
            self._logbook.close(deployment_id)
            return
        status = "cancelled" if isinstance(error, Cancelled) else "failed"
        text, hint = _explain(error)
        try:
            redactor = await self._redactor(app_id, deployment_id)
        except SecretUnreadable:
            redactor = Redactor()  # what can't be opened was in no hand that could have said it
        if not isinstance(error, (PaasError, RuntimeFailed, Cancelled)):
            _log.error("deployment failed for a reason of our own", deployment=deployment_id, exc_info=error)
        with _at_most_a_warning("writing the end of a deployment's log"):
            log = self._logbook.open(app_id, deployment_id, redactor)
            log.error(f"Deployment failed: {text}" if status == "failed" else "Deployment cancelled.")
            if hint:
                log.say(f"What to do: {hint}", "hint")
        await self._database.write(
            lambda session: service.fail(session, deployment_id, status, redactor.text(text), redactor.text(hint))
        )
        self._logbook.close(deployment_id)
        with _at_most_a_warning("pointing the route back"):
            await self.point(app_id)
        with _at_most_a_warning("removing a failed release"):
            await self._remove_containers(deployment_id)
        with _at_most_a_warning("removing a failed image"):
            # A rollback has no image of its own: this removes nothing then.
            await self._runtime.remove_image(f"better-paas/app-{app_id}:{deployment_id}")
        with _at_most_a_warning("removing a workspace"):
            await self._remove_workspace(deployment_id)

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
                await self._runtime.stop(release.container_id)
                await self._runtime.remove(release.container_id)
                break
            except RuntimeFailed as error:
                _log.warning("an old release can't be removed yet", release=release_id, reason=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_RETRY)
        await self._database.write(lambda session: service.forget_release(session, release_id))
        with _at_most_a_warning("removing old images"):
            await self._prune_images(release.app_id)

    async def retire_failed(self, run: JobRun, error: BaseException) -> None:
        _log.error("an old release could not be removed", release=run.payload["releaseId"], exc_info=error)

    async def point(self, app_id: str) -> None:
        """Make the app's route what the state says. Used after a failure and at start."""
        app, release = await self._database.read(lambda session: _app_and_release(session, app_id))
        if app is None:
            return
        if release is None:
            self._ingress.point_to_waiting(app_id)
        elif not app.wanted:
            self._ingress.point_to_stopped(app_id)
        else:
            self._ingress.point(app_id, release.host_port)

    async def spec(self, release: Release, app_name: str, project_id: str) -> ReleaseSpec:
        """What the runtime needs to start `release`, the first time or again. Errors: SecretUnreadable."""
        kept = await self._database.read(lambda session: service.settings_of(session, release))
        return ReleaseSpec(
            app_id=release.app_id,
            app_name=app_name,
            project_id=project_id,
            deployment_id=release.deployment_id,
            image=release.image,
            container_port=release.container_port,
            host_port=release.host_port,
            start_command=kept["startCommand"],
            environment=kept["environment"],
            memory=kept["memory"],
            cpus=kept["cpus"],
            volumes=tuple(parse_volume(text) for text in kept["volumes"]),
        )

    async def wait_until_healthy(
        self, container_id: str, port: int, path: str, say: Callable[[str], None] | None = None
    ) -> None:
        """Probe until it answers. Errors: StepFailed when it ends or the time is over."""
        deadline, attempt = time.monotonic() + self._settings.health_timeout, 0
        while True:
            result = await probe.once(port, path)
            state = await self._runtime.state(container_id)
            if not state.running:
                raise StepFailed(
                    f"the app did not stay up: {state.reason}",
                    "Its last lines are in the log. Does the start command work, and are all variables set?",
                    code="app_exited",
                )
            if result.healthy:
                if say:
                    say(f"Healthy: {result.seen}")
                return
            if time.monotonic() > deadline:
                body = f" — it said: {result.body.strip()}" if result.body.strip() else ""
                raise StepFailed(
                    f"the app did not become healthy within {self._settings.health_timeout:.0f} s: {result.seen}{body}",
                    "The app has to listen on 0.0.0.0 and the port in PORT"
                    + (f", and answer {path} with a status below 500." if path else "."),
                    code="unhealthy",
                )
            await asyncio.sleep(probe.pause_before(attempt))
            attempt += 1

    # Steps

    async def _redactor(self, app_id: str, deployment_id: str) -> Redactor:
        """Masks the app's secret values, and those that a rollback brings back; none if the app is gone."""

        def values(session: Session) -> list[str]:
            app = session.get(App, app_id)
            deployment = session.get(Deployment, deployment_id)
            rollback_of = deployment.rollback_of if deployment is not None else None
            earlier = service.release_of(session, rollback_of) if rollback_of else None
            return secrets.secret_values(session, app, earlier) if app is not None else []

        return Redactor(await self._database.read(values))

    async def _begin(self, deployment_id: str) -> Work:
        deployment = await self._database.write(lambda session: service.begin(session, deployment_id))

        def open_secrets(session: Session) -> tuple[App, str, dict[str, str]]:
            found = apps.get(session, deployment.app_id)
            return found, secrets.git_token(session, found), secrets.environment(session, found)

        app, git_token, variables = await self._database.read(open_secrets)
        redactor = await self._redactor(app.id, deployment.id)
        log = self._logbook.open(app.id, deployment.id, redactor)
        source = SourceRef(app.git_repo, deployment.commit or app.branch, git_token, app.root_dir)
        overrides = Overrides(
            app.build_method,
            app.dockerfile_path,
            app.install_command,
            app.build_command,
            app.start_command,
            app.port_override or _port_variable(variables),
        )
        public = {key: value for key, value in variables.items() if key not in app.secret_keys}
        settings = {
            "environment": variables,
            "secretKeys": app.secret_keys,
            "volumes": app.volumes,
            "healthPath": app.health_path,
            "memory": app.memory or self._settings.default_memory,
            "cpus": app.cpus or self._settings.default_cpus,
        }
        return Work(deployment, app.name, app.project_id, source, overrides, variables, public, settings, log)

    async def _make_image(self, run: JobRun, work: Work) -> tuple[str, BuildPlan]:
        await run.step("fetch", lambda: self._fetch(work))
        planned = await run.step("plan", lambda: self._plan(work))
        plan = BuildPlan.from_dict(planned["plan"])
        built = await run.step("build", lambda: self._build(work, plan))
        # Not before the step is saved: a build that begins anew needs the whole source.
        await self._remove_workspace(work.deployment.id)
        return built["image"], plan

    async def _fetch(self, work: Work) -> dict[str, Any]:
        work.log.step("fetch", f"Fetching {work.source}")
        settings = self._settings
        tree = self._tree(work.deployment.id)
        commit = await bring(work.source, tree, settings.limits, work.log.say, settings.uploads)
        if commit.id:
            work.log.say(f"Commit {commit.id[:12]}: {commit.message}")
        await self._database.write(
            lambda session: service.set_source(session, work.deployment.id, commit.id, commit.message)
        )
        return {"commit": commit.id}

    async def _plan(self, work: Work) -> dict[str, Any]:
        work.log.step("plan", "Finding out how to build it")
        folder = app_folder(await self._source(work), work.source.root_dir)
        plan = await planning.make_plan(folder, work.overrides)
        plan = dataclasses.replace(plan, cache_scope=work.project_id)
        work.log.say(f"Plan: {plan.summary}")
        for note in plan.notes:
            work.log.say(f"Note: {note}", "warning")
        await self._database.write(lambda session: service.set_plan(session, work.deployment.id, plan.as_dict()))
        return {"plan": plan.as_dict()}

    async def _build(self, work: Work, plan: BuildPlan) -> dict[str, Any]:
        work.log.step("build", "Building the image")
        finished = f"better-paas/app-{work.deployment.app_id}:{work.deployment.id}"
        if await self._runtime.has_image(finished):  # built, but killed before that was saved
            await self._database.write(lambda session: service.set_image(session, work.deployment.id, finished))
            return {"image": finished}
        folder = app_folder(await self._source(work), work.source.root_dir)
        recipe = await planning.make_recipe(plan, folder, self._bases, work.public_variables, work.log.say)
        request = BuildRequest(
            app_id=work.deployment.app_id,
            deployment_id=work.deployment.id,
            tree=folder,
            dockerfile=recipe.dockerfile,
            generated=recipe.generated,
            dockerfile_path=plan.dockerfile_path,
            ignore=recipe.ignore,
            lent=recipe.lent,
            no_cache=work.deployment.no_cache,
            timeout=self._settings.build_timeout,
        )
        image = await self._runtime.build(request, work.log.say)
        await self._database.write(lambda session: service.set_image(session, work.deployment.id, image))
        return {"image": image}

    async def _earlier_image(self, work: Work) -> tuple[str, BuildPlan]:
        image = work.deployment.image
        work.log.step("plan", f"Going back to the image of deployment {work.deployment.rollback_of}")
        if not await self._runtime.has_image(image):
            raise StepFailed(
                "the image of that deployment is gone", "Deploy its commit again: set it as the branch, then redeploy."
            )
        return image, BuildPlan.from_dict(work.deployment.plan)

    async def _start(self, work: Work, image: str, plan: BuildPlan) -> dict[str, Any]:
        work.log.step("start", "Starting the release")
        settings = await self._release_settings(work, plan)
        refused: set[int] = set()
        while True:
            release = await self._database.write(
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
            spec = await self.spec(release, work.app_name, work.project_id)
            try:
                container_id = await self._runtime.start(spec)
                break
            except RuntimeFailed as error:
                if "uses the port" not in error.hint or len(refused) >= _PORT_ATTEMPTS:
                    raise
                refused.add(release.host_port)
                await self._remove_containers(work.deployment.id)
        await self._database.write(lambda session: service.set_container(session, release.id, container_id))
        return {"container": container_id, "port": release.host_port, "healthPath": settings["healthPath"]}

    async def _release_settings(self, work: Work, plan: BuildPlan) -> dict[str, Any]:
        """What the release runs with: now's settings, or for a rollback those of the release that comes back."""
        if work.deployment.rollback_of:

            def earlier(session: Session) -> dict[str, Any] | None:
                release = service.release_of(session, work.deployment.rollback_of or "")
                return service.settings_of(session, release) if release is not None else None

            if (settings := await self._database.read(earlier)) is not None:
                return settings
        own_command = work.overrides.start_command if plan.runtime == "dockerfile" else ""
        environment = {"HOST": "0.0.0.0", "HOSTNAME": "0.0.0.0", **work.variables, "PORT": str(plan.port)}
        return {**work.settings, "environment": environment, "startCommand": own_command}

    async def _probe(self, work: Work, started: dict[str, Any]) -> dict[str, Any]:
        path = started["healthPath"]
        work.log.step("probe", f"Waiting until it answers {'GET ' + path if path else 'on its port'}")
        follower = asyncio.create_task(self._follow_output(work, started["container"]))
        try:
            await self.wait_until_healthy(started["container"], started["port"], path, work.log.say)
        except BaseException:
            # What the app said last comes with the failure, not after it.
            await asyncio.wait({follower}, timeout=1.0)
            raise
        finally:
            follower.cancel()
        return {}

    async def _follow_output(self, work: Work, container_id: str) -> None:
        with contextlib.suppress(Exception):  # the log line is a courtesy; the probe decides
            async for _, line in self._runtime.logs(container_id, tail=_TAIL_LINES, follow=True):
                work.log.say(f"app │ {line}", "app")

    async def _cut_over(self, work: Work, started: dict[str, Any]) -> dict[str, Any]:
        work.log.step("live", "Switching requests to the new release")
        await self._runtime.settle(started["container"])
        if not self._ingress.serves(work.deployment.app_id):
            try:
                await self._ingress.apply()
            except CaddyFailed as error:
                raise StepFailed(
                    f"the ingress does not take the app: {error}", "See the System page, then deploy again."
                ) from error
        self._ingress.point(work.deployment.app_id, started["port"])
        await self._database.write(lambda session: service.go_live(session, work.deployment.id))
        return {}

    # After the cutover

    async def _drain(self, port: int) -> None:
        """Wait until the ingress holds no connection to `port`, at most the drain time."""
        started = time.monotonic()
        while (waited := time.monotonic() - started) < self._settings.drain_seconds:
            if waited >= _DRAIN_LEAST and connections.established(port) == 0:
                return
            await asyncio.sleep(_DRAIN_PAUSE)

    async def _tidy_up(self, work: Work) -> None:
        await self._prune_images(work.deployment.app_id)
        await self._database.write(
            lambda session: queue.forget_finished(session, lambda job: job.kind == service.DEPLOY, _JOBS_KEPT)
        )

    async def _prune_images(self, app_id: str) -> None:
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

    async def _remove_containers(self, deployment_id: str) -> None:
        for container_id, owner in (await self._runtime.owned()).items():
            if owner == deployment_id:
                await self._runtime.remove(container_id)

    # The workspace

    async def sweep_workspaces(self) -> None:
        """At start: remove what killed plans and ended deployments left."""
        open_ids = await self._database.read(service.active_ids)
        folders = list(self._settings.workspace.iterdir()) if self._settings.workspace.exists() else []
        for folder in folders:
            if folder.name not in open_ids:
                await asyncio.to_thread(shutil.rmtree, folder, True)

    def _tree(self, deployment_id: str) -> Path:
        return self._settings.workspace / deployment_id

    async def _source(self, work: Work) -> Path:
        """The source tree; fetched again at the same commit if a crash took it."""
        tree = self._tree(work.deployment.id)
        if not tree.exists():
            fresh = await self._begin(work.deployment.id)
            await bring(fresh.source, tree, self._settings.limits, work.log.say)
        return tree

    async def _remove_workspace(self, deployment_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._tree(deployment_id), True)

    def _age(self, work: Work) -> float:
        return (now() - work.deployment.created_at).total_seconds()


@contextlib.contextmanager
def _at_most_a_warning(what: str) -> Iterator[None]:
    """For work behind the result: whatever fails here must not change it, nor keep the rest from being done."""
    try:
        yield
    except Exception as error:
        _log.warning("clean-up failed", what=what, reason=str(error))


def _app_and_release(session: Session, app_id: str) -> tuple[App | None, Release | None]:
    app = session.get(App, app_id)
    return app, service.live_release(session, app)


def _port_variable(variables: dict[str, str]) -> int | None:
    """A PORT among the variables means what the port override means."""
    text = variables.get("PORT", "")
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else None


def _explain(error: BaseException) -> tuple[str, str]:
    if isinstance(error, PaasError):
        return error.error, error.hint or ""
    if isinstance(error, RuntimeFailed):
        return str(error), error.hint
    if isinstance(error, Cancelled):
        return "cancelled", ""
    if isinstance(error, OSError) and error.errno == 28:
        return "the server's disk is full", "Free some space, then deploy again."
    return f"an error inside the platform: {type(error).__name__}: {error}"[:500], "Try again; see the server's log."
