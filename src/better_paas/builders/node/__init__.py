"""Node and Bun: a server, or a static site that a build makes; alone, or as a member of a workspace."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from better_paas.builders.files import Files, exists, read_json, table
from better_paas.builders.node import beside, frameworks, managers, nx, starts, turbo, version, workspace
from better_paas.builders.node.frameworks import App, Made
from better_paas.builders.node.managers import Manager
from better_paas.builders.node.source import Source
from better_paas.builders.plan import BuildPlan, NoApp, NoPlan, Overrides

# Of a workspace so many are looked at, to find its one app; there is none in a larger one.
_MOST_APPS = 500
_INSTALL_HOOKS = {"preinstall", "install", "postinstall", "prepare"}
_MOST_PAGES, _LONGEST_PAGE = 50, 100_000
_PROGRAM = re.compile(r"(?>[A-Z][A-Z0-9_]*+=[^\s;&|]++ ++)*+(?:node|bun|tsx|ts-node) ")
_OF_BUN = ("bunfig.toml", "bun.lock")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Node app. Errors: NoPlan if it is one that can't be started."""
    alone = _alone(files)
    if alone is None:
        return None
    scripts = table(alone.package, "scripts")
    members = [] if "start" in scripts else _apps(files)
    if not members:
        return _plan(alone, overrides)
    if "build" in scripts or exists(files, "index.html"):
        # The top may be an app itself, or build all and start none.
        with contextlib.suppress(NoPlan):
            return _plan(alone, overrides)
    if len(members) > 1:
        raise NoPlan(
            "this workspace has several apps",
            "Make an app for each, with its folder as the root directory.",
            ", ".join(members[:8]),
        )
    found = member(files, members[0], overrides)
    return replace(found, notes=(*found.notes, f"{members[0]} is the one app of this workspace; it is built."))


def as_site(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan for what has something to build and nothing to start: what the build leaves is taken for a site."""
    alone = _alone(files)
    if alone is None or overrides.site is False or not _build_script(alone.package):
        return None
    plan = _plan(alone, replace(overrides, site=True))
    note = f"Nothing says how to start it: what the build leaves in {plan.output} is served as a site."
    return replace(plan, notes=(*plan.notes, note))


def _alone(files: Files) -> Source | None:
    path = manifest(files)
    return Source(files, "", {} if path in _OF_BUN else read_json(files, path)) if path else None


def _shows_packages(files: Files) -> bool:
    """Whether pages at the top, or their styles, name files of packages."""
    names = [name for name in files.names() if name.count("/") < 2 and name.endswith((".html", ".css"))]
    return any("node_modules/" in (files.head(name, _LONGEST_PAGE) or "") for name in names[:_MOST_PAGES])


def says_app(files: Files) -> tuple[bool, bool]:
    """(whether the package is an app by what it says itself, and one that serves by itself): it depends on a
    framework, or starts a program. A broken package says nothing."""
    alone, made = None, None
    with contextlib.suppress(NoPlan):
        alone = _alone(files)
    if alone is None:
        return False, False
    app = App(alone.files, alone.package, alone.dependencies)
    with contextlib.suppress(NoPlan):
        made = frameworks.find(app)
    start = app.script("start")
    serves = any(key in app.own for key in frameworks.SERVERS)
    is_started = bool(start) and (serves or bool(_PROGRAM.match(start)))
    is_made = made is not None and (made.name != "Vite" or exists(files, "index.html"))
    return is_made or is_started, is_started or bool(made and made.start)


def manifest(files: Files) -> str:
    """Of the package; "" if this is none. pnpm reads the second one too, and Bun does without."""
    return next((path for path in ("package.json", "package.json5", *_OF_BUN) if exists(files, path)), "")


def top_of(tree: Files, folder: str) -> str | None:
    """The workspace that the folder belongs to (see workspace.top_of)."""
    return workspace.top_of(tree, folder)


def member(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    """The plan of one app of a workspace, built from its top. Errors: NoPlan."""
    return _plan(Source(top, folder, read_json(top, f"{folder}/package.json")), overrides)


def _plan(source: Source, overrides: Overrides) -> BuildPlan:
    manager = managers.choose(source.top, source.top_package)
    known = workspace.members(source.top)
    if not overrides.install_command:  # whoever writes one decides where packages come from
        workspace.refuse_strangers(source.top, source.folder, known, manager)
    install, manifests, notes = managers.install(
        manager,
        source.top,
        source.top_package,
        known.values(),
        workspace.installed(source.top, source.folder, known, manager),
    )
    app = App(source.files, source.package, source.dependencies, source.inherited, source.folder)
    made = nx.placed(source, frameworks.find(app) or frameworks.only(app))
    build = _build(app, made, manager)
    if source.folder:
        install, build = _of_member(source, known, manager, install, build, made.variables if made else "")
    if made and made.instead and build and not overrides.build_command:
        build = f"{manager.adds(made.instead)} && {build}"
        notes.append(f"{made.elsewhere} is for another host: that for Node takes its place in the build.")
    start, output = starts.find(app, made, manager, overrides, bool(build), notes)
    is_site = bool(output)
    if output == "." and not _shows_packages(app.files):
        hooks = table(source.package, "scripts").keys() & _INSTALL_HOOKS
        if not build and not hooks and not overrides.install_command:
            # Nothing of its packages is for the page.
            return BuildPlan(runtime="static", output=output, folder=source.folder)
        build = f"{build} && rm -rf node_modules" if build else "rm -rf node_modules"
    wanted, version_note = version.wanted(overrides, _with_engines(source), *source.places)
    if not start and not is_site and made and made.elsewhere:
        raise NoPlan(
            "this app is built for another host, and nothing here can start that",
            "Use its framework's adapter for Node instead, or set a start command.",
            made.elsewhere,
        )
    if not start and not is_site:
        raise NoApp(
            "this is a Node app, but nothing says how to start it",
            "Add a 'start' script to package.json, a Procfile with a 'web:' line, or set a start command.",
        )
    plan = BuildPlan(
        runtime="static" if is_site else "bun" if manager.name == "bun" and not start.startswith("node ") else "node",
        version=wanted,
        framework=_framework(app, made),
        package_manager=manager.name,
        manager_package=manager.package,
        install=overrides.install_command or install,
        build=overrides.build_command or build,
        start="" if is_site else start,
        output=output,
        single_page=bool(is_site and made and made.single_page),
        folder=source.folder,
        manifests=() if overrides.install_command else manifests,
        # Archives that packages are read from have to be in the image, not in a cache.
        environment={"YARN_CACHE_FOLDER": "/app/.yarn/cache"} if manager.plug_and_play else {},
        notes=tuple([*notes, version_note] if version_note else notes),
    )
    return beside.with_tools(beside.with_packages(plan, source), source, manager, app)


def _with_engines(source: Source) -> Mapping[str, Any]:
    """The package that says which Node: the app's, else the top's."""
    return source.package if table(source.package, "engines") else source.top_package


def _of_member(
    source: Source, known: dict[str, str], manager: Manager, install: str, build: str, variables: str
) -> tuple[str, str]:
    others = workspace.needed(source.top, source.folder, known, manager)
    is_member = source.folder in known.values()
    script = _build_script(source.package)
    own = (nx.build(source) if "build" not in table(source.package, "scripts") else "") or build
    if is_member:
        install = workspace.install_command(install, manager, source.folder)
    if own.startswith("nx "):
        return install, own
    is_for_turbo = is_member and (script == "build" or (not script and bool(others)))
    if is_for_turbo and (ordered := turbo.build(source, manager, variables)):
        return install, f"{ordered} && {own}" if own and not script else ordered
    return install, workspace.build_command(source.top, source.folder, others, own, manager)


def _build(app: App, made: Made | None, manager: Manager) -> str:
    if name := _build_script(app.package):
        variables = f"{made.variables} " if made and made.variables else ""
        return variables + manager.runs(name)
    is_site_alone = made and (made.output or made.start) and made.name not in ("NestJS", "Vite")
    if made and made.build and (is_site_alone or exists(app.files, "index.html")):
        return f"{made.variables} {manager.executes(made.build)}".strip()
    return ""


def _build_script(package: Mapping[str, Any]) -> str:
    scripts = table(package, "scripts")
    return next((name for name in ("heroku-postbuild", "build", "build:prod") if name in scripts), "")


def _framework(app: App, made: Made | None) -> str:
    if made and made.name != "Vite":
        return made.name
    return next((name for key, name in frameworks.SERVERS.items() if key in app.own), made.name if made else "")


def _apps(top: Files) -> list[str]:
    """Members of the workspace that have a start script or a framework: those in apps/, if there are any."""
    found = []
    for folder in list(workspace.members(top).values())[:_MOST_APPS]:
        package = read_json(top, f"{folder}/package.json")
        source = Source(top, folder, package)
        app = App(source.files, package, source.dependencies, source.inherited, source.folder)
        if folder.endswith("-e2e"):
            continue
        made = frameworks.find(app)
        if app.script("start") or (made and made.name != "Vite") or exists(app.files, "index.html"):
            found.append(folder)
    return sorted(folder for folder in found if folder.startswith("apps/")) or sorted(found)
