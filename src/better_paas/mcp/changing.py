"""Tools that change something."""

import asyncio
import contextlib
from typing import Any

from better_paas.mcp.backend import Backend, CallFailed
from better_paas.mcp.lookup import app_named, deployment, is_seen, project_named
from better_paas.mcp.reading import Arguments, Result, log_of
from better_paas.mcp.untrusted import framed

# Clients and proxies give up on a call after a minute.
LONGEST_WAIT = 50
_TAIL = 40
# A success is one when what went live has stayed up for a while; of that there is no event.
_SETTLING_PAUSE = 0.5


async def deploy(backend: Backend, arguments: Arguments) -> Result:
    fields = {name: value for name, value in arguments.items() if name not in ("env", "project", "key")}
    if arguments.get("env"):
        fields["envVars"] = arguments["env"]
    if arguments.get("project"):
        fields["projectId"] = await project_named(backend, arguments["project"])
    # With a key it may be the same call again, whose app is there already: the API tells.
    if not arguments.get("key") and await is_seen(backend, arguments["name"]):
        hint = "paas_redeploy builds its newest version. For another app choose another name."
        raise CallFailed(409, {"error": "An app has this name already", "code": "conflict", "hint": hint})
    return _started(await backend.post("/api/deploy", once=arguments.get("key", ""), **fields))


async def redeploy(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    return _started(await backend.post("/api/apps/redeploy", once=arguments.get("key", ""), id=app["id"]))


async def rollback(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    wanted = arguments.get("deployment", "")
    key = arguments.get("key", "")
    answer = await backend.post("/api/apps/rollback", once=key, id=app["id"], deploymentId=wanted)
    return {**_started(answer), "from": answer["from"], "to": answer["to"]}


def _started(answer: dict[str, Any]) -> Result:
    return {
        "app": answer["name"],
        "url": answer["url"],
        "deploymentId": answer["deploymentId"],
        "next": "paas_wait_deployment tells how it ends.",
    }


async def wait_deployment(backend: Backend, arguments: Arguments) -> Result:
    """Until it has ended or the time is over; then it can be called again."""
    wanted = arguments["deployment"]
    seconds = min(arguments.get("timeoutSeconds", LONGEST_WAIT), LONGEST_WAIT)
    with backend.platform.events.listen() as events, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                found = await backend.get("/api/deployments/get", id=wanted)
                if found["status"] not in ("queued", "building"):
                    break
                while (event := await events.get()).get("id") != wanted and event["topic"] != "reset":
                    pass
            while True:
                if (await backend.get("/api/deployments/get", id=wanted))["settled"]:
                    break
                await asyncio.sleep(_SETTLING_PAUSE)
    found = await backend.get("/api/deployments/get", id=wanted)
    finished = found["settled"]
    result: Result = {"finished": finished, "deployment": deployment(found)}
    if not finished:
        result["next"] = "It is still under way: call this again."
        result["step"] = next((step["name"] for step in reversed(found["steps"])), "queued")
    elif found["status"] == "success":
        app = await backend.get("/api/apps/get", id=found["appId"])
        result |= {"url": app["url"], "watchedUntil": found["watchedUntil"]}
    else:
        result |= framed((await log_of(backend, wanted))[-_TAIL:])
    return result


async def stop_app(backend: Backend, arguments: Arguments) -> Result:
    return await _act(backend, arguments, "/api/apps/stop", "paas_start_app")


async def start_app(backend: Backend, arguments: Arguments) -> Result:
    return await _act(backend, arguments, "/api/apps/start", "paas_stop_app")


async def delete_app(backend: Backend, arguments: Arguments) -> Result:
    return await _act(backend, arguments, "/api/apps/delete", "")


async def _act(backend: Backend, arguments: Arguments, path: str, undo: str) -> Result:
    app = await app_named(backend, arguments["app"])
    answer = await backend.post(path, id=app["id"])
    return {"app": app["name"], "status": answer["status"], **({"undo": undo} if undo else {})}


async def update_app(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    wanted = {name: value for name, value in arguments.items() if name != "app"}
    before = {name: app[name] for name in wanted}
    changed = await backend.post("/api/apps/update", id=app["id"], **wanted)
    return {
        "app": changed["name"],
        "before": before,
        "after": {name: changed[name] for name in wanted},
        "next": "It takes effect with paas_redeploy.",
    }


async def set_env(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    gone, wanted = arguments.get("unset", []), arguments.get("set", {})
    secret = list(wanted) if arguments.get("secret") else []
    changed = await backend.post("/api/apps/env", id=app["id"], set=wanted, unset=gone, secret=secret)
    return {
        "app": changed["name"],
        "variables": sorted(changed["envVars"]),
        "next": "It takes effect with paas_redeploy.",
    }


async def add_domain(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    changed = await backend.post("/api/apps/domains/add", id=app["id"], domain=arguments["domain"])
    server = await backend.get("/api/server/info")
    return {
        "app": changed["name"],
        "domains": changed["domains"],
        "next": f"Point its DNS record at {server['publicIp'] or 'this server'}; a certificate follows by itself.",
    }
