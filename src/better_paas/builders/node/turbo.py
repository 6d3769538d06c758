"""Turborepo: how it builds a member, and before it what its settings ask for."""

import contextlib
import posixpath
import re

from better_paas.builders.files import exists, read_json, table
from better_paas.builders.node.managers import Manager
from better_paas.builders.node.source import Source
from better_paas.builders.plan import NoPlan

_NAME = re.compile(r"(?:@[\w.-]++/)?[\w.-]++")
_FIRST_MAJOR = re.compile(r"[\^~=v]*+1(?!\d)")


def build(source: Source, manager: Manager, variables: str) -> str:
    """The command, run from the member's folder; "" where Turborepo knows of no build. variables: before its program.

    A member without a script for it is none to Turborepo either: then what it needs is built.
    """
    path = next((path for path in ("turbo.json", "turbo.jsonc") if exists(source.top, path)), "")
    name = source.package.get("name")
    wanted = source.inherited.get("turbo")
    if not path or wanted is None or not isinstance(name, str) or not _NAME.fullmatch(name):
        return ""
    settings: dict[str, object] = {}
    with contextlib.suppress(NoPlan):  # it says so itself
        settings = read_json(source.top, path)
    tasks = {*table(settings, "pipeline"), *table(settings, "tasks")}
    if tasks.isdisjoint(("build", f"{name}#build")):
        return ""
    is_first = bool(_FIRST_MAJOR.match(str(wanted)))
    # Later ones refuse to run where the top does not say by what it is installed.
    if not is_first and not source.top_package.get("packageManager"):
        return ""
    # Else scripts get no variables but those that turbo.json names. Its first major version hides none by itself.
    loose = "" if is_first else " --env-mode=loose"
    program = manager.executes(f"turbo run build --filter={name}{loose}")
    return f"(cd {posixpath.relpath('.', source.folder)} && {f'{variables} {program}'.strip()})"
