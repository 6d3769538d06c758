"""THE table of actions: who may call what, what is audited, and what may be logged of it.

HTTP guards, the OpenAPI security section, the scope reference in the docs and the authorisation tests come
from here. A route without a row stops the start-up.
"""

from dataclasses import dataclass
from typing import Literal

Risk = Literal["read", "sensitive", "write", "destructive", "host"]

SCOPES: dict[str, str] = {
    "apps:read": "See apps, projects, deployments and their plans",
    "apps:write": "Change, stop, start and roll back apps",
    "apps:delete": "Delete apps and projects",
    "deploy:trigger": "Start deployments of new apps",
    "logs:read": "Read build and runtime logs",
}


@dataclass(frozen=True)
class Action:
    """One row. scopes: all of them are needed, or one of them if `any_scope`. admin: only a person who is admin.

    public: no token. resource_field: the body or query field that names the resource.
    logged: body fields whose values may stand in the audit log.
    """

    name: str
    method: str
    path: str
    risk: Risk
    resource: str = ""
    scopes: tuple[str, ...] = ()
    any_scope: bool = False
    admin: bool = False
    public: bool = False
    resource_field: str = "id"
    logged: tuple[str, ...] = ()

    @property
    def mutates(self) -> bool:
        return self.risk in ("write", "destructive", "host")

    def allows(self, scopes: frozenset[str]) -> bool:
        """Whether a holder of `scopes` may do this. The admin is asked elsewhere and may do all."""
        if self.admin or not self.scopes:
            return False
        wanted = set(self.scopes)
        return bool(wanted & scopes) if self.any_scope else wanted <= scopes

    @property
    def missing_text(self) -> str:
        return "Forbidden: admin token required" if self.admin else f"Forbidden: missing scope {self.scopes[0]}"


_DEPLOY_FIELDS = (
    "name",
    "gitRepo",
    "branch",
    "rootDir",
    "buildMethod",
    "dockerfilePath",
    "installCommand",
    "buildCommand",
    "startCommand",
    "portOverride",
    "healthPath",
    "memory",
    "cpus",
    "volumes",
    "domains",
    "autoDeploy",
    "secretKeys",
    "projectId",
)
_APP_READ = ("apps:read",)
_APP_WRITE = ("apps:write",)
_LOGS = ("logs:read", "apps:read")

ACTIONS: tuple[Action, ...] = (
    # Without a token
    Action("health:read", "GET", "/api/health", "read", public=True),
    Action("manifest:read", "GET", "/.well-known/better-paas.json", "read", public=True),
    Action("openapi:read", "GET", "/api/openapi.json", "read", public=True),
    Action("docs:read", "GET", "/api/docs", "read", public=True),
    Action("docs:script", "GET", "/api/docs/page.js", "read", public=True),
    Action("auth:verify", "POST", "/api/auth/verify", "read", public=True),
    # Any valid token
    Action("auth:ws_ticket", "POST", "/api/auth/ws-ticket", "read", "session", scopes=_LOGS, any_scope=True),
    Action("event:stream", "GET", "/api/events", "read", "app", scopes=_APP_READ),
    Action("server:info", "GET", "/api/server/info", "read", "server", scopes=_APP_READ),
    # Apps
    Action("app:list", "GET", "/api/apps", "read", "app", scopes=_APP_READ),
    Action("app:get", "GET", "/api/apps/get", "read", "app", scopes=_APP_READ),
    Action(
        "app:deploy",
        "POST",
        "/api/deploy",
        "write",
        "app",
        scopes=("deploy:trigger", "apps:write"),
        resource_field="name",
        logged=_DEPLOY_FIELDS,
    ),
    Action("app:plan", "POST", "/api/deploy/plan", "sensitive", "app", scopes=_APP_READ, resource_field="gitRepo"),
    Action("app:stop", "POST", "/api/apps/stop", "write", "app", scopes=_APP_WRITE),
    Action("app:start", "POST", "/api/apps/start", "write", "app", scopes=_APP_WRITE),
    Action("app:delete", "POST", "/api/apps/delete", "destructive", "app", scopes=("apps:delete",)),
    Action("app:update", "POST", "/api/apps/update", "write", "app", scopes=_APP_WRITE, logged=_DEPLOY_FIELDS),
    Action("app:rename", "POST", "/api/apps/rename", "write", "app", scopes=_APP_WRITE, logged=("name",)),
    Action("app:redeploy", "POST", "/api/apps/redeploy", "write", "app", scopes=_APP_WRITE, logged=("noCache",)),
    Action("app:rollback", "POST", "/api/apps/rollback", "write", "app", scopes=_APP_WRITE, logged=("deploymentId",)),
    Action("app:cancel", "POST", "/api/apps/cancel", "write", "app", scopes=_APP_WRITE, logged=("deploymentId",)),
    Action("app:domain", "POST", "/api/apps/domains/add", "write", "app", scopes=_APP_WRITE, logged=("domain",)),
    Action(
        "app:domain", "POST", "/api/apps/domains/remove", "destructive", "app", scopes=_APP_WRITE, logged=("domain",)
    ),
    Action("app:runtime_logs", "GET", "/api/apps/runtime-logs", "sensitive", "app", scopes=_LOGS, any_scope=True),
    Action(
        "app:runtime_logs", "GET", "/api/apps/runtime-logs/stream", "sensitive", "app", scopes=_LOGS, any_scope=True
    ),
    Action(
        "app:runtime_logs",
        "WS",
        "/ws/runtime-logs",
        "sensitive",
        "app",
        scopes=_LOGS,
        any_scope=True,
        resource_field="appId",
    ),
    # Deployments
    Action(
        "deployment:list", "GET", "/api/deployments/history", "read", "app", scopes=_APP_READ, resource_field="appId"
    ),
    Action("deployment:get", "GET", "/api/deployments/get", "read", "deployment", scopes=_APP_READ),
    Action("deployment:logs", "GET", "/api/deployments/logs", "sensitive", "deployment", scopes=_LOGS, any_scope=True),
    Action(
        "deployment:logs",
        "GET",
        "/api/deployments/logs/stream",
        "sensitive",
        "deployment",
        scopes=_LOGS,
        any_scope=True,
    ),
    Action(
        "deployment:logs", "WS", "/ws/logs", "sensitive", "app", scopes=_LOGS, any_scope=True, resource_field="appId"
    ),
    # Projects
    Action("project:list", "GET", "/api/projects", "read", "project", scopes=_APP_READ),
    Action("project:get", "GET", "/api/projects/get", "read", "project", scopes=_APP_READ),
    Action(
        "project:create",
        "POST",
        "/api/projects/create",
        "write",
        "project",
        scopes=_APP_WRITE,
        resource_field="name",
        logged=("name", "description"),
    ),
    Action("project:rename", "POST", "/api/projects/rename", "write", "project", scopes=_APP_WRITE, logged=("name",)),
    Action("project:delete", "POST", "/api/projects/delete", "destructive", "project", scopes=("apps:delete",)),
    # Git
    Action("git:branches", "POST", "/api/git/branches", "sensitive", "app", scopes=_APP_READ, resource_field="gitRepo"),
    # Keys
    Action("key:list", "GET", "/api/keys", "read", "key", admin=True),
    Action("key:rotate", "POST", "/api/keys/rotate", "write", "key", admin=True),
    Action("key:verify", "POST", "/api/keys/verify", "sensitive", "key", admin=True),
    # Audit
    Action("audit:list", "GET", "/api/audit-logs", "sensitive", "audit", admin=True),
)

_BY_ROUTE = {(action.method, action.path): action for action in ACTIONS}


def action_for(method: str, path: str) -> Action:
    """The row of a route. Errors: LookupError, which stops the start-up."""
    try:
        return _BY_ROUTE[(method, path)]
    except KeyError:
        raise LookupError(f"{method} {path} has no row in policy.py") from None
