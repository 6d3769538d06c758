"""Rules of deployments and releases."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from better_paas.apps.fields import parse_volume
from better_paas.apps.models import App
from better_paas.db.sealed import place, seal_mapping, unseal_mapping
from better_paas.deployments.models import Deployment, Release
from better_paas.errors import Conflict, Invalid, NotFound
from better_paas.jobs import queue
from better_paas.kit.clock import now
from better_paas.kit.ids import new_id
from better_paas.kit.quoted import Statement, subject
from better_paas.runtime.probe import Speaks
from better_paas.runtime.protocol import Volume

# Going back builds nothing, and must not wait for others' builds: it is a kind of its own.
DEPLOY, ROLLBACK, RETIRE, WATCH = "deploy", "rollback", "retire", "watch"
ACTIVE = ("queued", "building")
# What went live and ends within this time is no good. Whoever waits is told of a success only then.
SETTLING = timedelta(seconds=5)
# The watch looks, and says what it saw, a moment after the time for it is over.
_LAST_LOOK = timedelta(seconds=1)
# How many good deployments the version before is looked for in.
_LOOKED_BACK = 200
# Releases whose host port is taken.
_HOLDING_A_PORT = ("starting", "live", "held", "draining")


def create(
    session: Session,
    app: App,
    *,
    trigger: str,
    actor: str,
    no_cache: bool = False,
    rollback_of: Deployment | None = None,
    request_id: str = "",
) -> Deployment:
    """Queue a deployment. One that was queued before it ends as cancelled: only the newest counts."""
    for waiting in session.scalars(
        select(Deployment).where(Deployment.app_id == app.id, Deployment.status == "queued")
    ):
        if queue.is_queued(session, waiting.job_id):
            _end(waiting, "cancelled", Statement("a newer deployment took its place"))
    deployment = Deployment(
        id=new_id(12),
        app_id=app.id,
        app_name=app.name,
        job_id="",
        status="queued",
        trigger=trigger,
        actor=actor,
        request_id=request_id,
        no_cache=no_cache,
        rollback_of=rollback_of.id if rollback_of else None,
        commit=rollback_of.commit if rollback_of else "",
        commit_msg=rollback_of.commit_msg if rollback_of else "",
        image=rollback_of.image if rollback_of else "",
        plan=rollback_of.plan if rollback_of else {},
        failure="",
        advice="",
        created_at=now(),
        started_at=None,
        finished_at=None,
    )
    job = queue.enqueue(
        session,
        ROLLBACK if rollback_of else DEPLOY,
        {"deploymentId": deployment.id, "appId": app.id},
        lock_key=f"app:{app.id}",
        dedupe_key=f"deploy:{app.id}",
    )
    deployment.job_id = job.id
    session.add(deployment)
    session.flush()
    return deployment


def get(session: Session, deployment_id: str) -> Deployment:
    """Errors: NotFound."""
    deployment = session.get(Deployment, deployment_id)
    if deployment is None:
        raise NotFound("Deployment not found", "List the deployments to see their ids.")
    return deployment


def history(
    session: Session,
    app_id: str | None,
    status: str | None,
    limit: int,
    before: str | None,
    visible: set[str] | None = None,
) -> Sequence[Deployment]:
    """Newest first, those before the deployment `before`. visible: ids of apps whose deployments are shown; or all."""
    query = select(Deployment).order_by(Deployment.created_at.desc(), Deployment.id.desc()).limit(limit)
    query = query.join(App, App.id == Deployment.app_id).where(App.deleted_at.is_(None))
    if visible is not None:
        query = query.where(Deployment.app_id.in_(visible))
    if app_id:
        query = query.where(Deployment.app_id == app_id)
    if status:
        query = query.where(Deployment.status == status)
    if before:
        last = get(session, before)
        earlier = (Deployment.created_at == last.created_at) & (Deployment.id < last.id)
        query = query.where((Deployment.created_at < last.created_at) | earlier)
    return session.scalars(query).all()


def made_since(session: Session, moment: datetime) -> list[tuple[str, datetime]]:
    """(agent id, time) of the deployments that agents asked for since then."""
    query = select(Deployment.actor, Deployment.created_at)
    rows = session.execute(query.where(Deployment.created_at >= moment, Deployment.actor.startswith("agent:")))
    return [(actor.partition(":")[2], created) for actor, created in rows]


def active(session: Session, app_id: str) -> Deployment | None:
    """The deployment of an app that is queued or runs."""
    query = select(Deployment).where(Deployment.app_id == app_id, Deployment.status.in_(ACTIVE))
    return session.scalars(query.order_by(Deployment.created_at.desc())).first()


def waits_for(session: Session, deployment: Deployment, has_room: bool = False) -> str:
    """What keeps a queued deployment from beginning, for people; empty once it has begun.

    has_room: whether another could begin at this moment.
    """
    if deployment.status != "queued" or (before := queue.before(session, deployment.job_id)) < 0:
        return ""
    begun = select(Deployment.id).where(Deployment.app_id == deployment.app_id, Deployment.status == "building")
    if session.scalars(begun).first() is not None:
        return "It waits for the deployment of this app that is on its way."
    if has_room and before == 0:
        return ""
    others = "" if before == 0 else f", and {before} {'is' if before == 1 else 'are'} before it"
    return f"It waits until a build has ended{others}."


def refuse_while_active(session: Session, app_id: str, verb: str) -> None:
    """Errors: Conflict if a deployment of the app runs."""
    if (running := active(session, app_id)) is not None:
        raise Conflict(
            f"a deployment of this app is on its way, so it can't be {verb} now",
            f"Wait for it, or cancel deployment {running.id} first.",
            code="deployment_active",
        )


def for_rollback(session: Session, app: App, deployment_id: str) -> Deployment:
    """The earlier deployment, checked; without an id the version before. Errors: NotFound, Invalid, Conflict."""
    if not deployment_id:
        _refuse_behind_what_serves(session, app)
    earlier = get(session, deployment_id) if deployment_id else version_before(session, app)
    if earlier.app_id != app.id:
        raise Invalid("this deployment is of another app")
    if not earlier.image or earlier.status != "success":
        raise Invalid("this deployment has no image to go back to", "Choose one that was successful.")
    return earlier


def _refuse_behind_what_serves(session: Session, app: App) -> None:
    """Errors: Conflict where "back" could mean the version that serves, and the one before it."""
    newest = next((entry for entry in history(session, app.id, None, 1, None) if entry.status not in ACTIVE), None)
    release = live_release(session, app)
    if newest is None or newest.status not in ("failed", "cancelled") or release is None:
        return
    if release.deployment_id == newest.id:  # it went live before it failed
        return
    serves = release.deployment_id
    try:
        before = f", or {version_before(session, app).id} to go behind it"
    except Invalid:
        before = ""
    raise Conflict(
        f"the newest deployment never served: there is nothing to take back, {serves} serves",
        f"Name a deployment: {serves} to deploy again what serves{before}.",
        code="newest_never_served",
    )


def version_before(session: Session, app: App) -> Deployment:
    """The newest good deployment behind the one that serves, with another image than its. Errors: Invalid."""
    good = list(history(session, app.id, "success", _LOOKED_BACK, None))
    release = live_release(session, app)
    live = next((index for index, entry in enumerate(good) if release and entry.id == release.deployment_id), -1)
    # A rollback is a deployment too, of an image that another has: the same image is no other version.
    image = good[live].image if live >= 0 else ""
    for entry in good[live + 1 :]:
        if entry.image and entry.image != image:
            return entry
    raise Invalid("there is no earlier version to go back to", "List the deployments to see what there was.")


def begin(session: Session, deployment_id: str) -> Deployment:
    deployment = get(session, deployment_id)
    if deployment.status in ACTIVE:
        deployment.status = "building"
        deployment.started_at = deployment.started_at or now()
    return deployment


def fail(session: Session, deployment_id: str, status: str, error: str, hint: str, quoted: str = "") -> None:
    """End a deployment that did not go live, and forget its release.

    error, hint: the platform's own words. quoted: what a stranger said, as `quote` gives it.
    """
    deployment = session.get(Deployment, deployment_id)
    if deployment is None:
        return
    if deployment.status in ACTIVE:
        _end(deployment, status, Statement(error, quoted), hint)
    release = release_of(session, deployment_id)
    if release is not None and release.state == "starting":
        session.delete(release)
    app = session.get(App, deployment.app_id)
    before = live_release(session, app)
    if before is not None and before.state == "held":
        before.state = "live"


def hold(session: Session, release_id: str) -> None:
    """The live release makes way for a newer one: it is stopped while requests wait."""
    release = session.get(Release, release_id)
    if release is not None and release.state == "live":
        release.state = "held"


def release_of(session: Session, deployment_id: str) -> Release | None:
    return session.scalars(select(Release).where(Release.deployment_id == deployment_id)).first()


def reserve_release(
    session: Session,
    deployment: Deployment,
    image: str,
    container_port: int,
    settings: dict[str, Any],
    ports: Iterable[int],
    refused: set[int],
) -> Release:
    """The deployment's release with a host port of its own. Errors: Conflict if all ports are taken."""
    release = release_of(session, deployment.id)
    if release is not None and release.host_port not in refused:
        return release
    taken = set(session.scalars(select(Release.host_port).where(Release.state.in_(_HOLDING_A_PORT)))) | refused
    port = next((port for port in ports if port not in taken), None) if container_port else 0
    if port is None:
        raise Conflict("all ports for apps are taken", "Widen APP_PORTS.")
    if release is not None:
        release.host_port = port
        return release
    release = Release(
        id=new_id(12),
        app_id=deployment.app_id,
        deployment_id=deployment.id,
        image=image,
        state="starting",
        container_port=container_port,
        host_port=port,
        settings={},
        created_at=now(),
    )
    _keep_settings(session, release, settings)
    session.add(release)
    session.flush()
    return release


def starting(session: Session, deployment_id: str) -> Release:
    """The release that a deployment has started. Errors: NotFound."""
    release = release_of(session, deployment_id)
    if release is None:
        raise NotFound("the release is gone")
    return release


def take_port(session: Session, deployment_id: str, port: int) -> Release:
    """It turns out to listen at another port than was planned: there requests are led. Errors: NotFound."""
    release, deployment = starting(session, deployment_id), get(session, deployment_id)
    release.container_port = port
    deployment.plan = {**deployment.plan, "port": port}
    return release


def note_speech(session: Session, deployment_id: str, speaks: Speaks) -> None:
    """What the release was found to understand. Errors: NotFound."""
    release = starting(session, deployment_id)
    release.settings = {**release.settings, "speaks": speaks.value}


def speech(release: Release) -> Speaks:
    return Speaks(release.settings.get("speaks", Speaks.HTTP))


def speak_http2(session: Session) -> set[str]:
    """Ids of the apps that have a release which speaks HTTP/2 alone."""
    releases = session.scalars(select(Release).where(Release.state.in_(_HOLDING_A_PORT)))
    return {release.app_id for release in releases if speech(release) is Speaks.HTTP2}


def speech_of(session: Session, deployment_id: str) -> Speaks:
    return speech(starting(session, deployment_id))


def _environment_place(release: Release) -> str:
    return place("releases", release.id, "environment")


def _keep_settings(session: Session, release: Release, settings: dict[str, Any]) -> None:
    sealed = seal_mapping(session, _environment_place(release), settings["environment"])
    release.settings = {**settings, "environment": sealed}


def settings_of(session: Session, release: Release) -> dict[str, Any]:
    """What the release runs with, its variables opened. Errors: SecretUnreadable."""
    kept = release.settings
    environment = unseal_mapping(session, _environment_place(release), kept.get("environment"))
    return {**kept, "environment": environment}


def live_release(session: Session, app: App | None) -> Release | None:
    """The release that serves, or would if the app were not stopped."""
    return session.get(Release, app.live_release_id) if app is not None and app.live_release_id else None


def go_live(session: Session, deployment_id: str, watch_minutes: int = 0) -> Release | None:
    """The commit of a cutover: the new release is live, the old one drains. Gives the old one.

    watch_minutes: for how long a new version of an app that has no wish of its own is watched.
    """
    deployment = get(session, deployment_id)
    release = release_of(session, deployment_id)
    app = session.get(App, deployment.app_id)
    if release is None or app is None:
        raise NotFound("the release is gone")
    old = live_release(session, app)
    if old is not None and old.id == release.id:
        old = None
    release.state = "live"
    app.live_release_id, app.desired_running, app.fault, app.event = release.id, True, "", ""
    if old is not None:
        old.state = "draining"
        retire(session, old)
    minutes = watch_minutes if app.watch_minutes is None else app.watch_minutes
    if deployment.status in ACTIVE:
        minutes = 0 if deployment.rollback_of else minutes
        # Its first moments are watched of all: a success is one that stays up.
        payload = {"deploymentId": deployment_id, "minutes": minutes}
        queue.enqueue(session, WATCH, payload, dedupe_key=f"watch:{app.id}")
        deployment.watched_until = now() + timedelta(minutes=minutes) if minutes else None
    _end(deployment, "success", Statement(""))
    return old


def is_settled(deployment: Deployment) -> bool:
    """Whether it has ended, and a success has stayed up for a while since."""
    if deployment.status != "success":
        return deployment.status not in ACTIVE
    since = deployment.steady_since or deployment.finished_at
    return since is None or now() - since >= SETTLING + _LAST_LOOK


def is_new(deployment: Deployment) -> bool:
    """Whether it went live, or is up again, so lately that it has to show that it stays up."""
    since = deployment.steady_since or deployment.finished_at
    return since is None or now() - since < SETTLING


def note_steady(session: Session, deployment_id: str) -> None:
    """Its first moments were seen to their end."""
    deployment = get(session, deployment_id)
    deployment.steady_since = deployment.steady_since or deployment.finished_at


def still_live(session: Session, deployment_id: str) -> bool:
    """Whether it is what serves, or should, whatever else is on its way."""
    release = release_of(session, deployment_id)
    app = session.get(App, release.app_id) if release is not None else None
    live = live_release(session, app) if app is not None else None
    return app is not None and app.deleted_at is None and app.desired_running and live is not None and live is release


def watched(session: Session, deployment_id: str) -> tuple[App, Release] | None:
    """App and release of a deployment that still is what should serve, with no newer one on its way."""
    release = release_of(session, deployment_id)
    found = settled_release(session, release.app_id) if release is not None else None
    if release is None or found is None or found[1].id != release.id or not found[0].desired_running:
        return None
    return found


def disown(deployment: Deployment, trouble: Statement, *, goes_back: bool) -> None:
    """A deployment that had gone live turns out to be no good. goes_back: the version before serves again."""
    told = Statement(f"it failed after it had gone live: {trouble.sentence}", trouble.quoted)
    deployment.status, deployment.failure, deployment.watched_until = "failed", told.stored(), None
    back = Statement("What it said last is at the end of its log. The version before serves again.")
    alone = Statement("What it said last is at the end of its log. It is started again and again until it stays up.")
    deployment.advice = (back if goes_back else alone).stored()


def retire(session: Session, release: Release) -> None:
    """Queue the removal of a draining release, once."""
    key = f"retire:{release.id}"
    queue.enqueue(session, RETIRE, {"releaseId": release.id}, lock_key=f"release:{release.id}", dedupe_key=key)


def recover_interrupted(session: Session) -> None:
    """At start: end deployments whose job is over, take back what made way for them, and go on with the removal of
    old releases that still drain."""
    for deployment in session.scalars(select(Deployment).where(Deployment.status.in_(ACTIVE))).all():
        if not queue.is_open(session, deployment.job_id):
            fail(session, deployment.id, "failed", "the server stopped while it ended", "Deploy again.")
    for release in session.scalars(select(Release).where(Release.state == "draining")).all():
        retire(session, release)
    for release in session.scalars(select(Release).where(Release.state == "held")).all():
        if active(session, release.app_id) is None:
            release.state = "live"


def is_live(session: Session, deployment_id: str) -> bool:
    """Whether this deployment's release is the one that serves."""
    release = release_of(session, deployment_id)
    app = session.get(App, release.app_id) if release is not None else None
    return release is not None and app is not None and app.live_release_id == release.id


def live_releases(session: Session) -> list[tuple[App, Release | None]]:
    """Each app with its live release, without those in the trash."""
    apps = session.scalars(select(App).where(App.deleted_at.is_(None))).all()
    wanted = [app.live_release_id for app in apps]
    found = {release.id: release for release in session.scalars(select(Release).where(Release.id.in_(wanted)))}
    return [(app, found.get(app.live_release_id or "")) for app in apps]


def has_one_writer(app: App, release: Release | None) -> bool:
    """Whether a change of releases may have to stop the old one first, for a volume that only one may write to."""
    return any(volume.has_one_writer for volume in [*volumes_of(app), *volumes_of(release)])


def volumes_of(owner: App | Release | None) -> tuple[Volume, ...]:
    """What an app is to have with its next release, or what a release has."""
    texts = owner.volumes if isinstance(owner, App) else owner.settings["volumes"] if owner is not None else ()
    return tuple(parse_volume(text) for text in texts)


def settled_release(session: Session, app_id: str) -> tuple[App, Release] | None:
    """An app with its live release, unless a deployment is about to change that."""
    app = session.get(App, app_id)
    release = live_release(session, app)
    if app is None or release is None or app.deleted_at is not None or active(session, app_id) is not None:
        return None
    return app, release


def known_deployment_ids(session: Session) -> set[str]:
    """Deployments whose containers are meant to exist."""
    query = select(Release.deployment_id).join(App, App.id == Release.app_id)
    return set(session.scalars(query.where(Release.state.in_(_HOLDING_A_PORT), App.deleted_at.is_(None))))


def recorded(session: Session, deployment_ids: set[str]) -> set[str]:
    """Those of them that were ever asked for, as far as the state knows."""
    return set(session.scalars(select(Deployment.id).where(Deployment.id.in_(deployment_ids))))


def record_found(session: Session, app: App, deployment_id: str, image: str) -> Deployment:
    """A deployment that is known by what runs alone."""
    deployment = Deployment(
        id=deployment_id,
        app_id=app.id,
        app_name=app.name,
        job_id="",
        status="success",
        trigger="adopt",
        actor="admin",
        image=image,
        created_at=now(),
        finished_at=now(),
    )
    session.add(deployment)
    session.flush()
    return deployment


def forget_release(session: Session, release_id: str) -> None:
    release = session.get(Release, release_id)
    if release is not None:
        release.state = "gone"


def set_fault(session: Session, deployment_id: str, fault: Statement) -> str | None:
    """Note what the engine said of a live release; the app's id if that changed anything."""
    release = release_of(session, deployment_id)
    app = session.get(App, release.app_id) if release is not None else None
    if release is None or app is None or app.live_release_id != release.id or not app.desired_running:
        return None
    if app.fault == fault.stored():
        return None
    app.fault = fault.stored()
    return app.id


def set_event(session: Session, deployment_id: str, event: Statement) -> str | None:
    """Note what happened to a live release that goes on; the app's id if that changed anything."""
    release = release_of(session, deployment_id)
    app = session.get(App, release.app_id) if release is not None else None
    if release is None or app is None or app.live_release_id != release.id or app.event == event.stored():
        return None
    app.event = event.stored()
    return app.id


def active_ids(session: Session) -> set[str]:
    """Deployments that are queued or run."""
    return set(session.scalars(select(Deployment.id).where(Deployment.status.in_(ACTIVE))))


def newest_ids(session: Session, app_id: str) -> list[str]:
    """The app's deployments, newest first."""
    query = select(Deployment.id).where(Deployment.app_id == app_id)
    return list(session.scalars(query.order_by(Deployment.created_at.desc(), Deployment.id.desc())))


def images_in_use(session: Session, app_id: str) -> set[str]:
    """Images of releases that run: a rollback's release has the image of another deployment."""
    query = select(Release.image).where(Release.app_id == app_id, Release.state.in_(_HOLDING_A_PORT))
    return set(session.scalars(query))


def set_image(session: Session, deployment_id: str, image: str) -> None:
    get(session, deployment_id).image = image


def set_source(session: Session, deployment_id: str, commit: str, message: str) -> None:
    deployment = get(session, deployment_id)
    deployment.commit, deployment.commit_msg = commit, subject(message)


def set_plan(session: Session, deployment_id: str, plan: dict[str, Any]) -> None:
    get(session, deployment_id).plan = plan


def _end(deployment: Deployment, status: str, why: Statement, hint: str = "") -> None:
    deployment.status, deployment.failure, deployment.advice = status, why.stored(), Statement(hint).stored()
    deployment.finished_at = now()
    deployment.started_at = deployment.started_at or deployment.finished_at
