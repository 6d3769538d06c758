"""Deno: a source with deno.json."""

import re
from typing import Any

from better_paas.builders import node, procfile, versions
from better_paas.builders.files import Files, read_json, table
from better_paas.builders.node import managers
from better_paas.builders.plan import BuildPlan, NoApp, Overrides

_DEVELOPMENT = re.compile(r"--watch(?:-hmr)?(?:[= ]|$)|[ /]dev\.tsx?(?: |$)|vite$|vite -|vite dev")
# Settings that name other files, or members that have to be there.
_ELSEWHERE = {"workspace", "importMap", "links", "patch"}
_ENTRIES = ("main.ts", "server.ts", "mod.ts", "index.ts", "main.js", "server.js")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is not for Deno. Errors: NoApp if nothing says how to start it."""
    names = set(files.names())
    # Deno locks what it runs of a package of Node as well.
    is_locked_alone = "deno.lock" in names and "package.json" not in names
    if not {"deno.json", "deno.jsonc"} & names and not is_locked_alone:
        return None
    settings = read_json(files, "deno.json") or read_json(files, "deno.jsonc")
    tasks = table(settings, "tasks")
    entry = next((name for name in _ENTRIES if name in names), "")
    start = f"deno run --allow-all {entry}" if entry else ""
    # The container is what it may do; asking twice only breaks apps.
    named = next((name for name in ("start", "preview") if name in tasks and not _is_development(tasks[name])), "")
    if named:
        start = f"deno task {named}"
    elif node.says_app(files)[0]:
        raise NoApp("deno.json is here for its tools", "Add a 'start' task to deno.json.")
    elif not start and "start" in tasks:
        start = "deno task start"
    chosen = procfile.start(files, overrides, start)
    runs_deno = bool(start) or chosen.startswith("deno ")
    if not chosen or (not runs_deno and "package.json" in names):
        raise NoApp("this is for Deno, but nothing says how to start it", "Add a 'start' task to deno.json.")
    build = "deno task build" if "build" in tasks else f"deno cache {entry}" if entry else ""
    version = versions.parts(versions.own_file(".deno-version", files) or versions.pinned("deno", files), 3)
    manifests = () if overrides.install_command else _manifests(names, files, settings)
    # The first Deno installs programs alone.
    if (overrides.version or overrides.tools.get("deno") or version).partition(".")[0] == "1":
        manifests = ()
    return BuildPlan(
        runtime="deno",
        version=version,
        install=overrides.install_command or ("deno install" if manifests else ""),
        manifests=manifests,
        build=overrides.build_command or build,
        start=chosen,
    )


def _is_development(task: Any) -> bool:
    """Whether a task starts a server that builds anew on each change. task: a command, or a table that has one."""
    command = task.get("command") if isinstance(task, dict) else task
    return bool(_DEVELOPMENT.search(str(command)[:2000]))


def _manifests(names: set[str], files: Files, settings: dict[str, Any]) -> tuple[str, ...]:
    """What packages are installed from; () where nothing is, or where it takes more than these. What sources import
    besides is fetched by the build."""
    package = read_json(files, "package.json")
    imports = [str(value) for value in table(settings, "imports").values()]
    # From other hosts whole modules would be fetched, which is allowed for few of them; of folders nothing is.
    takes_more = any(not value.startswith(("npm:", "jsr:", ".", "/")) and value[-1:] != "/" for value in imports)
    takes_more = takes_more or bool(_ELSEWHERE & settings.keys()) or "workspaces" in package
    takes_more = takes_more or isinstance(settings.get("lock"), str) or "path" in table(settings, "lock")
    is_wanted = any(value.startswith(("npm:", "jsr:")) for value in imports) or bool(managers.wanted(package))
    if takes_more or not is_wanted or managers.takes_folders(package):
        return ()
    known = ("deno.json", "deno.jsonc", "deno.lock", "package.json", ".npmrc")
    return tuple(name for name in known if name in names)
