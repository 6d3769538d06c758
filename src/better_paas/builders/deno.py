"""Deno: a source with deno.json."""

import re
from typing import Any

from better_paas.builders import node, procfile, versions
from better_paas.builders.files import Files, read_json, table
from better_paas.builders.plan import BuildPlan, NoApp, Overrides

_DEVELOPMENT = re.compile(r"--watch|dev\.tsx?|vite$|vite -|vite dev")
_ENTRIES = ("main.ts", "server.ts", "mod.ts", "index.ts", "main.js", "server.js")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is not for Deno. Errors: NoApp if nothing says how to start it."""
    names = set(files.names())
    # Deno locks what it runs of a package of Node as well.
    is_locked_alone = "deno.lock" in names and "package.json" not in names
    if not {"deno.json", "deno.jsonc"} & names and not is_locked_alone:
        return None
    tasks = table(read_json(files, "deno.json") or read_json(files, "deno.jsonc"), "tasks")
    entry = next((name for name in _ENTRIES if name in names), "")
    start = f"deno run --allow-all {entry}" if entry else ""
    # The container is what it may do; asking twice only breaks apps.
    named = next((name for name in ("start", "preview") if name in tasks and not _is_development(tasks[name])), "")
    if named:
        start = f"deno task {named}"
    elif node.is_app(files):
        raise NoApp("deno.json is here for its tools", "Add a 'start' task to deno.json.")
    chosen = procfile.start(files, overrides, start)
    runs_deno = bool(start) or chosen.startswith("deno ")
    if not chosen or (not runs_deno and "package.json" in names):
        raise NoApp("this is for Deno, but nothing says how to start it", "Add a 'start' task to deno.json.")
    build = "deno task build" if "build" in tasks else f"deno cache {entry}" if entry else ""
    return BuildPlan(
        runtime="deno",
        version=versions.parts(versions.own_file(".deno-version", files) or versions.pinned("deno", files), 3),
        install=overrides.install_command,
        build=overrides.build_command or build,
        start=chosen,
    )


def _is_development(task: Any) -> bool:
    """Whether a task starts a server that builds anew on each change. task: a command, or a table that has one."""
    command = task.get("command") if isinstance(task, dict) else task
    return bool(_DEVELOPMENT.search(str(command)[:2000]))
