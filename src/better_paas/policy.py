"""THE table of actions: who may call what, what is audited, and what may be logged of it.

HTTP guards, the OpenAPI security section, the scope reference in the docs and the authorisation tests come
from here. A route without a row stops the start-up.
"""

from dataclasses import dataclass
from typing import Any, Literal

Risk = Literal["read", "sensitive", "write", "destructive", "host"]

# What each scope lets its holder do, in plain words; the dashboard and the docs show these.
SCOPES: dict[str, str] = {
    "apps:read": "See apps, projects, deployments and their plans, and read runtime logs",
    "apps:write": "Change, deploy, stop, start and roll back apps, and set variables without reading secret ones",
    "apps:delete": "Delete apps and projects",
    "addons:manage": "Create, attach and delete databases and caches",
    "servers:manage": "Add and remove servers",
    "deploy:trigger": "Start deployments of new apps from Git",
    "logs:read": "Read build and runtime logs",
    "metrics:read": "Read CPU, memory and disk figures",
    "system:manage": "Clean up and update the system",
    "cron:manage": "Create, change, run and delete scheduled jobs",
    "backups:manage": "Create, restore and delete backups",
    "notifications:manage": "Change where notifications go",
    "agent:admin": "Create, rotate and delete agent tokens that may do no more than its holder",
}

_OBSERVER = ("apps:read", "logs:read", "metrics:read")
_DEPLOYER = (*_OBSERVER, "apps:write", "deploy:trigger")
# Named sets of scopes. They are expanded when a token is made: a later change of a profile widens no token.
PROFILES: dict[str, tuple[str, ...]] = {
    "observer": _OBSERVER,
    "deployer": _DEPLOYER,
    "operator": (
        *_DEPLOYER,
        "addons:manage",
        "cron:manage",
        "backups:manage",
        "servers:manage",
        "notifications:manage",
    ),
}


@dataclass(frozen=True)
class Action:
    """One row. scopes: all of them are needed, or one of them if `any_scope`. admin: only a person who is admin.

    public: no token. any_token: every valid token, whatever its scopes. resource_field: the body or query field that
    names the resource. targets: (kind, field) of everything that the call names; a token that is limited to some
    projects or apps must see all of it. lists: the endpoint shows only what its caller sees.
    idempotent: doing it twice is the same as once.
    deploys: counts against a token's deployments an hour. approval: a person is always asked if an agent does this.
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
    any_token: bool = False
    resource_field: str = "id"
    targets: tuple[tuple[str, str], ...] = ()
    lists: bool = False
    deploys: bool = False
    approval: bool = False
    idempotent: bool = False
    logged: tuple[str, ...] = ()

    @property
    def mutates(self) -> bool:
        return self.risk in ("write", "destructive", "host")

    def allows(self, scopes: frozenset[str]) -> bool:
        """Whether a holder of `scopes` may do this. The admin is asked elsewhere and may do all."""
        if self.any_token:
            return True
        if self.admin or not self.scopes:
            return False
        wanted = set(self.scopes)
        return bool(wanted & scopes) if self.any_scope else wanted <= scopes

    @property
    def missing_text(self) -> str:
        if self.admin or "agent:admin" in self.scopes:
            return "Forbidden: admin token required"
        return f"Forbidden: missing scope {self.scopes[0]}"

    @property
    def missing_hint(self) -> str:
        if self.admin or "agent:admin" in self.scopes:
            return "A person does this, in the dashboard or with the admin token."
        profiles = [name for name, scopes in PROFILES.items() if self.allows(frozenset(scopes))]
        wider = f"The profile {profiles[0]} has it. " if profiles else "No profile has it. "
        return f"{wider}A person makes a token with it in the dashboard under Agents."


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
    "kind",
    "processes",
    "releaseCommand",
    "buildArgs",
    "aptPackages",
    "runAptPackages",
    "outputDir",
    "staticSite",
    "singlePage",
    "runtimeVersion",
    "buildSecrets",
    "submodules",
    "watchMinutes",
    "healthPath",
    "healthStatus",
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
_AGENTS = ("agent:admin",)
_APP = (("app", "id"),)
_APP_AND_DEPLOYMENT = (("app", "id"), ("deployment", "deploymentId"))
_DEPLOYMENT = (("deployment", "id"),)
_PROJECT = (("project", "id"),)
_SOCKET = (("app", "appId"), ("deployment", "deploymentId"))
_AGENT_FIELDS = (
    "name",
    "note",
    "profile",
    "scopes",
    "allResources",
    "projects",
    "apps",
    "expiresInDays",
    "neverExpires",
    "addresses",
    "ratePerMinute",
    "deploysPerHour",
    "requireApproval",
    "graceSeconds",
)


def _row(name: str, route: str, risk: Risk, resource: str = "", **options: Any) -> Action:
    method, _, path = route.partition(" ")
    return Action(name, method, path, risk, resource, **options)


ACTIONS: tuple[Action, ...] = (
    # Without a token
    _row("health:read", "GET /api/health", "read", public=True),
    _row("manifest:read", "GET /.well-known/better-paas.json", "read", public=True),
    _row("openapi:read", "GET /api/openapi.json", "read", public=True),
    _row("install:script", "GET /install/paas", "read", public=True),
    _row("install:wheel", "GET /install/{file}", "read", public=True),
    _row("llms:read", "GET /llms.txt", "read", public=True),
    _row("metrics:scrape", "GET /metrics", "read", "server", scopes=("metrics:read",), lists=True),
    _row("system:doctor", "GET /api/system/doctor", "read", "server", admin=True),
    _row("docs:read", "GET /api/docs", "read", public=True),
    _row("docs:script", "GET /api/docs/page.js", "read", public=True),
    _row("auth:verify", "POST /api/auth/verify", "read", public=True),
    _row("agent:report", "POST /api/token-report", "read", "agent", public=True),
    # Any valid token
    _row("auth:ws_ticket", "POST /api/auth/ws-ticket", "read", "session", scopes=_LOGS, any_scope=True, lists=True),
    _row("event:stream", "GET /api/events", "read", "app", scopes=_APP_READ, lists=True),
    _row("server:info", "GET /api/server/info", "read", "server", scopes=_APP_READ, lists=True),
    # Apps
    _row("app:list", "GET /api/apps", "read", "app", scopes=_APP_READ, lists=True),
    _row("app:get", "GET /api/apps/get", "read", "app", scopes=_APP_READ, targets=_APP),
    _row(
        "app:deploy",
        "POST /api/deploy",
        "write",
        "app",
        scopes=("deploy:trigger", "apps:write"),
        resource_field="name",
        targets=(("project", "projectId"),),
        deploys=True,
        logged=_DEPLOY_FIELDS,
    ),
    _row(
        "app:deploy",
        "POST /api/deploy/upload",
        "write",
        "app",
        scopes=("deploy:trigger", "apps:write"),
        resource_field="name",
        targets=(("project", "projectId"), ("app", "id")),
        deploys=True,
        logged=("id", *_DEPLOY_FIELDS, "archive"),
    ),
    _row(
        "app:plan",
        "POST /api/deploy/plan",
        "sensitive",
        "app",
        scopes=_APP_READ,
        resource_field="gitRepo",
        lists=True,
    ),
    _row("app:stop", "POST /api/apps/stop", "write", "app", scopes=_APP_WRITE, idempotent=True, targets=_APP),
    _row("app:start", "POST /api/apps/start", "write", "app", scopes=_APP_WRITE, idempotent=True, targets=_APP),
    _row(
        "app:delete",
        "POST /api/apps/delete",
        "destructive",
        "app",
        scopes=("apps:delete",),
        idempotent=True,
        targets=_APP,
    ),
    _row("app:trash", "GET /api/apps/trash", "read", "app", scopes=_APP_READ, lists=True),
    _row("app:restore", "POST /api/apps/restore", "write", "app", scopes=_APP_WRITE, idempotent=True, targets=_APP),
    _row("app:purge", "POST /api/apps/purge", "destructive", "app", admin=True, logged=("name", "volumes")),
    _row("volume:list", "GET /api/volumes", "read", "volume", scopes=_APP_READ, lists=True),
    _row(
        "volume:delete",
        "POST /api/volumes/delete",
        "destructive",
        "volume",
        admin=True,
        resource_field="name",
        logged=("projectId", "name"),
    ),
    _row(
        "app:update",
        "POST /api/apps/update",
        "write",
        "app",
        scopes=_APP_WRITE,
        idempotent=True,
        targets=_APP,
        logged=_DEPLOY_FIELDS,
    ),
    _row(
        "app:env",
        "POST /api/apps/env",
        "write",
        "app",
        scopes=_APP_WRITE,
        idempotent=True,
        targets=_APP,
        logged=("unset", "secret", "plain"),
    ),
    _row(
        "app:rename",
        "POST /api/apps/rename",
        "write",
        "app",
        scopes=_APP_WRITE,
        idempotent=True,
        targets=_APP,
        logged=("name",),
    ),
    _row("app:reach", "POST /api/apps/reach", "host", "app", admin=True, idempotent=True, logged=("reach",)),
    _row(
        "app:redeploy",
        "POST /api/apps/redeploy",
        "write",
        "app",
        scopes=_APP_WRITE,
        targets=_APP,
        deploys=True,
        logged=("noCache",),
    ),
    _row(
        "app:rollback",
        "POST /api/apps/rollback",
        "write",
        "app",
        scopes=_APP_WRITE,
        targets=_APP_AND_DEPLOYMENT,
        deploys=True,
        logged=("deploymentId",),
    ),
    _row(
        "app:cancel",
        "POST /api/apps/cancel",
        "write",
        "app",
        scopes=_APP_WRITE,
        targets=_APP_AND_DEPLOYMENT,
        logged=("deploymentId",),
    ),
    _row(
        "app:domain_add",
        "POST /api/apps/domains/add",
        "write",
        "app",
        scopes=_APP_WRITE,
        idempotent=True,
        targets=_APP,
        logged=("domain",),
    ),
    _row("app:domains", "GET /api/apps/domains", "read", "app", scopes=_APP_READ, targets=_APP),
    _row(
        "app:domain_update",
        "POST /api/apps/domains/update",
        "write",
        "app",
        scopes=_APP_WRITE,
        idempotent=True,
        targets=_APP,
        logged=("domain", "redirectTo", "stripPath"),
    ),
    _row("app:routing", "GET /api/apps/routing", "read", "app", scopes=_APP_READ, targets=_APP),
    _row(
        "app:routing_update",
        "POST /api/apps/routing",
        "write",
        "app",
        scopes=_APP_WRITE,
        idempotent=True,
        targets=_APP,
        logged=("forceHttps", "removeHeaders", "maxBodyMb", "timeoutSeconds"),
    ),
    _row(
        "app:domain_remove",
        "POST /api/apps/domains/remove",
        "destructive",
        "app",
        scopes=_APP_WRITE,
        idempotent=True,
        targets=_APP,
        logged=("domain",),
    ),
    _row(
        "app:runtime_logs",
        "GET /api/apps/runtime-logs",
        "sensitive",
        "app",
        scopes=_LOGS,
        any_scope=True,
        targets=_APP,
        logged=("lines",),
    ),
    _row(
        "app:runtime_logs",
        "GET /api/apps/runtime-logs/stream",
        "sensitive",
        "app",
        scopes=_LOGS,
        any_scope=True,
        targets=_APP,
    ),
    _row(
        "app:runtime_logs",
        "WS /ws/runtime-logs",
        "sensitive",
        "app",
        scopes=_LOGS,
        any_scope=True,
        resource_field="appId",
        targets=_SOCKET,
    ),
    _row(
        "app:metrics",
        "GET /api/apps/metrics",
        "read",
        "app",
        scopes=("metrics:read", "apps:read"),
        any_scope=True,
        targets=_APP,
    ),
    # Deployments
    _row(
        "deployment:list",
        "GET /api/deployments/history",
        "read",
        "app",
        scopes=_APP_READ,
        resource_field="appId",
        targets=(("app", "appId"), ("deployment", "cursor")),
        lists=True,
    ),
    _row("deployment:get", "GET /api/deployments/get", "read", "deployment", scopes=_APP_READ, targets=_DEPLOYMENT),
    _row(
        "deployment:compare",
        "GET /api/deployments/compare",
        "read",
        "deployment",
        scopes=_APP_READ,
        targets=(("deployment", "id"), ("deployment", "withId")),
    ),
    _row(
        "deployment:logs",
        "GET /api/deployments/logs",
        "sensitive",
        "deployment",
        scopes=_LOGS,
        any_scope=True,
        targets=_DEPLOYMENT,
    ),
    _row(
        "deployment:logs",
        "GET /api/deployments/logs/stream",
        "sensitive",
        "deployment",
        scopes=_LOGS,
        any_scope=True,
        targets=_DEPLOYMENT,
    ),
    _row(
        "deployment:logs",
        "WS /ws/logs",
        "sensitive",
        "app",
        scopes=_LOGS,
        any_scope=True,
        resource_field="appId",
        targets=_SOCKET,
    ),
    # Projects
    _row("project:list", "GET /api/projects", "read", "project", scopes=_APP_READ, lists=True),
    _row("project:get", "GET /api/projects/get", "read", "project", scopes=_APP_READ, lists=True),
    _row(
        "project:create",
        "POST /api/projects/create",
        "write",
        "project",
        scopes=_APP_WRITE,
        resource_field="name",
        logged=("name", "description"),
    ),
    _row(
        "project:rename",
        "POST /api/projects/rename",
        "write",
        "project",
        scopes=_APP_WRITE,
        targets=_PROJECT,
        logged=("name",),
    ),
    _row(
        "project:delete",
        "POST /api/projects/delete",
        "destructive",
        "project",
        scopes=("apps:delete",),
        targets=_PROJECT,
        approval=True,
    ),
    # Git
    _row(
        "git:branches",
        "POST /api/git/branches",
        "sensitive",
        "app",
        scopes=_APP_READ,
        resource_field="gitRepo",
        lists=True,
    ),
    # Agent tokens
    _row("agent:list", "GET /api/agents", "read", "agent", scopes=_AGENTS, lists=True),
    _row(
        "agent:create",
        "POST /api/agents/create",
        "write",
        "agent",
        scopes=_AGENTS,
        resource_field="name",
        lists=True,
        logged=_AGENT_FIELDS,
    ),
    _row("agent:update", "POST /api/agents/update", "write", "agent", scopes=_AGENTS, lists=True, logged=_AGENT_FIELDS),
    _row("agent:rotate", "POST /api/agents/rotate", "write", "agent", scopes=_AGENTS, lists=True, logged=_AGENT_FIELDS),
    _row("agent:delete", "POST /api/agents/delete", "destructive", "agent", scopes=_AGENTS, lists=True),
    _row("agent:scopes", "GET /api/agents/scopes", "read", "agent", any_token=True, lists=True),
    _row("agent:describe", "POST /api/agents/describe", "read", "agent", admin=True),
    _row("agent:self", "GET /api/agents/self", "read", "agent", any_token=True, lists=True),
    _row(
        "agent:child",
        "POST /api/agents/self/child",
        "write",
        "agent",
        any_token=True,
        resource_field="name",
        lists=True,
        logged=_AGENT_FIELDS,
    ),
    _row("agent:actions", "GET /api/agents/self/actions", "read", "audit", any_token=True, lists=True),
    _row("agent:revoke_self", "POST /api/agents/self/revoke", "write", "agent", any_token=True, lists=True),
    _row("agent:resume", "POST /api/agents/resume", "write", "agent", admin=True),
    _row("agent:freeze", "POST /api/agents/freeze", "write", "agent", admin=True, logged=("frozen",)),
    _row("agent:freeze_state", "GET /api/agents/freeze", "read", "agent", any_token=True, lists=True),
    # Connecting: a client asks, a person allows it, the client fetches its token
    _row("connect:look", "POST /api/connect/agent/look", "read", "agent", admin=True),
    _row(
        "connect:approve",
        "POST /api/connect/agent/approve",
        "write",
        "agent",
        admin=True,
        resource_field="name",
        logged=("redirectUri", *_AGENT_FIELDS),
    ),
    _row("connect:deny", "POST /api/connect/agent/deny", "write", "agent", admin=True, logged=("redirectUri",)),
    _row("connect:exchange", "POST /api/connect/agent/exchange", "write", "agent", public=True),
    _row("connect:device", "POST /api/connect/device", "write", "agent", public=True),
    _row("connect:device", "POST /api/connect/device/token", "write", "agent", public=True),
    _row("connect:device_look", "POST /api/connect/device/look", "read", "agent", admin=True),
    _row(
        "connect:device_approve",
        "POST /api/connect/device/approve",
        "write",
        "agent",
        admin=True,
        resource_field="name",
        logged=_AGENT_FIELDS,
    ),
    _row("connect:device_deny", "POST /api/connect/device/deny", "write", "agent", admin=True),
    _row("connect:identity", "POST /api/connect/identity", "write", "agent", public=True),
    _row("oauth:resource", "GET /.well-known/oauth-protected-resource", "read", public=True),
    _row("oauth:resource", "GET /.well-known/oauth-protected-resource/mcp", "read", public=True),
    _row("oauth:server", "GET /.well-known/oauth-authorization-server", "read", public=True),
    _row("oauth:register", "POST /oauth/register", "read", public=True),
    _row("oauth:authorize", "GET /oauth/authorize", "read", public=True),
    _row("oauth:token", "POST /oauth/token", "write", "agent", public=True),
    _row("oauth:revoke", "POST /oauth/revoke", "write", "agent", public=True),
    # Trust rules of CI
    _row("trust:list", "GET /api/trust", "read", "trust", admin=True),
    _row(
        "trust:create",
        "POST /api/trust/create",
        "write",
        "trust",
        admin=True,
        resource_field="name",
        logged=("issuer", "audience", "claims", *_AGENT_FIELDS),
    ),
    _row("trust:delete", "POST /api/trust/delete", "write", "trust", admin=True),
    # Approvals
    _row("approval:list", "GET /api/approvals", "read", "approval", admin=True),
    _row("approval:get", "GET /api/approvals/get", "read", "approval", any_token=True, lists=True),
    _row("approval:approve", "POST /api/approvals/approve", "write", "approval", admin=True),
    _row("approval:deny", "POST /api/approvals/deny", "write", "approval", admin=True),
    # Security
    _row("security:read", "GET /api/security", "read", "server", admin=True),
    # Cloudflare
    _row("cloudflare:status", "GET /api/cloudflare/status", "read", "server", scopes=("servers:manage",), lists=True),
    _row("cloudflare:save", "POST /api/cloudflare/token/save", "write", "server", scopes=("servers:manage",)),
    _row("cloudflare:delete", "POST /api/cloudflare/token/delete", "write", "server", scopes=("servers:manage",)),
    _row("cloudflare:delete", "DELETE /api/cloudflare/token/delete", "write", "server", scopes=("servers:manage",)),
    _row(
        "cloudflare:dns",
        "POST /api/cloudflare/dns",
        "write",
        "server",
        scopes=("servers:manage",),
        resource_field="domain",
        logged=("domain",),
    ),
    # Keys
    _row("key:list", "GET /api/keys", "read", "key", admin=True),
    _row("key:rotate", "POST /api/keys/rotate", "write", "key", admin=True),
    _row("key:verify", "POST /api/keys/verify", "sensitive", "key", admin=True),
    # Audit
    _row("audit:list", "GET /api/audit-logs", "read", "audit", admin=True),
    _row("audit:checkpoint", "GET /api/audit-logs/checkpoint", "read", "audit", admin=True),
    _row("audit:verify", "POST /api/audit-logs/verify", "sensitive", "audit", admin=True),
    _row("audit:export", "GET /api/audit-logs/export", "sensitive", "audit", admin=True),
    _row("audit:prune", "POST /api/audit-logs/prune", "write", "audit", admin=True, logged=("before",)),
)

_BY_ROUTE = {(action.method, action.path): action for action in ACTIONS}


def action_for(method: str, path: str) -> Action:
    """The row of a route. Errors: LookupError, which stops the start-up."""
    try:
        return _BY_ROUTE[(method, path)]
    except KeyError:
        raise LookupError(f"{method} {path} has no row in policy.py") from None
