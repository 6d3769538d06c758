"""The steps of a deployment. Each finds before it creates, so that a killed server goes on where it was."""

import asyncio
import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from better_paas.apps.fields import parse_volume
from better_paas.builders.plan import BuildPlan
from better_paas.db.database import Database
from better_paas.deployments import service
from better_paas.deployments.context import DeploymentContext, DeploySettings, begin, redactor_of
from better_paas.deployments.log_store import DeploymentLogStore
from better_paas.deployments.planning import Planner
from better_paas.deployments.releases import Releases
from better_paas.deployments.sources import app_folder, fetch_source
from better_paas.errors import PaasError, SecretUnreadable, StepFailed
from better_paas.jobs import queue
from better_paas.jobs.worker import Cancelled, JobRun
from better_paas.kit import temporary
from better_paas.kit.clock import now
from better_paas.kit.quoted import Statement, quote
from better_paas.kit.redact import Redactor
from better_paas.runtime.protocol import BuildRequest, Runtime, RuntimeFailed

_JOBS_KEPT = timedelta(days=30)
# Their steps are part of what is shown of a deployment.
_LASTING = (service.DEPLOY, service.ROLLBACK)
# Of several that an image exposes, the one that is most likely to be its app's.
_LIKELY_PORTS = (8080, 80, 3000, 8000, 5000)
_MORE_SPACE = "Free some space on the server's disk, then deploy again."
_log = structlog.get_logger(__name__)


class Deployer:
    """Runs the job kind `deploy`."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        planner: Planner,
        log_store: DeploymentLogStore,
        releases: Releases,
        settings: DeploySettings,
    ) -> None:
        self._database, self._runtime, self._planner = database, runtime, planner
        self._log_store, self._releases, self._settings = log_store, releases, settings
        # Whose log says how they ended, while the state does not yet: that may take several attempts on a full disk.
        self._said: set[str] = set()

    async def deploy(self, run: JobRun) -> None:
        """The main job: source, plan, image, release, probe, cutover."""
        work = await begin(self._database, self._log_store, self._settings, run.payload["deploymentId"])
        if work.deployment.status not in service.ACTIVE:
            return  # it had ended; only the job's own end was not written
        if work.resumed:
            work.log.say("The server was restarted meanwhile: going on where it was.", "warning")
        if work.deployment.rollback_of:
            image, plan = await self._earlier_image(work)
        else:
            image, plan = await self._make_image(run, work)
        # Others may build from here on: it only waits for its own release.
        run.free_slot()
        if plan.release and not work.deployment.rollback_of:
            await run.step("release", lambda: self._releases.prepare(work, image, plan))
        started = await run.step("start", lambda: self._releases.start(work, image, plan))
        await run.step("probe", lambda: self._releases.probe(work, started, plan))
        run.final = True
        await run.step("live", lambda: self._releases.cut_over(work, started))
        with _at_most_a_warning("tidying up after a deployment"):
            work.log.step("done", f"Live after {self._age(work):.1f} s")
            self._log_store.close(work.deployment.id)
            await self._tidy_up(work)

    async def deploy_failed(self, run: JobRun, error: BaseException) -> None:
        """Take away what the attempt made; the old release goes on serving. No part of it stops another."""
        deployment_id, app_id = run.payload["deploymentId"], run.payload["appId"]
        if await self._database.read(lambda session: service.is_live(session, deployment_id)):
            # It failed behind the cutover: what serves stays.
            await self._database.write(lambda session: service.go_live(session, deployment_id))
            self._log_store.close(deployment_id)
            return
        status = "cancelled" if isinstance(error, Cancelled) else "failed"
        hint = _what_to_do(error)
        try:
            redactor = await redactor_of(self._database, app_id, deployment_id)
        except SecretUnreadable:
            redactor = Redactor()  # what can't be opened was in no hand that could have said it
        told = _explain(error, redactor)
        if deployment_id not in self._said:
            self._said.add(deployment_id)
            if not isinstance(error, (PaasError, RuntimeFailed, Cancelled)):
                _log.error("deployment failed for a reason of our own", deployment=deployment_id, exc_info=error)
            with _at_most_a_warning("writing the end of a deployment's log"):
                log = self._log_store.open(app_id, deployment_id, redactor)
                log.error(f"Deployment failed: {told.sentence}" if status == "failed" else "Deployment cancelled.")
                if told.quoted:
                    log.error(f"It said: “{told.quoted}”")
                if hint:
                    log.say(f"What to do: {hint}", "hint")
        await self._database.write(
            lambda session: service.fail(session, deployment_id, status, told.sentence, hint, told.quoted)
        )
        self._said.discard(deployment_id)
        self._log_store.close(deployment_id)
        with _at_most_a_warning("going back to the release before"):
            await self._releases.undo(app_id, deployment_id)
        with _at_most_a_warning("removing a failed image"):
            # A rollback has no image of its own: this removes nothing then.
            await self._runtime.remove_image(f"better-paas/app-{app_id}:{deployment_id}")
        with _at_most_a_warning("removing a workspace"):
            await self._remove_workspace(deployment_id)

    async def _make_image(self, run: JobRun, work: DeploymentContext) -> tuple[str, BuildPlan]:
        await run.step("fetch", lambda: self._fetch(work))
        planned = await run.step("plan", lambda: self._plan(work))
        plan = BuildPlan.from_dict(planned["plan"])
        built = await run.step("build", lambda: self._build(work, plan))
        # Not before the step is saved: a build that begins anew needs the whole source.
        await self._remove_workspace(work.deployment.id)
        return built["image"], await self._at_its_port(work, built["image"], plan)

    async def _at_its_port(self, work: DeploymentContext, image: str, plan: BuildPlan) -> BuildPlan:
        """What an own Dockerfile's image exposes is known once it is built: its bases and variables have a say, too."""
        if plan.runtime != "dockerfile" or work.overrides.port is not None or not plan.port:
            return plan
        exposed = await self._runtime.exposed_ports(image)
        if not exposed or plan.port in exposed:
            return plan
        port = next((port for port in _LIKELY_PORTS if port in exposed), exposed[0])
        work.log.say(f"The image exposes port {port}")
        found = dataclasses.replace(plan, port=port)
        await self._database.write(lambda session: service.set_plan(session, work.deployment.id, found.as_dict()))
        return found

    async def _fetch(self, work: DeploymentContext) -> dict[str, Any]:
        work.log.step("fetch", f"Fetching {work.source}")
        await self._refuse_when_full()
        settings = self._settings
        tree = self._tree(work.deployment.id)
        commit = await fetch_source(work.source, tree, settings.limits, work.log.say, settings.uploads)
        if commit.id:
            work.log.say(f"{'Version' if work.source.is_upload else 'Commit'} {commit.id[:12]}: {commit.message}")
        await self._database.write(
            lambda session: service.set_source(session, work.deployment.id, commit.id, commit.message)
        )
        return {"commit": commit.id}

    async def _refuse_when_full(self) -> None:
        """Errors: StepFailed. A build that fills the disk would take the apps' databases with it."""
        self._settings.workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        places = [self._settings.workspace, *await self._runtime.storage()]
        free = min(shutil.disk_usage(place).free for place in places if place.exists())
        if free < self._settings.least_free_bytes:
            raise StepFailed(
                f"the server has only {free // 2**20} MiB of free disk space",
                "Delete what is not needed (old apps in the trash, unused volumes), then deploy again. "
                f"Below {self._settings.least_free_bytes // 2**20} MiB nothing is built (DISK_FLOOR_MB).",
                code="disk_full",
            )

    async def _plan(self, work: DeploymentContext) -> dict[str, Any]:
        work.log.step("plan", "Finding out how to build it")
        tree, root_dir = await self._source(work), work.source.root_dir
        app_folder(tree, root_dir)  # says so if there is none
        plan = await self._planner.make_plan(tree, root_dir, work.overrides)
        mounts = tuple(parse_volume(text).path for text in work.settings["volumes"])
        plan = dataclasses.replace(plan, cache_scope=work.project_id, mounts=mounts)
        work.log.say(f"Plan: {plan.summary}")
        for note in plan.notes:
            work.log.say(f"Note: {note}", "warning")
        await self._database.write(lambda session: service.set_plan(session, work.deployment.id, plan.as_dict()))
        return {"plan": plan.as_dict()}

    async def _build(self, work: DeploymentContext, plan: BuildPlan) -> dict[str, Any]:
        work.log.step("build", "Building the image" if self._runtime.makes_images else "Building")
        finished = f"better-paas/app-{work.deployment.app_id}:{work.deployment.id}"
        if await self._runtime.has_image(finished):  # built, but killed before that was saved
            await self._database.write(lambda session: service.set_image(session, work.deployment.id, finished))
            return {"image": finished}
        # The app's own folder, or that of the workspace that it belongs to.
        place = work.source.root_dir if plan.context is None else plan.context
        tree = await self._source(work)
        folder = app_folder(tree, place)
        recipe = None
        if self._runtime.makes_images:
            recipe = await self._planner.make_recipe(plan, tree, place, work.build_variables, work.log.say)
        request = BuildRequest(
            app_id=work.deployment.app_id,
            deployment_id=work.deployment.id,
            tree=folder,
            plan=plan,
            variables=work.build_variables,
            recipe=recipe,
            no_cache=work.deployment.no_cache,
            timeout=self._settings.build_timeout,
        )
        image = await self._runtime.build(request, work.log.say)
        await self._database.write(lambda session: service.set_image(session, work.deployment.id, image))
        return {"image": image}

    async def _earlier_image(self, work: DeploymentContext) -> tuple[str, BuildPlan]:
        image = work.deployment.image
        work.log.step("plan", f"Going back to the image of deployment {work.deployment.rollback_of}")
        if not await self._runtime.has_image(image):
            raise StepFailed(
                "the image of that deployment is gone", "Deploy its commit again: set it as the branch, then redeploy."
            )
        return image, BuildPlan.from_dict(work.deployment.plan)

    async def _tidy_up(self, work: DeploymentContext) -> None:
        await self._releases.prune_images(work.deployment.app_id)
        if self._settings.build_cache_bytes:
            await self._runtime.trim_build_cache(self._settings.build_cache_bytes)
        await self._database.write(
            lambda session: queue.forget_finished(session, lambda job: job.kind in _LASTING, _JOBS_KEPT)
        )

    # The workspace

    async def sweep_workspaces(self) -> None:
        """At start: remove what ended deployments left."""
        open_ids = await self._database.read(service.active_ids)
        folders = list(self._settings.workspace.iterdir()) if self._settings.workspace.exists() else []
        for folder in folders:
            if folder.name not in open_ids:
                await asyncio.to_thread(shutil.rmtree, folder, True)

    def _tree(self, deployment_id: str) -> Path:
        return self._settings.workspace / deployment_id

    async def _source(self, work: DeploymentContext) -> Path:
        """The source tree; fetched again at the same commit if a crash took it."""
        tree = self._tree(work.deployment.id)
        if not tree.exists():
            fresh = await begin(self._database, self._log_store, self._settings, work.deployment.id)
            await fetch_source(fresh.source, tree, self._settings.limits, work.log.say, self._settings.uploads)
        return tree

    async def _remove_workspace(self, deployment_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._tree(deployment_id), True)

    def _age(self, work: DeploymentContext) -> float:
        return (now() - work.deployment.created_at).total_seconds()


@contextlib.contextmanager
def _at_most_a_warning(what: str) -> Iterator[None]:
    """For work behind the result: whatever fails here must not change it, nor keep the rest from being done."""
    try:
        yield
    except Exception as error:
        _log.warning("clean-up failed", what=what, reason=str(error))


def _explain(error: BaseException, redactor: Redactor) -> Statement:
    """What to tell of a failure."""
    if isinstance(error, (PaasError, RuntimeFailed)):
        return Statement.of(error, redactor.text)
    if isinstance(error, Cancelled):
        return Statement("cancelled")
    if _is_full(error):
        return Statement("the server's disk is full")
    # Its words may be those of a file in the repository.
    return Statement(f"an error inside the platform ({type(error).__name__})", quote(str(error), redactor.text))


def _what_to_do(error: BaseException) -> str:
    if isinstance(error, (PaasError, RuntimeFailed)):
        return _MORE_SPACE if _is_full(error) else error.hint or ""
    if isinstance(error, Cancelled):
        return ""
    return _MORE_SPACE if _is_full(error) else "Try again; see the server's log."


def _is_full(error: BaseException) -> bool:
    said = f"{error} {getattr(error, 'quoted', '')}".lower()
    # The words of any other may be those of a file in the repository.
    is_told = isinstance(error, (PaasError, RuntimeFailed, OSError, DBAPIError))
    if is_told and any(words in said for words in ("no space left", "disk is full")):
        return True
    # What fails in there for want of room does not always say so.
    return not isinstance(error, (PaasError, RuntimeFailed)) and temporary.is_full()
