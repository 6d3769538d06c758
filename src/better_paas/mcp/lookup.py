"""Finding what a model names: apps by name or id."""

from typing import Any

from better_paas.mcp.backend import Backend, CallFailed


async def app_named(backend: Backend, named: str) -> dict[str, Any]:
    """Errors: CallFailed that says which apps there are."""
    apps: list[dict[str, Any]] = await backend.get("/api/apps")
    # By id first: an app that is called like another's id must not stand in for it.
    if found := next((app for key in ("id", "name") for app in apps if app[key] == named), None):
        return found
    names = ", ".join(app["name"] for app in apps[:20])
    raise CallFailed(
        404, {"error": "App not found", "code": "not_found", "hint": f"Apps: {names}." if names else "There are none."}
    )


async def is_seen(backend: Backend, name: str) -> bool:
    """Whether there is an app of this name, as far as the token may see."""
    try:
        return any(app["name"] == name for app in await backend.get("/api/apps"))
    except CallFailed:
        return False


def brief(app: dict[str, Any]) -> dict[str, Any]:
    """What a list shows of an app."""
    return {name: app[name] for name in ("name", "id", "status", "statusDetail", "statusQuoted", "url", "projectId")}


def deployment(found: dict[str, Any]) -> dict[str, Any]:
    """What is told of a deployment."""
    names = (
        "id", "appName", "status", "trigger", "commit", "commitMsg", "error", "hint", "quoted", "createdAt", "duration",
    )  # fmt: skip
    return {name: found[name] for name in names if found.get(name) not in (None, "")}


async def project_named(backend: Backend, named: str) -> str:
    """The id of a project by its name or id. Errors: CallFailed."""
    for project in await backend.get("/api/projects"):
        if named in (project["name"], project["id"]):
            return str(project["id"])
    hint = "paas_list_projects lists them."
    raise CallFailed(404, {"error": "Project not found", "code": "not_found", "hint": hint})
