"""`~/.paas/config.json`: the instances that this machine is connected to, readable by its owner alone.

The current one stands at the top level, where scripts look for `url` and `token`; others are below `instances`.
"""

import json
import os
import re
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from better_paas.cli.errors import NOT_CONNECTED, USAGE, CliError
from better_paas.kit.files import write_atomically

_FIELDS = ("url", "token", "profile", "name", "agentId", "instance")


@dataclass(frozen=True)
class Instance:
    """One connection. instance: its name here. Names of the fields are those of the file."""

    url: str
    token: str
    profile: str
    name: str
    agentId: str  # noqa: N815
    instance: str
    expiresAt: str | None = None  # noqa: N815


def path() -> Path:
    return Path.home() / ".paas" / "config.json"


def current(named: str | None = None) -> Instance:
    """The instance in use, or the one that is named. PAAS_API_URL with PAAS_TOKEN come first. Errors: CliError."""
    url, token = os.environ.get("PAAS_API_URL"), os.environ.get("PAAS_TOKEN")
    if url and token and not named:
        if not re.match(r"https?://[^/]", url) or not re.fullmatch(r"[\x21-\x7e]{1,512}", token):
            raise CliError(
                "PAAS_API_URL or PAAS_TOKEN is not usable",
                "An http(s) address, and a token without line breaks.",
                USAGE,
            )
        return Instance(url.rstrip("/"), token, "", "", "", "environment")
    known = instances()
    if not known:
        raise CliError("not connected to any server", "Run: paas connect https://paas.example.com", NOT_CONNECTED)
    if named is None:
        return known[0]
    for instance in known:
        if instance.instance == named:
            return instance
    names = ", ".join(instance.instance for instance in known)
    raise CliError(f"there is no instance '{named}'", f"Connected: {names}.", NOT_CONNECTED)


def instances() -> list[Instance]:
    """All connections, the current one first. Errors: CliError if the file can't be read."""
    try:
        with path().open(encoding="utf-8") as file:
            stored = json.load(file)
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                path().chmod(0o600)
        found = [stored, *stored.get("instances", {}).values()] if stored.get("url") else []
        return [_instance(entry) for entry in found]
    except FileNotFoundError:
        return []
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise CliError(f"{path()} can't be read: {error}", "Mend it, or remove it and connect again.") from error


def _instance(entry: dict[str, Any]) -> Instance:
    fields = {name: str(entry.get(name) or "") for name in _FIELDS}
    fields["instance"] = fields["instance"] or "default"
    return Instance(**fields, expiresAt=entry.get("expiresAt"))


def save(instance: Instance) -> None:
    """Make `instance` the current one; one of the same name is replaced."""
    _write([instance, *(other for other in instances() if other.instance != instance.instance)])


def remove(name: str) -> None:
    _write([other for other in instances() if other.instance != name])


def _write(found: list[Instance]) -> None:
    place = path()
    if not found:
        place.unlink(missing_ok=True)
        return
    document: dict[str, Any] = asdict(found[0])
    if others := found[1:]:
        document["instances"] = {other.instance: asdict(other) for other in others}
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(place, json.dumps(document, indent=2) + "\n")
