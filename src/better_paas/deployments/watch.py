"""Watches a new release for some minutes, and goes back by itself if it fails."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy.orm import Session

from better_paas.apps.models import App
from better_paas.audit import service as audit
from better_paas.db.database import Database
from better_paas.deployments import service
from better_paas.deployments.context import redactor_of
from better_paas.deployments.log_store import APP_OUTPUT, DeploymentLogStore
from better_paas.deployments.models import Deployment, Release
from better_paas.errors import Invalid
from better_paas.jobs.worker import JobRun
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id
from better_paas.kit.quoted import Statement
from better_paas.runtime import probe
from better_paas.runtime.protocol import Runtime, RuntimeFailed, State

_LOOK_SECONDS = 3.0
# In its first moments a release is looked at more often, and one end is enough to go back.
_FIRST_LOOK_SECONDS = 0.5
# A process that had to be started this often while it is watched will not stay up.
_MOST_RESTARTS = 3
# A garbage collection or a slow moment is no reason to go back; this is.
_FAILING_SECONDS = 30.0
_EVIDENCE_LINES = 60
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Trouble:
    """what: empty if all is well. is_final: there is no point in looking again. is_first: it ended once, and may have
    come up again; where there is no version to go back to, it goes on."""

    what: Statement
    is_final: bool = False
    is_first: bool = False


class Announcer(Protocol):
    def __call__(self, session: Session, topic: str, identity: str) -> None: ...


class Watcher:
    """Runs the job kind `watch`. A newer deployment, a stop or a deletion ends it."""

    def __init__(
        self,
        database: Database,
        runtime: Runtime,
        log_store: DeploymentLogStore,
        queued: Callable[[Session, Deployment], None],
        told: Callable[[str, str, str], None],
    ) -> None:
        """queued: called in the unit that queues a deployment. told: tells people (kind, id, text)."""
        self._database, self._runtime, self._log_store = database, runtime, log_store
        self._queued, self._told = queued, told

    async def watch(self, run: JobRun) -> None:
        deployment_id = run.payload["deploymentId"]
        if not await self._database.read(lambda session: service.still_live(session, deployment_id)):
            return
        # Not from the release's beginning: what it did before it went live may have taken its time.
        deployment = await self._database.read(lambda session: service.get(session, deployment_id))
        left = timedelta(minutes=run.payload["minutes"]) - (now() - (deployment.finished_at or now()))
        # The rest of the time is counted by a clock that nobody sets; a jump of the other can't make it longer.
        ends = time.monotonic() + min(left, timedelta(minutes=run.payload["minutes"])).total_seconds()
        failing_since: float | None = None
        restarts = 0
        has_looked = False
        while (
            # Of one whose first moments nobody saw the end of, since the server was away, what happened then counts.
            is_new := service.is_new(deployment) or (not has_looked and deployment.steady_since is None)
        ) or time.monotonic() < ends:
            await asyncio.sleep(_FIRST_LOOK_SECONDS if is_new else _LOOK_SECONDS)
            if not await self._database.read(lambda session: service.still_live(session, deployment_id)):
                return
            found = await self._database.read(lambda session: service.watched(session, deployment_id))
            if found is None:
                continue  # another deployment is on its way, and may fail
            deployment = await self._database.read(lambda session: service.get(session, deployment_id))
            has_looked = True
            try:
                state = await self._runtime.state(deployment_id)
                trouble = await self._look(found[1], state, is_new, restarts)
                restarts = state.restarts
            except RuntimeFailed:
                trouble = _Trouble(Statement(""))  # the engine's fault, not the release's
            if not trouble.what:
                failing_since = None
                if is_new and not service.is_new(deployment):
                    await self._database.write(lambda session: service.note_steady(session, deployment_id))
                continue
            failing_since = failing_since or time.monotonic()
            is_long = time.monotonic() - failing_since >= _FAILING_SECONDS
            is_over = trouble.is_final or is_long
            trouble = replace(trouble, is_first=trouble.is_first and not is_long)
            may_go_back = run.payload["minutes"] > 0
            if is_over and await self._go_back(found[1], trouble, may_go_back=may_go_back, is_new=is_new):
                return

    async def watch_failed(self, run: JobRun, error: BaseException) -> None:
        _log.error("a release could not be watched", deployment=run.payload["deploymentId"], exc_info=error)

    async def _look(self, release: Release, state: State, is_new: bool, restarts: int) -> _Trouble:
        """restarts: those that are known of. Errors: RuntimeFailed."""
        reason = f": {state.reason}" if state.reason else ""
        if state.restarts >= _MOST_RESTARTS:
            return _Trouble(Statement(f"it ended {state.restarts} times{reason}", state.quoted), is_final=True)
        if is_new and (state.restarts > restarts or not state.running):
            what = Statement(f"it ended as soon as it was live{reason}", state.quoted)
            return _Trouble(what, is_final=True, is_first=True)
        if not state.running:
            return _Trouble(state.why)
        if not release.host_port:
            return _Trouble(Statement(""))
        path, good_status = release.settings["healthPath"], release.settings.get("healthStatus", "")
        look = probe.once(release.host_port, path, good_status) if path else probe.is_open(release.host_port)
        result = await look
        return _Trouble(Statement("" if result.healthy else result.seen))

    async def _go_back(self, release: Release, found: _Trouble, *, may_go_back: bool, is_new: bool) -> bool:
        """Whether the watch is over by that."""
        trouble = found.what

        def unit(session: Session) -> tuple[str, str] | None:
            app = session.get(App, release.app_id)
            deployment = session.get(Deployment, release.deployment_id)
            if app is None or deployment is None or service.watched(session, release.deployment_id) is None:
                return None
            earlier = _version_before(session, app) if may_go_back else None
            if earlier is None:
                app.fault = trouble.stored()
                if is_new:
                    service.disown(deployment, trouble, goes_back=False)
                return app.id, f"{app.name}: the new version fails ({trouble}), and nothing is gone back to."
            service.disown(deployment, trouble, goes_back=True)
            back = service.create(session, app, trigger="watch", actor="system:watch", rollback_of=earlier)
            self._queued(session, back)
            payload = {"reason": trouble.sentence, "from": deployment.id, "to": earlier.id}
            entry = audit.Entry(
                "system", "watch", "app:rollback", "success", new_id(16), source="system",
                resource_type="app", resource_id=app.id, resource_name=app.name, payload=payload,
            )  # fmt: skip
            audit.record(session, entry)
            version = earlier.commit[:7] or f"deployment {earlier.id}"
            return app.id, f"{app.name}: the new version fails ({trouble}). Going back to {version}."

        def goes_on(session: Session) -> bool:
            """It ended once, and there is nothing to go back to: it has to stay up from now on."""
            app = session.get(App, release.app_id)
            if app is None or (may_go_back and _version_before(session, app) is not None):
                return False
            service.set_event(session, release.deployment_id, trouble)
            service.get(session, release.deployment_id).steady_since = now()
            return True

        if found.is_first and await self._database.write(goes_on):
            return False
        await self._keep_evidence(release, trouble)
        outcome = await self._database.write(unit)
        if outcome is not None:
            self._told("release_failed", *outcome)
        return outcome is not None  # else another deployment came in between

    async def _keep_evidence(self, release: Release, trouble: Statement) -> None:
        """Its container goes with it: what it said last is kept in the deployment's log."""
        with contextlib.suppress(Exception):  # evidence is worth much, an app that serves is worth more
            redactor = await redactor_of(self._database, release.app_id, release.deployment_id)
            log = self._log_store.open(release.app_id, release.deployment_id, redactor)
            try:
                log.step("watch", "The release fails after it had gone live")
                async for line in self._runtime.logs(release.deployment_id, tail=_EVIDENCE_LINES):
                    log.say(f"{line.process or 'app'} │ {line.text}", APP_OUTPUT)
                log.error(f"Going back: {trouble}")
            finally:
                self._log_store.close(release.deployment_id)


def _version_before(session: Session, app: App) -> Deployment | None:
    with contextlib.suppress(Invalid):
        return service.version_before(session, app)
    return None
