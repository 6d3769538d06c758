"""Builds the object graph, once, and starts and stops it in order."""

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from better_paas.access.admin import AdminToken
from better_paas.access.failures import FailureLimit
from better_paas.access.tickets import Tickets
from better_paas.acme.authority import Authority
from better_paas.agents import service as agents
from better_paas.agents.registry import Registry
from better_paas.agents.watch import AgentWatch
from better_paas.apps import reach
from better_paas.apps.adoption import Adoption, refuse_routes
from better_paas.apps.listing import Listing
from better_paas.apps.operations import Operations
from better_paas.audit import service as audit
from better_paas.audit.deliver import Access
from better_paas.audit.models import AuditCheckpoint
from better_paas.audit.notes import PUBLIC_FILE, Signer
from better_paas.audit.service import ON_AUDIT
from better_paas.audit.sinks import Sink, SinkWorker
from better_paas.audit.tasks import Checkpointer
from better_paas.builders.bases import Bases, TrustSource
from better_paas.builders.dockerfile import CA_VARIABLES
from better_paas.caddy.process import CaddyFailed
from better_paas.cloudflare.client import Cloudflare
from better_paas.connect.identity import Issuers
from better_paas.db.check import ADVICE as STATE_ADVICE
from better_paas.db.database import Database, after_commit, notify
from better_paas.db.sealed import KEYRING
from better_paas.db.sqlite import FILE_NAME, SqliteStore
from better_paas.db.store import News, Store
from better_paas.deployments import service as deployments
from better_paas.deployments.context import DeploySettings
from better_paas.deployments.log_store import DeploymentLogStore
from better_paas.deployments.models import Deployment
from better_paas.deployments.planning import Planner
from better_paas.deployments.releases import Releases
from better_paas.deployments.tasks import Deployer
from better_paas.deployments.uploads import Uploads
from better_paas.deployments.watch import Watcher
from better_paas.domains import service as domains
from better_paas.domains.hosts import HostRules, find_public_address, host_suffix, normalise
from better_paas.domains.ingress import Ingress
from better_paas.domains.render import PRIVATE_NETWORKS, IngressSettings, Name, Site
from better_paas.domains.unserved import UnservedNames
from better_paas.domains.wildcards import Wildcard
from better_paas.engine.client import Engine
from better_paas.engine.limits import BuildLimits
from better_paas.errors import StartRefused
from better_paas.firewall.keeper import Firewall, unusable
from better_paas.git.limits import Limits
from better_paas.jobs.worker import JobRun, Kind, Worker
from better_paas.kit.clock import now
from better_paas.kit.crypto import Keyring
from better_paas.kit.events import EventBus
from better_paas.kit.files import write_atomically
from better_paas.kit.ids import new_id
from better_paas.kit.locks import Locks
from better_paas.kit.redact import Redactor
from better_paas.kit.slots import Slots
from better_paas.kit.supervision import Supervisor, Work
from better_paas.kit.temporary import Claim
from better_paas.metrics.prometheus import Metrics
from better_paas.notifications.webhook import Notice, send
from better_paas.objects.store import S3Access
from better_paas.runtime.bridges import EngineBridges
from better_paas.runtime.docker import DockerRuntime
from better_paas.runtime.networks import Networks
from better_paas.runtime.protocol import Runtime, memory_bytes
from better_paas.settings import Settings
from better_paas.untrusted.reader import SourceReader
from better_paas.vault import service as vault
from better_paas.vault import stored
from better_paas.vault.keys import KeySource
from better_paas.vault.tasks import RESEAL, Vault

# A folder that others get through without seeing what is in it.
THROUGH_ONLY = 0o711
PUBLIC_AUTHORITY = "https://acme-v02.api.letsencrypt.org/directory"
# What is temporary, in the data directory.
TEMPORARY = "tmp"
# Locks of what processes that share the data directory do in turn.
LOCKS = "locks"
# Where each app's requests go.
ROUTES = "routes"
# The task that starts jobs, for people.
JOBS = "the start of jobs"
# Letters of an installation's id.
_ID_LENGTH = 12
_RETIRE_SLOTS = 16
_ROLLBACK_SLOTS = 16
_WATCH_SLOTS = 200
_TRASH_LOOK_SECONDS = 3600.0
_AGAIN_SECONDS = 1.0
_FAILURE_FLUSH_SECONDS = 60.0
# Each fetches a repository; more at once would fill the disk and the line for nothing.
_LOOK_SLOTS, _LOOK_SLOTS_EACH = 6, 2
_log = structlog.get_logger(__name__)


class Platform:
    """Everything that a request or a job needs."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime | None = None,
        ingress: Ingress | None = None,
        bases: Bases | None = None,
        reader: SourceReader | None = None,
    ) -> None:
        """All but the settings: others than these ask for; tests bring their own."""
        self.settings = settings
        self.started_at, self.since = time.monotonic(), now()
        self.supervisor = Supervisor()
        self.data_dir = prepare_data_dir(settings.data_dir)
        self.admin_token = AdminToken(self.data_dir, settings.admin_token)
        self.failures = FailureLimit()
        self.metrics = Metrics()
        self.issuers = Issuers()
        self.events = EventBus()
        self.public_address = settings.public_address or find_public_address()
        self.rules = host_rules(settings, self.public_address)
        ring = Keyring()
        session_info: dict[str, Any] = {KEYRING: ring}
        self.tickets = Tickets(ring, lambda name: self.database.tell_others("ticket", name))
        self.database = Database(store_of(settings, self.supervisor.tell), audit.append, session_info)
        self.unserved = UnservedNames(self.data_dir / "caddy" / "unserved.json")
        self.listing = Listing(self.database, self.rules, self.unserved)
        self.agents = Registry()
        self.agent_watch = AgentWatch(
            self.database,
            self.agents,
            denials=settings.agent_suspend_denials,
            destructive=settings.agent_suspend_destructive,
            window=timedelta(minutes=settings.agent_suspend_minutes),
            told=self.notify,
        )
        signer = Signer.load(self.data_dir, f"{instance_id(self.data_dir)}.better-paas/audit")
        self.checkpoints = Checkpointer(self.database, signer, self._checkpointed)
        session_info[ON_AUDIT] = self._audited
        self._sink_workers = [
            SinkWorker(self.database, Sink(kind, address), audit_access(settings), lambda: self.show("audit", ""))
            for kind, addresses in (("anchor", settings.anchors), ("stream", settings.streams))
            for address in addresses
        ]
        self.vault = Vault(self.database, ring, key_source(settings, self.data_dir))
        self._is_open = False
        self._failures_pending = False
        self.engine = Engine(settings.docker_host)
        self.locks = Locks(self.data_dir / LOCKS)
        self.trust = TrustSource(self.engine, settings.build_ca_file, self.locks)
        self.bases = bases or make_bases(settings, self.engine, self.trust, self.locks)
        self.log_store = DeploymentLogStore(self.data_dir / "logs", settings.deployment_log_max_mb * 2**20)
        self.reader = reader or SourceReader()
        self.planner = Planner(self.reader, self.bases)
        self.runtime = runtime or self._make_runtime()
        self.firewall = self._make_firewall() if runtime is None else None
        own_apps = settings.apps_domain is not None and settings.ingress_tls == "auto"
        self.wildcard_domain = self.rules.suffix if own_apps else ""
        self.wildcard = Wildcard(
            self.wildcard_domain,
            self.data_dir / "certificates",
            Authority(
                settings.acme_directory or PUBLIC_AUTHORITY, str(settings.acme_root or ""), settings.acme_email or ""
            ),
            self.cloudflare,
            self._new_certificate,
            settings.dns_spread_seconds,
        )
        self.ingress = ingress or Ingress(
            ingress_settings(settings, self.data_dir, self.rules),
            self._sites,
            self.wildcard.certificates,
            self.unserved,
            lambda app_id: self.publish("app", app_id),
        )
        self.limits = Limits(settings.git_timeout, settings.source_max_mb * 2**20, settings.private_git_hosts)
        self.workspace = self.data_dir / "builds"
        self.uploads = Uploads(self.data_dir / "uploads", settings.source_max_mb * 2**20, self.reader)
        self.look_slots = Slots(_LOOK_SLOTS, _LOOK_SLOTS_EACH)
        wanted = self._deploy_settings()
        self.releases = Releases(self.database, self.runtime, self.ingress, wanted, self._open_up)
        self.deployer = Deployer(self.database, self.runtime, self.planner, self.log_store, self.releases, wanted)
        self.watcher = Watcher(self.database, self.runtime, self.log_store, self.queued, self.notify)
        self.worker = Worker(self.database, self._job_moved)
        self.adoption = Adoption(self.database, self.runtime, self.data_dir / ROUTES)
        self.operations = Operations(
            self.database,
            self.runtime,
            self.ingress,
            self.releases,
            self.worker,
            self.log_store,
            self.uploads,
            self.adoption,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leader_tasks: list[asyncio.Task[Any]] = []
        self._jobs: asyncio.Task[Any] | None = None
        self._is_alone = self._is_in_step = False

    def _make_runtime(self) -> Runtime:
        settings = self.settings
        if settings.runtime == "process":
            from better_paas.runtime.process.runtime import ProcessRuntime

            authority = settings.build_ca_file
            named = dict.fromkeys(CA_VARIABLES, str(authority)) if authority else {}
            return ProcessRuntime(self.data_dir / "processes", named)
        instance = instance_id(self.data_dir)
        return DockerRuntime(
            self.engine,
            instance,
            settings.builder,
            self.trust,
            self.reader,
            Networks(self.engine, instance, settings.app_networks, self.locks),
            self.locks,
            BuildLimits.of(memory_bytes(settings.build_memory), float(settings.build_cpus or 0)),
        )

    def _make_firewall(self) -> Firewall | None:
        settings = self.settings
        if settings.runtime != "docker" or not settings.apps_firewall:
            return None
        return Firewall(
            EngineBridges(self.engine),
            instance_id(self.data_dir),
            self.data_dir,
            ipaddress.ip_network(settings.app_networks),
            (settings.http_port, settings.https_port),
            settings.openings,
            unusable(settings.docker_host),
            reaches=lambda: self.database.read(reach.of_releases),
            alone=lambda: self.database.exclusive("firewall"),
        )

    async def _open_up(self, app_id: str) -> None:
        if self.firewall is not None and await self.database.read(lambda session: reach.has_any(session, app_id)):
            await self.firewall.ensure()

    async def open(self, with_unknown: bool = False) -> None:
        """Take the data directory, and see that its secrets can be opened. Errors: StartRefused.

        with_unknown: also with a state that does not know the routes that there are.
        """
        if self._is_open:
            return
        try:
            self.admin_token.ensure()
        except OSError as error:
            raise StartRefused(
                f"{self.data_dir} can't be written to: {error.strerror}", "Free some space, or see who owns it."
            ) from None
        await asyncio.to_thread(self.database.start)
        self._temporary = Claim(self.data_dir / TEMPORARY)
        try:
            if not with_unknown:
                await self.database.read(lambda session: refuse_routes(session, self.data_dir / ROUTES))
                await self._refuse_an_emptied_state()
            await self.vault.open()
            await self._load_agents()
            await self._recall_deployments()
        except BaseException as error:
            self._temporary.release()
            await asyncio.to_thread(self.database.close)
            if isinstance(error, DatabaseError):  # a damage that the look at the file had no time to find
                raise StartRefused(f"the state can't be read: {error.orig}", STATE_ADVICE) from error
            raise
        self._is_open = True

    async def _refuse_an_emptied_state(self) -> None:
        """Errors: StartRefused. Tokens, projects and the audit log would be gone, and nobody would be told."""
        if (self.data_dir / "caddy" / "config.json").exists() and await self.database.read(vault.is_new):
            raise StartRefused(
                "the state is empty, though this data directory was in use",
                f"{STATE_ADVICE} To begin anew, move {self.data_dir} away.",
            )

    async def start(self) -> None:
        """Errors: StartRefused. A missing engine or ingress does not keep the control plane down."""
        await self.open()
        self.database.listen(self._on_notification)
        self._is_alone = not await self.database.read(self.database.others)
        if self._is_alone:
            await self.operations.sweep()
            await self.deployer.sweep_workspaces()
        slots = {deployments.DEPLOY: self.settings.build_concurrency, deployments.ROLLBACK: _ROLLBACK_SLOTS}
        for kind, most in slots.items():
            # Both start and ask what strangers wrote.
            self.worker.register(Kind(kind, self.deployer.deploy, self.deployer.deploy_failed, most, True))
        self.worker.register(Kind(RESEAL, self.vault.reseal, self.vault.reseal_failed, 1))
        self.worker.register(Kind(deployments.RETIRE, self.releases.retire, self.releases.retire_failed, _RETIRE_SLOTS))
        self.worker.register(Kind(deployments.WATCH, self.watcher.watch, self.watcher.watch_failed, _WATCH_SLOTS))
        await self.ingress.start()
        self.background(asyncio.to_thread(self._temporary.sweep))
        self.keep("the measure of the event loop", self.metrics.loop.keep)
        self._jobs = self.keep(JOBS, self._run)

    async def _run(self) -> None:
        if not self._is_in_step:
            if self._is_alone:
                await self.operations.recover_interrupted()
            if not self.database.is_shared:
                # Before jobs go on; where others work meanwhile, the leader does it.
                await self._bring_in_step()
            self.database.lead(self._on_leadership_change)
            self._is_in_step = True
        await self.worker.run()

    async def _bring_in_step(self) -> None:
        try:
            await self.operations.reconcile()
        except Exception:
            _log.exception("the state could not be brought in step")

    def _on_leadership_change(self, is_leader: bool) -> None:
        """This process began, or ended, to be the one that looks after what is there once."""
        for task in self._leader_tasks:
            task.cancel()
        self._leader_tasks.clear()
        if not is_leader or not self._is_open:
            return
        duties: dict[str, Work] = {
            "the checkpoints of the audit log": self.checkpoints.run,
            "the end of what is in the trash": self._empty_trash,
            "the watch over apps": lambda: self.operations.watch_faults(lambda app_id: self.publish("app", app_id)),
            # By number: where copies go is nobody's business who may read health.
            **{f"copy {number} of the audit log": one.run for number, one in enumerate(self._sink_workers, 1)},
        }
        if self.wildcard_domain:
            duties["the wildcard certificate"] = self.wildcard.keep
        if self.firewall is not None and not self.firewall.unusable:
            duties["the rules of the firewall"] = self.firewall.keep
        if self.database.is_shared:
            duties["what other servers left"] = self._take_over
        self._leader_tasks = [self.keep(name, work) for name, work in duties.items()]

    async def _take_over(self) -> None:
        """The leader until now may have died at any point of its work."""
        _log.info("this process leads", process=self.database.process)
        self.checkpoints.note()
        await self.worker.take_over()
        await self._bring_in_step()
        await self.worker.keep_taking_over()

    def _on_notification(self, news: list[News] | None) -> None:
        """Another process has committed something. None: what, may have been missed."""
        if news is None:
            self.events.publish({"topic": "reset"})
        topics = {"agent", "jobs", "audit"} if news is None else {item["topic"] for item in news}
        if "agent" in topics:
            self.background(self._reload_agents())
        if "jobs" in topics:
            self.worker.wake()
        if "audit" in topics:
            self._audited()
        for item in news or ():
            if item["topic"] == "cancel":
                self.worker.cancel_if_mine(item["id"])
            elif item["topic"] == "ticket":
                self.tickets.use(item["id"])
            elif item["topic"] == "deployment-by":
                self.agents.recall_deployment(item["id"], time.monotonic())
            elif item["topic"] not in ("audit", "jobs"):
                self.show(item["topic"], item["id"])

    async def _empty_trash(self) -> None:
        """An age is no event: it has to be looked for."""
        while True:
            await asyncio.sleep(_TRASH_LOOK_SECONDS)
            with contextlib.suppress(Exception):
                await self.operations.purge_expired(self.settings.trash_days)

    async def cloudflare(self) -> Cloudflare | None:
        """Access to DNS with the stored token, or None without one."""
        token = await self.database.read(lambda session: stored.get(session, stored.CLOUDFLARE))
        return Cloudflare(token, self.settings.cloudflare_api) if token else None

    async def _new_certificate(self) -> None:
        with contextlib.suppress(CaddyFailed):  # the ingress gets it when it is back
            await self.ingress.apply()

    def queued(self, session: Session, deployment: Deployment) -> None:
        """A deployment was queued in this unit: start it and tell of it once that is on disk."""
        if (waits := deployments.waits_for(session, deployment, self.worker.has_room(deployments.DEPLOY))) != "":
            after_commit(session, lambda: self._say_what_it_waits_for(deployment.app_id, deployment.id, waits))
        self.wake_jobs(session)
        self.announce(session, "deployment", deployment.id)
        self.announce(session, "app", deployment.app_id)

    def _say_what_it_waits_for(self, app_id: str, deployment_id: str, sentence: str) -> None:
        with contextlib.suppress(OSError):  # its page says so, too
            self.log_store.open(app_id, deployment_id, Redactor()).say(sentence)
            self.log_store.close(deployment_id)

    async def stop(self) -> None:
        """Jobs are interrupted and resume at the next start; apps and the ingress go on."""
        if not self._is_open:
            return
        self._is_open = False
        if self._jobs is not None:
            self._jobs.cancel()
        await self.worker.stop()
        self.log_store.close_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.agent_watch.close()
        await self._flush_failures()
        with contextlib.suppress(Exception):  # a full disk must not keep the server from stopping
            await self.checkpoints.make()
        await self.ingress.detach()
        await self.reader.close()
        await self.engine.close()
        await asyncio.to_thread(self._temporary.release)
        await asyncio.to_thread(self.database.close)

    def background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` besides; it ends with the server."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def keep(self, name: str, work: Work) -> asyncio.Task[Any]:
        """The same for what is not meant to end: it is begun again, and health says so."""
        return self.background(self.supervisor.keep(name, work))

    def publish(self, topic: str, identity: str) -> None:
        """Tell open event streams, those of other processes too, that something changed."""
        self.show(topic, identity)
        self.database.tell_others(topic, identity)

    def show(self, topic: str, identity: str) -> None:
        """Tell the event streams of this process."""
        self.events.publish({"topic": topic, "id": identity})

    def announce(self, session: Session, topic: str, identity: str) -> None:
        """Like `publish`, once the unit is on disk."""
        notify(session, topic, identity)
        after_commit(session, lambda: self.show(topic, identity))

    def wake_jobs(self, session: Session) -> None:
        notify(session, "jobs")
        after_commit(session, self.worker.wake)

    def notify(self, kind: str, identity: str, text: str, url: str = "") -> None:
        """Tell people of something that wants their eyes: the hook of all notifications."""
        _log.warning(text, kind=kind, id=identity, url=url or None)
        self.publish("approval" if kind == "approval" else "agent", identity)
        if self.settings.notify_url:
            self.background(send(self.settings.notify_url, Notice(kind, identity, text, url)))

    def flush_failures_soon(self) -> None:
        """Write what was guessed during waits, in one line for each address, within a minute."""
        if not self._failures_pending:
            self._failures_pending = True
            self.background(self._flush_failures_later())

    async def _flush_failures_later(self) -> None:
        await asyncio.sleep(_FAILURE_FLUSH_SECONDS)
        self._failures_pending = False
        await self._flush_failures()

    async def _flush_failures(self) -> None:
        taken = self.failures.take_unlogged()
        if not taken:
            return

        def unit(session: Session) -> None:
            for address, count in taken.items():
                audit.record(session, audit.failed_sign_in(address, new_id(16), count))

        with contextlib.suppress(Exception):  # the disk is full: the failures were refused all the same
            await self.database.write(unit)

    async def _recall_deployments(self) -> None:
        """Those of the last hour count against their tokens' budgets."""
        moment, clock = now(), time.monotonic()
        since = moment - timedelta(hours=1)
        for actor, created in await self.database.read(lambda session: deployments.made_since(session, since)):
            self.agents.recall_deployment(actor, clock - (moment - created).total_seconds())

    async def _load_agents(self) -> None:
        """In turn with all changes, ours among them: an older state must not come in behind a newer one."""

        def unit(session: Session) -> None:
            found, frozen = agents.all_agents(session), agents.is_frozen(session)
            after_commit(session, lambda: self.agents.load(found, frozen))

        await self.database.write(unit)

    async def _reload_agents(self) -> None:
        """Until it is done: a token that was revoked must not stay good because the database was away."""
        while True:
            with contextlib.suppress(Exception):
                await self._load_agents()
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    def _audited(self) -> None:
        self.checkpoints.note()
        self.show("audit", "")
        for sink_worker in self._sink_workers:
            if sink_worker.sink.kind == "stream":
                sink_worker.wake()

    def _checkpointed(self, checkpoint: AuditCheckpoint) -> None:
        for sink_worker in self._sink_workers:
            sink_worker.wake()

    async def engine_version(self) -> str | None:
        """The engine's version, or None while it does not answer, or where there is none."""
        if self.settings.runtime == "process":
            return None
        with contextlib.suppress(Exception):
            async with asyncio.timeout(3):
                return await self.engine.version()
        return None

    def _job_moved(self, run: JobRun) -> None:
        if run.outcome:
            self.metrics.jobs.labels(run.claim.kind, run.outcome).inc()
        if "deploymentId" in run.payload:
            self.publish("deployment", run.payload["deploymentId"])

    async def _sites(self) -> list[Site]:
        def unit(session: Session) -> list[Site]:
            speak_http2 = deployments.speak_http2(session)
            wishes = [
                domains.SiteWish(
                    app.id,
                    app.name,
                    app.project_id,
                    deployments.has_one_writer(app, release),
                    app.routing,
                    app.id in speak_http2,
                )
                for app, release in deployments.live_releases(session)
            ]
            return domains.sites(session, wishes, self.rules)

        return await self.database.read(unit)

    def _deploy_settings(self) -> DeploySettings:
        settings = self.settings
        return DeploySettings(
            workspace=self.workspace,
            limits=self.limits,
            build_timeout=settings.build_timeout,
            health_timeout=settings.health_timeout,
            hold_seconds=settings.hold_seconds,
            drain_seconds=settings.drain_seconds,
            watch_minutes=settings.watch_minutes,
            least_free_bytes=settings.disk_floor_mb * 2**20,
            keep_images=settings.keep_images,
            build_cache_bytes=settings.build_cache_max_gb * 10**9,
            ports=settings.port_range,
            default_memory=settings.default_memory,
            default_cpus=settings.default_cpus,
            uploads=self.uploads,
        )


def store_of(settings: Settings, told: Callable[[str, str], None]) -> Store:
    """Where the state is kept. told: how each of its threads does, by name."""
    path = settings.data_dir / FILE_NAME
    if not settings.database_url:
        return SqliteStore(path)
    from better_paas.db.postgres import PostgresStore

    return PostgresStore(settings.database_url, path, told=told)


def audit_access(settings: Settings) -> Access:
    token = settings.audit_git_token
    if token.startswith("/"):
        token = Path(token).read_text()
    storage = S3Access(
        settings.audit_s3_endpoint,
        settings.audit_s3_region,
        settings.audit_s3_access_key_id,
        settings.audit_s3_secret_access_key,
    )
    return Access(token, storage)


def key_source(settings: Settings, data_dir: Path) -> KeySource:
    return KeySource(data_dir, settings.better_paas_secret_key, settings.better_paas_secret_key_previous)


def prepare_data_dir(path: Path) -> Path:
    """The data directory, made if need be, for its owner alone."""
    path = path.expanduser().absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Processes that go on while the server starts anew get through it, if they have to (see runtime/process).
    if path.stat().st_mode & 0o777 != THROUGH_ONLY:
        path.chmod(0o700)
    return path


def instance_id(data_dir: Path) -> str:
    """A lasting id of this installation: all that it makes in the engine is labelled with it. Errors: StartRefused."""
    path = data_dir / "instance_id"
    found = path.read_text().strip() if path.exists() else ""
    if len(found) != _ID_LENGTH or not found.isalnum():  # missing, or cut off
        # The audit log's public key has it in its name.
        public = data_dir / PUBLIC_FILE
        found = public.read_text().partition(".better-paas/")[0].strip() if public.exists() else ""
        if not found and any((data_dir / ROUTES).glob("*")):
            raise StartRefused(
                f"{path} is missing, by which this installation knows its containers",
                "Bring it back from a backup. Or write into it the value of the label better-paas.instance, which "
                "'docker inspect' shows of each container; if there are none, any word of 12 letters and digits.",
            )
        found = found or new_id(_ID_LENGTH)
        write_atomically(path, found)
    return found


def host_rules(settings: Settings, public_address: str | None) -> HostRules:
    return HostRules(
        suffix=host_suffix(settings.apps_domain, public_address),
        tls=settings.ingress_tls,
        http_port=settings.http_port,
        https_port=settings.https_port,
        own=normalise(settings.paas_domain) if settings.paas_domain else "",
    )


def ingress_settings(settings: Settings, data_dir: Path, rules: HostRules) -> IngressSettings:
    host, port = settings.listen
    local = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return IngressSettings(
        folder=data_dir / "caddy",
        routes=data_dir / ROUTES,
        address=settings.ingress_address,
        http_port=settings.http_port,
        https_port=settings.https_port,
        acme_email=settings.acme_email,
        proxies=_trusted_networks(settings),
        # Until the release before is back, if the new one does not come up.
        hold_seconds=settings.hold_seconds * 2,
        acme_directory=settings.acme_directory,
        acme_root=str(settings.acme_root or ""),
        own_name=Name(rules.own, rules.is_https(rules.own)) if rules.own else None,
        own_address=f"[{local}]:{port}" if ":" in local else f"{local}:{port}",
    )


def _trusted_networks(settings: Settings) -> tuple[str, ...]:
    if settings.outer_proxies is None:
        return ()
    return tuple(map(str, settings.outer_proxies)) or PRIVATE_NETWORKS


def make_bases(settings: Settings, engine: Engine, trust: TrustSource, locks: Locks) -> Bases:
    return Bases(engine, settings.base_images, lambda: trust, locks, settings.private_registries)
