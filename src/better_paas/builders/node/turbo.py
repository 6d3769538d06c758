"""Turborepo: how it builds a member, and before it what its settings ask for."""

import posixpath
import re

from better_paas.builders.files import exists, read_json, table
from better_paas.builders.node.managers import Manager
from better_paas.builders.node.source import Source

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
    settings = read_json(source.top, path)
    tasks = {*table(settings, "pipeline"), *table(settings, "tasks")}
    if tasks.isdisjoint(("build", f"{name}#build")):
        return ""
    # Else scripts get no variables but those that turbo.json names. Its first major version hides none by itself.
    loose = "" if _FIRST_MAJOR.match(str(wanted)) else " --env-mode=loose"
    program = manager.executes(f"turbo run build --filter={name}{loose}")
    return f"(cd {posixpath.relpath('.', source.folder)} && {f'{variables} {program}'.strip()})"
