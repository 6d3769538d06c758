"""THE table of MCP tools: what a model reads of each, and which rows of the policy table it stands for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mcp_types as types
from jsonschema import Draft202012Validator

from better_paas import policy
from better_paas.access.caller import Caller
from better_paas.mcp import changing, reading
from better_paas.mcp.backend import Backend

Schema = dict[str, Any]
Handler = Callable[[Backend, dict[str, Any]], Awaitable[dict[str, Any]]]

_APP = {"type": "string", "maxLength": 60, "description": "name or id"}
_TEXT = {"type": "string", "maxLength": 4000}
_SHORT = {"type": "string", "maxLength": 600}
_VARIABLES = {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 500}
_LIST = {"type": "array"}
_NAMES = {"type": "array", "items": {"type": "string", "maxLength": 200}, "maxItems": 100}
_STRING = {"type": "string"}
_OBJECT = {"type": "object"}
_LOG = {"log": _STRING, "omitted": {"type": "integer"}, "notice": _STRING}


@dataclass(frozen=True)
class Tool:
    """actions: routes that it calls, what it is for first. needs: required arguments. gives: of its result."""

    name: str
    title: str
    description: str
    actions: tuple[str, ...]
    handler: Handler
    takes: dict[str, Schema]
    needs: tuple[str, ...]
    gives: dict[str, Schema]

    @cached_property
    def rows(self) -> tuple[policy.Action, ...]:
        return tuple(policy.action_for(*route.split(" ")) for route in self.actions)

    def allowed(self, caller: Caller) -> bool:
        return all(caller.may(row) for row in self.rows)

    @cached_property
    def input_schema(self) -> Schema:
        schema: Schema = {"type": "object", "properties": self.takes, "additionalProperties": False}
        if self.needs:
            schema["required"] = list(self.needs)
        if not self.takes:
            del schema["properties"]
        return schema

    @cached_property
    def validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.input_schema)

    @cached_property
    def annotations(self) -> types.ToolAnnotations:
        """Made from the policy table, so that they can't say anything else than what the guard does."""
        reads = not any(row.mutates for row in self.rows)
        return types.ToolAnnotations(
            read_only_hint=reads,
            destructive_hint=any(row.risk in ("destructive", "host") for row in self.rows),
            idempotent_hint=reads or all(row.idempotent for row in self.rows if row.mutates),
            open_world_hint=any(row.deploys for row in self.rows),
        )

    @cached_property
    def definition(self) -> types.Tool:
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema,
            # What needs a person's yes answers with that instead, so nothing is required.
            output_schema={"type": "object", "properties": self.gives},
            annotations=self.annotations,
        )


def _tool(
    name: str,
    title: str,
    description: str,
    actions: tuple[str, ...] | str,
    handler: Handler,
    takes: dict[str, Schema] | None = None,
    needs: tuple[str, ...] = (),
    gives: dict[str, Schema] | None = None,
) -> Tool:
    routes = (actions,) if isinstance(actions, str) else actions
    return Tool(f"paas_{name}", title, description, routes, handler, takes or {}, needs, gives or {})


_GET_APP, _HISTORY = "GET /api/apps", "GET /api/deployments/history"
_GET_DEPLOYMENT, _BUILD_LOG, _RUNTIME_LOG = (
    "GET /api/deployments/get",
    "GET /api/deployments/logs",
    "GET /api/apps/runtime-logs",
)
# What an app's owner may say of its build; what is left out is found out.
_BUILD: dict[str, Schema] = {
    "buildMethod": {"enum": ["auto", "dockerfile", "plan"], "description": "plan: in spite of a Dockerfile"},
    "runtimeVersion": {**_SHORT, "description": "of the language, such as 22 or 3.12"},
    "aptPackages": {**_NAMES, "description": "Debian packages to build with"},
    "runAptPackages": {**_NAMES, "description": "Debian packages to run with"},
    "outputDir": {**_SHORT, "description": "folder that the build makes, or that is served as it is"},
    "staticSite": {"type": ["boolean", "null"]},
    "singlePage": {"type": ["boolean", "null"]},
    "buildArgs": {**_VARIABLES, "description": "for an own Dockerfile; no secrets"},
    "buildSecrets": {**_NAMES, "description": "names of secret variables that the build may know"},
    "submodules": {"type": "boolean"},
}
_STARTED = {"app": _STRING, "url": _STRING, "deploymentId": _STRING, "next": _STRING}
_KEY = {
    "type": "string",
    "maxLength": 200,
    "pattern": "^[ -~]*$",
    "description": "Any text of yours: a call that is sent again with the same one is done once.",
}
_APP_ALONE = {"app": _APP}

TOOLS: tuple[Tool, ...] = (
    _tool(
        "status",
        "Status",
        "Which server this is, as whom, and the state of all apps.",
        _GET_APP,
        reading.status,
        gives={"url": _STRING, "agent": _STRING, "profile": _STRING, "apps": _LIST},
    ),
    _tool(
        "whoami",
        "Who am I",
        "What this token may do, where, until when, what is left, and what a person has to approve.",
        "GET /api/agents/scopes",
        reading.whoami,
        gives={"name": _STRING, "scopes": _LIST, "can": _LIST},
    ),
    _tool(
        "list_apps",
        "List apps",
        "All apps with their state and address.",
        _GET_APP,
        reading.list_apps,
        gives={"apps": _LIST},
    ),
    _tool(
        "list_projects",
        "List projects",
        "All projects; a project groups apps that reach each other by name.",
        "GET /api/projects",
        reading.list_projects,
        gives={"projects": _LIST},
    ),
    _tool(
        "get_app",
        "App details",
        "Settings, domains, live version and variable names of an app. Secret values are ***.",
        _GET_APP,
        reading.get_app,
        _APP_ALONE,
        ("app",),
        {"app": _OBJECT},
    ),
    _tool(
        "get_logs",
        "Runtime logs",
        "The newest lines that an app wrote.",
        (_RUNTIME_LOG, _GET_APP),
        reading.get_logs,
        {"app": _APP, "lines": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}},
        ("app",),
        {"app": _STRING, "lines": {"type": "integer"}, **_LOG},
    ),
    _tool(
        "get_build_logs",
        "Build logs",
        "The log of a deployment: the app's newest, or the one named.",
        (_BUILD_LOG, _GET_DEPLOYMENT, _GET_APP),
        reading.get_build_logs,
        {"app": _APP, "deployment": _SHORT},
        ("app",),
        {"deployment": _OBJECT, **_LOG},
    ),
    _tool(
        "get_metrics",
        "CPU and memory",
        "What an app takes now: CPU (1.0 is one core), memory and its limit in bytes.",
        ("GET /api/apps/metrics", _GET_APP),
        reading.get_metrics,
        _APP_ALONE,
        ("app",),
        {"cpu": {"type": "number"}, "memory": {"type": "integer"}, "memoryLimit": {"type": "integer"}},
    ),
    _tool(
        "list_deployments",
        "List deployments",
        "The newest deployments, of one app or of all.",
        (_HISTORY, _GET_APP),
        reading.list_deployments,
        {"app": _APP, "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}},
        (),
        {"deployments": _LIST},
    ),
    _tool(
        "diagnose",
        "Diagnose",
        "Why an app fails: state, last error, what changed since it worked, ends of its logs. "
        "Begin here when something is broken.",
        (_RUNTIME_LOG, _BUILD_LOG, _HISTORY, _GET_APP),
        reading.diagnose,
        _APP_ALONE,
        ("app",),
        {"app": _OBJECT, "latest": {}, "lastGood": _OBJECT, "changed": _LIST, **_LOG},
    ),
    _tool(
        "list_my_actions",
        "My actions",
        "What this token did and was refused, newest first, from the audit log.",
        "GET /api/agents/self/actions",
        reading.list_my_actions,
        {"limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
        (),
        {"actions": _LIST},
    ),
    _tool(
        "deploy",
        "Deploy from Git",
        "Make a new app of a Git repository and start its first deployment. It returns at "
        "once. An app that exists is brought up to date by paas_redeploy.",
        ("POST /api/deploy",),
        changing.deploy,
        {
            "name": {"type": "string", "maxLength": 40},
            "gitRepo": {**_SHORT, "description": "https://… or owner/name"},
            "branch": {**_SHORT, "description": "default: the repository's own"},
            "rootDir": _SHORT,
            "project": _APP,
            "env": _VARIABLES,
            "key": _KEY,
            **_BUILD,
        },
        ("name", "gitRepo"),
        _STARTED,
    ),
    _tool(
        "redeploy",
        "Redeploy",
        "Build the newest commit of an app and bring it live without losing a request.",
        ("POST /api/apps/redeploy", _GET_APP),
        changing.redeploy,
        {"app": _APP, "key": _KEY},
        ("app",),
        _STARTED,
    ),
    _tool(
        "wait_deployment",
        "Wait for a deployment",
        "Wait until a deployment has ended, at most 50 s; call it again if "
        "it has not. Tells the address, or the error with the end of the log.",
        (_GET_DEPLOYMENT, _BUILD_LOG),
        changing.wait_deployment,
        {"deployment": _SHORT, "timeoutSeconds": {"type": "integer", "minimum": 1, "maximum": changing.LONGEST_WAIT}},
        ("deployment",),
        {"finished": {"type": "boolean"}, "deployment": _OBJECT, "url": _STRING, **_LOG},
    ),
    _tool(
        "rollback",
        "Roll back",
        "Bring back the version before, or of the deployment named. Nothing is rebuilt.",
        ("POST /api/apps/rollback", _GET_APP),
        changing.rollback,
        {"app": _APP, "deployment": _SHORT},
        ("app",),
        {**_STARTED, "from": _STRING, "to": _STRING},
    ),
    _tool(
        "stop_app",
        "Stop",
        "Stop an app; visitors see a page that says so.",
        ("POST /api/apps/stop", _GET_APP),
        changing.stop_app,
        _APP_ALONE,
        ("app",),
        {"app": _STRING, "status": _STRING},
    ),
    _tool(
        "start_app",
        "Start",
        "Start a stopped app again.",
        ("POST /api/apps/start", _GET_APP),
        changing.start_app,
        _APP_ALONE,
        ("app",),
        {"app": _STRING, "status": _STRING},
    ),
    _tool(
        "update_app",
        "Change settings",
        "Change settings of an app: only those that are sent. For variables use paas_set_env.",
        ("POST /api/apps/update", _GET_APP),
        changing.update_app,
        {
            "app": _APP,
            "branch": _SHORT,
            "rootDir": _SHORT,
            "installCommand": _TEXT,
            "buildCommand": _TEXT,
            "startCommand": _TEXT,
            "portOverride": {"type": "integer", "minimum": 0, "maximum": 65535, "description": "0: as it is found out"},
            "healthPath": _SHORT,
            "healthStatus": {**_SHORT, "description": "good statuses of it, such as 200-399,401"},
            "memory": {**_SHORT, "description": "such as 512m"},
            "cpus": {**_SHORT, "description": "such as 0.5"},
            **_BUILD,
        },
        ("app",),
        {"app": _STRING, "before": _OBJECT, "after": _OBJECT},
    ),
    _tool(
        "set_env",
        "Set variables",
        "Set and remove environment variables of an app; the others stay. secret: nobody reads the values again.",
        ("POST /api/apps/env", _GET_APP),
        changing.set_env,
        {
            "app": _APP,
            "set": _VARIABLES,
            "unset": {"type": "array", "items": _STRING, "maxItems": 500},
            "secret": {"type": "boolean"},
        },
        ("app",),
        {"app": _STRING, "variables": _LIST},
    ),
    _tool(
        "add_domain",
        "Add a domain",
        "Serve an app under a domain as well, with HTTPS.",
        ("POST /api/apps/domains/add", _GET_APP, "GET /api/server/info"),
        changing.add_domain,
        {"app": _APP, "domain": _SHORT},
        ("app", "domain"),
        {"app": _STRING, "domains": _LIST, "next": _STRING},
    ),
    _tool(
        "delete_app",
        "Delete",
        "Put an app into the trash: it stops answering, and people can restore it for some days. "
        "A person is usually asked first.",
        ("POST /api/apps/delete", _GET_APP),
        changing.delete_app,
        _APP_ALONE,
        ("app",),
        {"app": _STRING, "status": _STRING},
    ),
)

BY_NAME = {tool.name: tool for tool in TOOLS}
