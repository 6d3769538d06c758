"""better-paas.toml: what a repository says to this platform. One table makes the reader, the manual and the schema."""

import re
from dataclasses import dataclass
from typing import Any

from better_paas.builders.faults import faults
from better_paas.builders.files import Files, read_toml
from better_paas.builders.plan import NoPlan, Overrides
from better_paas.builders.said.wish import MOST, not_plain, number, text

NAME = "better-paas.toml"
_HINT = "All keys are in the manual: docs/reference/better-paas-toml.md."


@dataclass(frozen=True)
class Key:
    """table.name in the file; field of Overrides; kind: text, flag, port, texts, or texts by name ("table")."""

    table: str
    name: str
    field: str
    kind: str
    meaning: str
    choices: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}" if self.name else self.table


KEYS = (
    Key("build", "method", "build_method", "text", "`plan` passes a Dockerfile over.", ("auto", "dockerfile", "plan")),
    Key("build", "dockerfile", "dockerfile_path", "text", "Path of the Dockerfile, below the app's folder."),
    Key("build", "version", "version", "text", "Version of the language, like `3.12`."),
    Key("build", "install", "install_command", "text", "Command that installs; `...` in it is what was found."),
    Key("build", "command", "build_command", "text", "Command that builds, like `... && make` with what was found."),
    Key("build", "packages", "packages", "texts", "Debian packages that building needs."),
    Key("build", "static", "site", "flag", "Whether what the build makes is served as a static site."),
    Key("build", "output", "output", "text", "Folder of the static site, below the app's folder."),
    Key("build", "single-page", "single_page", "flag", "Whether unknown paths get the site's `index.html`."),
    Key("build.args", "", "build_args", "table", "Build arguments of an own Dockerfile."),
    Key("run", "start", "start_command", "text", "Command of the main process."),
    Key("run", "release", "release_command", "text", "Command that is run once before each release; `true` for none."),
    Key("run", "packages", "run_packages", "texts", "Debian packages that running needs."),
    Key("run", "port", "port", "port", "Port that the app listens on."),
    Key("run", "kind", "kind", "text", "`worker` serves no requests.", ("web", "worker")),
    Key("run", "health", "health_path", "text", "Path that answers when the app is well, like `/healthz`."),
    Key("run", "health-status", "health_status", "text", "Good answers of that path, like `200-399,401`."),
    Key("run.processes", "", "processes", "table", "Commands of the processes beside the main one, by name."),
    Key("variables", "", "environment", "table", "Plain variables, of an own Dockerfile when it runs; the app's win."),
)
_KINDS = {
    "text": "text",
    "flag": "`true` or `false`",
    "port": "1 to 65535",
    "texts": "list of texts",
    "table": "table of texts",
}


def read(files: Files) -> Overrides:
    """Errors: NoPlan for what is no TOML, and for each key that is unknown or has no such value."""
    data = read_toml(files, NAME)
    given = {key.path: value for key in KEYS if (value := _at(data, key.path)) is not None}
    _refuse_unknown(data, "")
    wanted = Overrides(**{key.field: _checked(key, given[key.path]) for key in KEYS if key.path in given})
    for field, error in faults(wanted):
        key = next(key for key in KEYS if key.field == field)
        raise NoPlan(f"{key.path} of better-paas.toml: {error}", error.hint, error.quoted)
    return wanted


def _at(data: Any, path: str) -> Any:
    for part in path.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _refuse_unknown(data: dict[str, Any], above: str) -> None:
    for name, value in data.items():
        path = f"{above}{name}"
        if any(key.path == path for key in KEYS):
            continue
        if isinstance(value, dict) and any(key.path.startswith(f"{path}.") for key in KEYS):
            _refuse_unknown(value, f"{path}.")
            continue
        raise NoPlan("better-paas.toml has a key that is not known", _HINT, path)


def _checked(key: Key, value: Any) -> Any:
    taken = _taken(key, value)
    if taken is None or (key.choices and taken not in key.choices):
        wanted = " or ".join(key.choices) if key.choices else _KINDS[key.kind]
        raise NoPlan(f"a value of better-paas.toml is not of its kind: {wanted}", _HINT, key.path)
    for name, each in taken.items() if key.kind == "table" else ():
        if reason := _no_entry(key, name, each):
            raise NoPlan(f"{key.path} of better-paas.toml: {reason}", _HINT, name)
    return taken


def _no_entry(key: Key, name: str, value: Any) -> str:
    """Why a table can't have it; "" if it can."""
    if not isinstance(value, str):
        return "each of its values is a text"
    if key.field == "processes":  # of their names see faults; one without a command is taken away
        return "" if text(value) or not value else "this is no command"
    return not_plain(name, value)


def _taken(key: Key, value: Any) -> Any:
    """The value, or None if it is of another kind."""
    if key.kind == "flag":
        return value if isinstance(value, bool) else None
    if key.kind == "port":
        return number(value)
    if key.kind == "text":
        return text(value) or None
    if key.kind == "texts":
        return tuple(value) if isinstance(value, list) and all(text(each) for each in value) else None
    return value if isinstance(value, dict) and len(value) <= MOST else None


def schema() -> dict[str, Any]:
    """JSON Schema of the file, for editors."""
    shapes: dict[str, dict[str, Any]] = {
        "text": {"type": "string"},
        "flag": {"type": "boolean"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "texts": {"type": "array", "items": {"type": "string"}},
        "table": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    top = _object()
    for key in KEYS:
        place = top
        *above, last = key.path.split(".")
        for part in above:
            place = place["properties"].setdefault(part, _object())
        shape = {**shapes[key.kind], "description": re.sub("`", "", key.meaning)}
        place["properties"][last] = {**shape, "enum": list(key.choices)} if key.choices else shape
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": NAME, **top}


def _object() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def manual() -> str:
    """The rows of the manual's table."""
    rows = [
        f"| `{key.path}` | {_KINDS[key.kind] if not key.choices else ', '.join(key.choices)} | {key.meaning} |"
        for key in KEYS
    ]
    return "\n".join(["| Key | Value | Meaning |", "|---|---|---|", *rows])
