"""Tools that read."""

from typing import Any

from better_paas.mcp.backend import Backend, CallFailed
from better_paas.mcp.lookup import app_named, brief, deployment
from better_paas.mcp.untrusted import framed

Arguments = dict[str, Any]
Result = dict[str, Any]
_DIAGNOSED_LINES = 60


async def status(backend: Backend, arguments: Arguments) -> Result:
    own, apps = await _self(backend), await backend.get("/api/apps")
    return {
        "url": backend.url,
        "agent": own.get("name", "admin"),
        "profile": own.get("profile", "admin"),
        "apps": [{name: app[name] for name in ("name", "status", "url")} for app in apps],
    }


async def _self(backend: Backend) -> dict[str, Any]:
    if not backend.caller.is_agent:
        return {}
    found: dict[str, Any] = await backend.get("/api/agents/self")
    return found


async def list_apps(backend: Backend, arguments: Arguments) -> Result:
    return {"apps": [brief(app) for app in await backend.get("/api/apps")]}


async def list_projects(backend: Backend, arguments: Arguments) -> Result:
    return {"projects": await backend.get("/api/projects")}


async def get_app(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    return {"app": {name: value for name, value in app.items() if value not in (None, "", [], {})}}


async def get_logs(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    lines = arguments.get("lines", 100)
    found = await backend.get("/api/apps/runtime-logs", id=app["id"], lines=lines)
    return {"app": app["name"], "lines": len(found["logs"]), **framed(found["logs"])}


async def get_build_logs(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    wanted = arguments.get("deployment") or (app["latestDeployment"] or {}).get("id")
    if not wanted:
        raise CallFailed(404, {"error": "this app has no deployment yet", "code": "not_found", "hint": "Deploy it."})
    found = await backend.get("/api/deployments/get", id=wanted)
    return {"deployment": deployment(found), **framed(await log_of(backend, wanted))}


async def log_of(backend: Backend, deployment_id: str) -> list[str]:
    """The whole log of a deployment."""
    lines: list[str] = []
    offset = 0
    while True:
        page = await backend.get("/api/deployments/logs", id=deployment_id, offset=offset)
        if not page["logs"]:
            return lines
        lines += [line["message"] for line in page["logs"]]
        offset = page["next"]


async def get_metrics(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"])
    return {"app": app["name"], **await backend.get("/api/apps/metrics", id=app["id"])}


async def list_deployments(backend: Backend, arguments: Arguments) -> Result:
    app = await app_named(backend, arguments["app"]) if arguments.get("app") else None
    found = await backend.get(
        "/api/deployments/history", appId=app["id"] if app else None, limit=arguments.get("limit", 10)
    )
    return {"deployments": [deployment(entry) for entry in found]}


async def diagnose(backend: Backend, arguments: Arguments) -> Result:
    """State, last error, what changed since it worked, and the ends of both logs."""
    app = await app_named(backend, arguments["app"])
    history = await backend.get("/api/deployments/history", appId=app["id"], limit=20)
    latest = history[0] if history else None
    good = next((entry for entry in history if entry["status"] == "success"), None)
    result: Result = {"app": brief(app), "latest": latest and deployment(latest)}
    if latest is not None and good is not None and good is not latest:
        result["lastGood"] = deployment(good)
        result["changed"] = _changes(good, latest)
    lines = []
    if latest is not None and latest["status"] != "success":
        lines += ["[deployment]", *(await log_of(backend, latest["id"]))[-_DIAGNOSED_LINES:]]
    try:
        running = await backend.get("/api/apps/runtime-logs", id=app["id"], lines=_DIAGNOSED_LINES)
        lines += ["[app]", *running["logs"]]
    except CallFailed as error:
        lines += [f"[app] {error}"]
    return {**result, **framed(lines)}


def _changes(good: dict[str, Any], latest: dict[str, Any]) -> list[str]:
    """What is different from the deployment that worked, in words."""
    changes = []
    if good["commit"] != latest["commit"]:
        changes.append(f"commit {good['commit'][:12] or 'none'} → {latest['commit'][:12] or 'none'}")
    before, after = good["plan"] or {}, latest["plan"] or {}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name) and name != "notes":
            changes.append(f"{name}: {before.get(name)!r} → {after.get(name)!r}")
    return changes or ["nothing that the platform knows of: look at the logs, at variables and at what it depends on"]


async def whoami(backend: Backend, arguments: Arguments) -> Result:
    if not backend.caller.is_agent:
        can = ["Everything: this is the admin token. Agents should have one of their own."]
        return {"name": "admin", "can": can, "approvals": backend.approvals}
    found: Result = await backend.get("/api/agents/self")
    return {**found, "approvals": backend.approvals}


async def list_my_actions(backend: Backend, arguments: Arguments) -> Result:
    found = await backend.get("/api/agents/self/actions", limit=arguments.get("limit", 20))
    names = ("createdAt", "action", "resourceName", "resourceId", "outcome", "error", "source")
    return {"actions": [{name: entry[name] for name in names if entry.get(name)} for entry in found]}
