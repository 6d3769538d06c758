"""Apps over HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Query, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from better_paas.access.authorize import confirm
from better_paas.access.guard import api_router, caller_of, platform_of
from better_paas.access.streams import event_stream, until_gone
from better_paas.access.uploads import takes_upload, upload_form, uploaded
from better_paas.apps import idempotency, reach, schemas, secrets, service
from better_paas.apps.answers import app_answer, change_app, deploy_answer, tell_ingress
from better_paas.apps.models import App
from better_paas.bootstrap import Platform
from better_paas.builders.languages import LANGUAGES, RUN
from better_paas.builders.plan import BuildPlan
from better_paas.deployments import service as deployments
from better_paas.deployments.context import wishes
from better_paas.deployments.log_store import APP_OUTPUT
from better_paas.deployments.models import Deployment, Release
from better_paas.deployments.sources import SourceRef, app_folder, fetch_source
from better_paas.deployments.uploads import PREFIX as UPLOAD_PREFIX
from better_paas.errors import Invalid, PaasError, Unavailable
from better_paas.git.errors import FetchFailed
from better_paas.git.fetch import branches
from better_paas.git.limits import Limits
from better_paas.git.source import SourceRefused, parse_address
from better_paas.kit import sse, temporary
from better_paas.kit.clock import iso, now
from better_paas.kit.redact import Redactor
from better_paas.runtime.protocol import LogLine

router = api_router("Apps")
AppIdQuery = Annotated[str, Query(max_length=40)]
_LIVE_TAIL = 200
_LOG_BYTES = 2**20
# For a preview, and for the names of branches.
_LOOK_SECONDS = 60


@router.get("/api/apps", response_model=list[schemas.AppAnswer])
async def apps_list(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Annotated[str | None, Query(max_length=40, description="Name of the last app of the page before.")] = None,
) -> Response:
    """All apps, by name."""
    page = await platform_of(request).listing.page(caller_of(request), limit, cursor)
    return Response(
        page.body, media_type="application/json", headers={"X-Next-Cursor": page.next} if page.next else None
    )


@router.get("/api/apps/get")
async def apps_get(request: Request, id: AppIdQuery) -> schemas.AppAnswer:
    """One app."""
    return await app_answer(request, id)


@router.post("/api/deploy")
async def apps_deploy(request: Request, body: schemas.DeployBody) -> schemas.DeployAnswer:
    """Make an app and start its first deployment. The answer comes at once; `deploymentId` leads to the progress."""
    platform = platform_of(request)
    if (before := await idempotency.answered(request)) is not None:
        return await deploy_answer(request, *before)
    wanted = body.model_dump()

    def unit(session: Session) -> tuple[str, str]:
        app = service.create(session, wanted, platform.rules, caller_of(request).sees_app)
        deployment = _queue(platform, session, app, request, "manual")
        return app.id, deployment.id

    app_id, deployment_id = await platform.database.write(unit)
    request.state.resource_id = app_id
    platform.ingress.point_to_waiting(app_id)
    await tell_ingress(platform)
    return await deploy_answer(request, app_id, deployment_id)


@router.post("/api/deploy/upload", openapi_extra=upload_form(schemas.UploadConfig), response_model=schemas.DeployAnswer)
@takes_upload(schemas.UploadConfig)
async def apps_deploy_upload(request: Request) -> schemas.DeployAnswer:
    """Make an app of uploaded files, or give an app new ones. `config` is JSON, `archive` a .zip or .tar.gz.

    At most 10,000 files, 100 MiB each; one folder at the top is left out. Links, devices and paths that lead
    elsewhere are refused.
    """
    platform = platform_of(request)
    if (before := await idempotency.answered(request)) is not None:
        return await deploy_answer(request, *before)
    config, archive = await uploaded(request, schemas.UploadConfig)
    if not config.id and config.name is None:
        raise Invalid("config: it names no app", "Give the name of a new one, or the id of one that gets these files.")
    if config.id:
        await platform.database.read(lambda session: service.get(session, config.id))
    incoming, _ = await platform.uploads.take_in(archive)
    try:
        app_id = await platform.database.write(lambda session: _app_of_upload(request, session, config))
        await platform.uploads.adopt(app_id, incoming)
    finally:
        await platform.uploads.drop(incoming)
    deployment_id = await platform.database.write(
        lambda session: _queue(platform, session, service.get(session, app_id), request, "upload").id
    )
    request.state.resource_id = app_id
    if not config.id:
        platform.ingress.point_to_waiting(app_id)
    if not config.id or service.SEEN_BY_INGRESS & config.model_fields_set:
        await tell_ingress(platform)
    return await deploy_answer(request, app_id, deployment_id)


def _update(request: Request, session: Session, app_id: str, changes: dict[str, Any], rules: Any) -> None:
    """Change an app, and leave what changed for the audit log."""
    with _noted(request, session, app_id):
        service.update(session, app_id, changes, rules, caller_of(request).sees_app)


@contextlib.contextmanager
def _noted(request: Request, session: Session, app_id: str) -> Iterator[None]:
    """Around a change of an app's settings, in its unit."""
    before = service.settings_of(session, app_id)
    yield
    request.state.diff = service.difference(before, service.settings_of(session, app_id))


def _app_of_upload(request: Request, session: Session, config: schemas.UploadConfig) -> str:
    rules = platform_of(request).rules
    if config.id:
        confirm(request, session)
        changes = config.model_dump(exclude_unset=True, exclude={"id", "name", "project_id", "server_id"})
        _update(request, session, config.id, {**changes, "git_repo": UPLOAD_PREFIX}, rules)
        return config.id
    wanted = {**config.model_dump(exclude={"id", "version"}), "git_repo": UPLOAD_PREFIX, "git_token": "", "branch": ""}
    return service.create(session, wanted, rules, caller_of(request).sees_app).id


@contextlib.asynccontextmanager
async def _looking(request: Request) -> AsyncIterator[Limits]:
    """Around a look at a stranger's repository, which may never answer: few at once, and not for long."""
    platform = platform_of(request)
    async with platform.look_slots.taken(caller_of(request).id):
        yield replace(platform.limits, seconds=min(_LOOK_SECONDS, platform.limits.seconds))


@router.post("/api/deploy/plan")
async def apps_plan(request: Request, body: schemas.Source) -> schemas.PlanAnswer:
    """What would be built and how, without building it."""
    platform = platform_of(request)
    overrides = wishes(body)
    source = SourceRef(body.git_repo, body.branch, body.git_token, body.root_dir, body.submodules)
    async with _looking(request) as limits, temporary.folder("plan-") as folder:
        tree = folder / "tree"
        commit = await fetch_source(source, tree, limits, lambda _: None)
        app_folder(tree, body.root_dir)  # says so if there is none
        plan = await platform.planner.make_plan(tree, body.root_dir, overrides)
        place = body.root_dir if plan.context is None else plan.context
        app_folder(tree, place)
        available, bases = await _bases_for_preview(platform, plan)
        tools = {name: platform.bases.official(name, version) for name, version in plan.tools.items()}
        dockerfile = await platform.planner.preview(plan, tree, place, bases, tools)
    shown = {name: value for name, value in plan.as_dict().items() if name in schemas.PlanAnswer.model_fields}
    return schemas.PlanAnswer(
        **shown,
        summary=plan.summary,
        dockerfile=dockerfile,
        commit=commit.id,
        commit_msg=commit.message,
        available=available,
    )


async def _bases_for_preview(platform: Platform, plan: BuildPlan) -> tuple[list[str] | None, tuple[str, str]]:
    """(versions that can be had, or None for all; the bases that the plan would stand on)."""
    if plan.runtime == "dockerfile":
        return None, ("", "")
    patterns = platform.settings.base_images
    language = plan.language
    second = "static" if plan.runtime == "static" else RUN if LANGUAGES[language].compiled else ""
    base = patterns[language].format(version=plan.version or LANGUAGES[language].newest)
    run = patterns[second].format(version=LANGUAGES[second].newest) if second else ""
    return await platform.bases.available(language), (base, run)


@router.post("/api/apps/stop")
async def apps_stop(request: Request, body: schemas.AppId) -> schemas.StatusAnswer:
    """Stop the app; its visitors see a page that says so."""
    platform = platform_of(request)
    await platform.operations.stop(body.id)
    platform.publish("app", body.id)
    return schemas.StatusAnswer(status="stopped")


@router.post("/api/apps/start")
async def apps_start(request: Request, body: schemas.AppId) -> schemas.StatusAnswer:
    """Start the app again with the release that it had."""
    platform = platform_of(request)
    await platform.operations.start(body.id)
    platform.publish("app", body.id)
    return schemas.StatusAnswer(status="running")


@router.post("/api/apps/delete")
async def apps_delete(request: Request, body: schemas.AppId) -> schemas.StatusAnswer:
    """Put the app into the trash: routes go and processes end, the rest is kept for TRASH_DAYS (see restore)."""
    platform = platform_of(request)
    await platform.operations.delete(body.id)
    if platform.settings.trash_days == 0:
        await platform.operations.purge(body.id, with_volumes=False)
    platform.publish("app", body.id)
    return schemas.StatusAnswer(status="deleted")


@router.post("/api/apps/update")
async def apps_update(request: Request, body: schemas.UpdateBody) -> schemas.AppAnswer:
    """Change the fields that are sent, and only those. They take effect with the next deployment.

    For variables see POST /api/apps/env: here all of them are replaced.
    """
    changes = body.model_dump(exclude_unset=True, exclude={"id"})
    for name, value in changes.items():
        if value is None and name not in (*service.NULLABLE, "version"):
            raise Invalid(f"{name} must not be null", "Leave a field out to keep it.")

    def change(session: Session, rules: Any) -> None:
        _update(request, session, body.id, changes, rules)

    return await change_app(request, body.id, change, seen_by_ingress=bool(service.SEEN_BY_INGRESS & changes.keys()))


@router.post("/api/apps/env")
async def apps_env(request: Request, body: schemas.EnvBody) -> schemas.AppAnswer:
    """Set and remove variables; all others stay as they are. They take effect with the next deployment."""
    wanted = service.EnvironmentChange(body.set, body.unset, body.secret, body.plain)

    def change(session: Session, _: Any) -> None:
        with _noted(request, session, body.id):
            service.merge_environment(session, body.id, wanted)

    return await change_app(request, body.id, change, seen_by_ingress=False)


@router.post("/api/apps/reach")
async def apps_reach(request: Request, body: schemas.ReachBody) -> schemas.AppAnswer:
    """Say what this app alone may reach though the server keeps apps from it (APPS_FIREWALL).

    The first opening counts from the app's next deployment on, what is changed later at once, for new connections.
    """
    platform = platform_of(request)
    if platform.settings.runtime == "process":
        raise Invalid(
            "reach: with RUNTIME=process apps are on the machine's own network, and kept from nothing",
            "There is nothing to open. Use RUNTIME=docker to keep apps from what is on this machine.",
        )

    def change(session: Session, _: Any) -> None:
        before = reach.change(session, body.id, body.reach)
        request.state.diff = service.difference({"reach": before}, {"reach": body.reach})

    answer = await change_app(request, body.id, change, seen_by_ingress=False)
    if platform.firewall is not None:
        await platform.firewall.ensure()
        if platform.firewall.problem:
            sentence = "the change is saved, but the rules for it could not be set"
            raise Unavailable(sentence, "The check-up says what is missing.", quoted=platform.firewall.problem)
    return answer


@router.post("/api/apps/rename")
async def apps_rename(request: Request, body: schemas.RenameBody) -> schemas.AppAnswer:
    """Give the app another name, and with it another default host."""

    def change(session: Session, _: Any) -> None:
        service.rename(session, body.id, body.name)

    return await change_app(request, body.id, change)


@router.post("/api/apps/redeploy")
async def apps_redeploy(request: Request, body: schemas.RedeployBody) -> schemas.DeployAnswer:
    """Build the newest commit and bring it live. A deployment that waits is replaced by this one."""
    return await _deploy(request, body.id, lambda session, app: {"no_cache": body.no_cache})


@router.post("/api/apps/rollback")
async def apps_rollback(request: Request, body: schemas.RollbackBody) -> schemas.RollbackAnswer:
    """Bring an earlier release back, with its image, variables and limits. Nothing is rebuilt.

    Without `deploymentId` that is the version before the one that serves; refused (409 `newest_never_served`) if the
    newest deployment never went live, since then "back" has two meanings.
    """

    def options(session: Session, app: App) -> dict[str, Any]:
        earlier = deployments.for_rollback(session, app, body.deployment_id)
        return {"rollback_of": earlier}

    answer = await _deploy(request, body.id, options)
    queued = await platform_of(request).database.read(lambda session: deployments.get(session, answer.deployment_id))
    return schemas.RollbackAnswer(
        **answer.model_dump(), from_deployment=answer.active_deploy_id, to_deployment=queued.rollback_of or ""
    )


@router.post("/api/apps/cancel")
async def apps_cancel(request: Request, body: schemas.CancelBody) -> schemas.StatusAnswer:
    """Cancel the app's deployment, whatever step it is in. The release that serves goes on."""
    platform = platform_of(request)

    def find(session: Session) -> str:
        service.get(session, body.id)
        if body.deployment_id:
            if deployments.get(session, body.deployment_id).app_id != body.id:
                raise Invalid("this deployment is of another app")
            return body.deployment_id
        active = deployments.active(session, body.id)
        if active is None:
            raise Invalid("no deployment of this app is on its way")
        return active.id

    deployment_id = await platform.database.read(find)
    await platform.operations.cancel(deployment_id)
    platform.publish("deployment", deployment_id)
    return schemas.StatusAnswer(status="cancelled")


@router.get("/api/apps/runtime-logs")
async def apps_runtime_logs(
    request: Request, id: AppIdQuery, lines: Annotated[int, Query(ge=1, le=5000)] = 500
) -> schemas.LogsAnswer:
    """The newest lines that the running app wrote, oldest first."""
    platform = platform_of(request)
    source = await _runtime_lines(platform, id, lines, follow=False)
    return schemas.LogsAnswer(logs=[f"{entry['timestamp']} {entry['message']}" async for entry in source])


@router.get("/api/apps/runtime-logs/stream", response_class=StreamingResponse)
async def apps_runtime_logs_stream(
    request: Request, id: AppIdQuery, lines: Annotated[int, Query(ge=0, le=5000)] = _LIVE_TAIL
) -> Response:
    """The app's output by server-sent events, as it comes."""
    source = await _runtime_lines(platform_of(request), id, lines, follow=True)

    async def stream() -> AsyncIterator[bytes]:
        yield sse.event([])
        async for entry in source:
            yield sse.event([entry])

    return event_stream(request, stream())


@router.websocket("/ws/runtime-logs")
async def ws_runtime_logs(websocket: WebSocket) -> None:
    """The app's output, line by line: the newest 200, then what comes."""
    try:
        app_id = websocket.query_params.get("appId", "")
        source = await _runtime_lines(platform_of(websocket), app_id, _LIVE_TAIL, follow=True)
    except PaasError as error:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await websocket.close(4404, error.error[:100])
        return

    async def send() -> None:
        async for entry in source:
            await websocket.send_json(entry)
        await websocket.close(1000)

    await until_gone(websocket, send())


@router.get("/api/apps/metrics")
async def apps_metrics(request: Request, id: AppIdQuery) -> schemas.MetricsAnswer:
    """What the running app takes of CPU and memory, measured now, which takes about a second."""
    platform = platform_of(request)
    release = await platform.database.read(lambda session: deployments.live_release(session, service.get(session, id)))
    if release is None:
        raise Invalid("the app has no release yet, so it takes nothing", "Deploy it first.", code="no_release")
    found = await platform.runtime.usage(release.deployment_id)
    return schemas.MetricsAnswer(
        cpu=found.cpu,
        memory=found.memory,
        memory_limit=found.memory_limit,
        processes=found.processes,
        measured_at=iso(now()) or "",
    )


@router.post("/api/git/branches")
async def git_branches(request: Request, body: schemas.BranchesBody) -> list[str]:
    """Branches of a repository that can be deployed, the default one first, at most 1000."""
    if body.git_repo.startswith("sample:"):
        return []
    try:
        async with _looking(request) as limits:
            return await branches(parse_address(body.git_repo), body.git_token, limits)
    except FetchFailed as error:
        raise Invalid(str(error), error.hint, code="source_unavailable", quoted=error.quoted) from error
    except SourceRefused as error:
        raise Invalid(str(error), "Give a Git address.", code="source_unavailable") from error


async def _runtime_lines(platform: Platform, app_id: str, tail: int, follow: bool) -> AsyncIterator[dict[str, str]]:
    """Lines of the live release without the app's secret values. Errors: NotFound, Invalid."""

    def unit(session: Session) -> tuple[Release | None, list[str]]:
        app = service.get(session, app_id)
        release = deployments.live_release(session, app)
        return release, secrets.secret_values(session, app, release)

    release, values = await platform.database.read(unit)
    if release is None:
        return await _words_of_failed(platform, app_id, tail)
    redactor, deployment_id = Redactor(values), release.deployment_id

    def entry(line: LogLine, text: str) -> dict[str, str]:
        made = {"message": text, "timestamp": line.timestamp}
        return {**made, "process": line.process} if line.process else made

    async def lines() -> AsyncIterator[dict[str, str]]:
        written = platform.runtime.logs(deployment_id, tail=tail, follow=follow)
        if follow:
            async for line in written:
                yield entry(line, redactor.text(line.text))
            return
        found = [line async for line in written]
        for line, text in zip(found, redactor.lines([line.text for line in found]), strict=True):
            yield entry(line, text)

    return lines()


async def _words_of_failed(platform: Platform, app_id: str, tail: int) -> AsyncIterator[dict[str, str]]:
    """What an app wrote that never came up, from its newest deployment's log. Errors: Invalid without one."""

    def newest(session: Session) -> Deployment | None:
        return next(iter(deployments.history(session, app_id, None, 1, None)), None)

    found = await platform.database.read(newest)
    if found is None:
        raise Invalid("the app has no release yet, so it has no output", "Deploy it first.", code="no_release")
    lines = await asyncio.to_thread(platform.log_store.read, app_id, found.id, 0, _LOG_BYTES)
    written = [entry for entry in lines.entries if entry.get("level") == APP_OUTPUT][-tail:] if tail else []

    async def entries() -> AsyncIterator[dict[str, str]]:
        for entry in written:
            yield {"message": entry["message"].partition("│ ")[2], "timestamp": entry["timestamp"]}

    return entries()


def _queue(
    platform: Platform, session: Session, app: App, request: Request, trigger: str, **options: Any
) -> Deployment:
    caller = caller_of(request)
    deployment = deployments.create(
        session,
        app,
        trigger=trigger,
        actor=f"{caller.kind}:{caller.id}",
        request_id=request.state.request_id,
        **options,
    )
    idempotency.remember(session, request, app.id, deployment.id)
    platform.queued(session, deployment)
    return deployment


async def _deploy(request: Request, app_id: str, options: Any) -> schemas.DeployAnswer:
    platform = platform_of(request)
    if (before := await idempotency.answered(request)) is not None:
        return await deploy_answer(request, *before)

    def unit(session: Session) -> str:
        app = service.get(session, app_id)
        chosen = options(session, app)
        trigger = "rollback" if "rollback_of" in chosen else "manual"
        return _queue(platform, session, app, request, trigger, **chosen).id

    return await deploy_answer(request, app_id, await platform.database.write(unit))
