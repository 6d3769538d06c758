"""Writes the pages of docs/reference from the code. Run it with the environment's Python."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from better_paas import policy
from better_paas.app import create_app
from better_paas.builders.said import own
from better_paas.cli.errors import EXIT_CODES
from better_paas.cli.run import build
from better_paas.mcp.tools import TOOLS
from better_paas.mcp.untrusted import NAMED, QUOTED
from better_paas.settings import Settings

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def settings() -> str:
    """A table of all settings."""
    lines = [
        "# Settings",
        "",
        "Read from the environment, then from `settings.env` in the data directory. A value that makes no sense stops",
        "the start with a message. This page is made from the code.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is PydanticUndefined or field.default in (None, "") else f"`{field.default}`"
        if name == "better_paas_data_dir":
            default = "`/var/lib/better-paas` as root, else `~/.local/share/better-paas`"
        lines.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def api() -> str:
    """All calls with their scopes, in groups."""
    document = create_app(None).openapi()
    lines = [
        "# HTTP API",
        "",
        "JSON in and out. Send a token as `Authorization: Bearer <token>`. Errors are",
        '`{"error", "code", "hint", "quoted", "requestId"}`. Lists take `limit` and `cursor` where the table says so, and give the',
        "next cursor in `X-Next-Cursor`. The server shows the fields of each call at `/api/docs` and the OpenAPI document",
        "at `/api/openapi.json`. This page is made from the code.",
        "",
        "| call | parameters | scopes | risk | does |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(action, document) for action in policy.ACTIONS]
    lines += ["", "## Scopes", "", "| scope | allows to |", "|---|---|"]
    lines += [f"| `{name}` | {text[0].lower()}{text[1:]} |" for name, text in policy.SCOPES.items()]
    lines += [
        "",
        "## Streams",
        "",
        "WebSockets open with `?ticket=` from `POST /api/auth/ws-ticket` and send `{message, timestamp}` for each line.",
        "Server-sent events carry a list of lines each; `Last-Event-ID` resumes a deployment's log.",
    ]
    return "\n".join(lines) + "\n"


def _row(action: policy.Action, document: dict[str, Any]) -> str:
    call = document["paths"].get(action.path, {}).get(action.method.lower(), {})
    names = [parameter["name"] for parameter in call.get("parameters", ())]
    body = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    reference = body.get("$ref") or next((entry["$ref"] for entry in body.get("anyOf", ()) if "$ref" in entry), "")
    if reference:
        names += list(document["components"]["schemas"][reference.rpartition("/")[2]].get("properties", ()))
    if action.method == "WS":
        names = ["ticket", "appId"]
    joined = " or " if action.any_scope else " + "
    scopes = (
        "none" if action.public else "admin" if action.admin else joined.join(f"`{name}`" for name in action.scopes)
    )
    text = (call.get("description") or {"WS": "see Streams"}.get(action.method, "")).split("\n")[0]
    wanted = ", ".join(f"`{name}`" for name in names)
    return f"| `{action.method} {action.path}` | {wanted} | {scopes} | {action.risk} | {text} |"


def client() -> str:
    """All commands of `paas` with their options."""
    lines = [
        "# The `paas` command",
        "",
        "Every command takes `--json` and `--instance NAME`. `NO_COLOR` switches colours off. This page is made from the",
        "code; the [guide](../guides/paas-cli.md) says how it is used.",
        "",
        "| command | does | options |",
        "|---|---|---|",
    ]
    for name, command in _commands(build(), "paas"):
        options = [_option(action) for action in command._actions if action.dest not in ("help", "json", "instance")]
        lines.append(f"| `{name}` | {command.description or 'shows help'} | {'<br>'.join(filter(None, options))} |")
    lines += ["", "## Exit codes", "", "| code | means |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    lines += [
        "",
        "## Environment",
        "",
        "| variable | means |",
        "|---|---|",
        "| `PAAS_API_URL`, `PAAS_TOKEN` | used instead of the stored connection |",
        "| `PAAS_ADMIN_TOKEN` | for `paas connect --legacy`, `agents`, `audit`, `approve` and `deny` |",
        "| `PAAS_UI_URL` | the dashboard's address, if discovery can't find it |",
        "| `PAAS_ID_TOKEN` | identity token of a GitLab job, for `paas connect` |",
    ]
    return "\n".join(lines) + "\n"


def _commands(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, inner in action.choices.items():
                yield f"{name} {word}", inner
                yield from _commands(inner, f"{name} {word}")


def _option(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return ""
    word = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
    choices = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
    return f"`{word}`{choices}{f': {action.help}' if action.help else ''}".replace("|", "\\|")


def mcp() -> str:
    """All MCP tools with their parameters and scopes."""
    lines = [
        "# MCP tools",
        "",
        "At `/mcp` (streamable HTTP) and through `paas mcp` (stdio), in protocol 2026-07-28 and those before it. A token",
        "sees the tools that it may call. This page is made from the code.",
        "",
        "| tool | does | parameters | scopes | hints |",
        "|---|---|---|---|---|",
    ]
    for tool in TOOLS:
        names = [f"`{name}`{'' if name in tool.needs else '?'}" for name in tool.takes]
        scopes = dict.fromkeys(
            (" or " if row.any_scope else " + ").join(f"`{scope}`" for scope in row.scopes)
            for row in tool.rows
            if row.scopes
        )
        hints = {
            "read-only": tool.annotations.read_only_hint,
            "destructive": tool.annotations.destructive_hint,
            "idempotent": tool.annotations.idempotent_hint and not tool.annotations.read_only_hint,
            "open world": tool.annotations.open_world_hint,
        }
        shown = ", ".join(word for word, holds in hints.items() if holds)
        wanted = ", ".join(scopes) or "any token"
        lines.append(f"| `{tool.name}` | {tool.description} | {', '.join(names)} | {wanted} | {shown} |")
    lines += [
        "",
        'Results are in `structuredContent`. A failed call has `isError` and `{"error": {"message", "code", "hint",',
        '"quoted", "scopeNeeded"}}`. A call that a person has to approve gives `{"status": "approval_required", "url", …}`; clients',
        "that can open links are asked to open it. Then the very same call is made again.",
        "",
        "What anybody may have written stands between marks that nobody can guess: `log`, and the fields "
        + ", ".join(f"`{name}`" for name in QUOTED)
        + ".",
        "Settings and names have none, so that they can be sent back, and may be a stranger's as well: "
        + ", ".join(f"`{name}`" for name in NAMED)
        + ".",
        "All else is the platform's own. The server's instructions say so, and how the address of an approval begins",
        "(`approvals` of `paas_whoami`).",
        "",
        "Resources: `paas://apps`, `paas://apps/{name}`, `paas://apps/{name}/logs`, `paas://deployments/{id}/log`.",
        "Prompts: `diagnose-deploy`, `release-checklist`, `right-size`, each with `app`.",
    ]
    return "\n".join(lines) + "\n"


def own_file() -> str:
    """better-paas.toml: its keys."""
    lines = [
        "# better-paas.toml",
        "",
        "What a repository says of its own building and running, in the app's folder. All of it may be left out: what is",
        "not said is found in the source, and the plan shows what was found. The app's settings win over this file, and",
        "this file wins over `railpack.json`, `nixpacks.toml`, `railway.json`, `render.yaml`, `fly.toml`, `heroku.yml`,",
        "`app.json`, `netlify.toml`, `Aptfile`, `Staticfile` and `Caddyfile`. This page is made from the code.",
        "",
        "```toml",
        "[build]",
        'packages = ["libpq-dev"]',
        "",
        "[run]",
        'start = "gunicorn shop:app --bind 0.0.0.0:$PORT"',
        'release = "python manage.py migrate"',
        "",
        "[run.processes]",
        'worker = "celery -A shop worker"',
        "```",
        "",
        own.manual(),
        "",
        "A key that is not known, or has another kind of value, stops the deployment with a sentence that names it. For",
        "editors there is a [JSON schema](better-paas.schema.json).",
    ]
    return "\n".join(lines) + "\n"


def own_schema() -> str:
    """The JSON schema of better-paas.toml."""
    return json.dumps(own.schema(), indent=2) + "\n"


PAGES = {
    "settings.md": settings,
    "api.md": api,
    "paas.md": client,
    "mcp.md": mcp,
    "better-paas-toml.md": own_file,
    "better-paas.schema.json": own_schema,
}

if __name__ == "__main__":
    for file, make in PAGES.items():
        (FOLDER / file).write_text(make())
