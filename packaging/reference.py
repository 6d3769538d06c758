"""Writes docs/reference/settings.md and api.md from the code. Run it with the environment's Python."""

from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from better_paas import policy
from better_paas.app import create_app
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
        '`{"error", "code", "hint", "requestId"}`. Lists take `limit` and `cursor` where the table says so, and give the',
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


if __name__ == "__main__":
    (FOLDER / "settings.md").write_text(settings())
    (FOLDER / "api.md").write_text(api())
