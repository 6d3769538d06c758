"""Python: Flask, FastAPI, Django and others, or a program of its own; alone, as a member of a uv workspace, or with
packages that lie beside it."""

import contextlib
import posixpath
import re
from dataclasses import replace
from typing import Any

from better_paas.builders import packages, procfile
from better_paas.builders.files import Files, Without, exists, read_json, read_toml, table
from better_paas.builders.folders import neighbours, parents, with_neighbours, within
from better_paas.builders.globs import matches
from better_paas.builders.plan import DEFAULT_PORT, BuildPlan, NoApp, NoPlan, Overrides
from better_paas.builders.python import frameworks, requirements, sites, version, wheels
from better_paas.builders.python.frameworks import Start

MANIFESTS = (
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "setup.py",
    "manage.py",
    "requirements-prod.txt",
)
_PROGRAM = re.compile(r"(python3?|gunicorn|uvicorn|hypercorn|daphne|celery|streamlit)\s")
_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE['\"][ \t]*+,[ \t]*+['\"]([\w.]++)")
_DEEPEST = 3
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Of a workspace so many are looked at, to find its one app.
_MOST_APPS = 100
_FOLDER = re.compile(r"[\w.-]++(?>/[\w.-]++)*+")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Python app. Errors: NoPlan if it is one that can't be started."""
    top = {name for name in files.names() if "/" not in name}
    is_python = bool(top.intersection((*MANIFESTS, *frameworks.ENTRY_FILES, *frameworks.PROGRAMS)))
    is_python = is_python or any(name.startswith("requirements/") for name in files.names())
    if not is_python and not _procfile_says_so(files, top):
        return None
    try:
        return _plan(files, "", overrides)
    except NoApp:
        apps = [] if _is_for_node(files) else _apps(files, overrides)
        if not apps:
            raise
    if len(apps) > 1:
        raise NoPlan(
            "this workspace has several apps",
            "Make an app for each, with its folder as the root directory.",
            ", ".join(apps[:8]),
        )
    found = member(files, apps[0], overrides)
    return replace(found, notes=(*found.notes, f"{apps[0]} is the one app of this workspace; it is built."))


def as_site(files: Files, overrides: Overrides) -> BuildPlan | None:
    """The plan of a site that a program makes of texts, for a source that nothing else could be made of."""
    if overrides.site is False or sites.find(files, requirements.names(requirements.listed(files))) is None:
        return None
    return _plan(files, "", replace(overrides, site=True))


def top_of(tree: Files, folder: str) -> str | None:
    """The folder whose uv workspace `folder` belongs to, or that has all it names by path; None if there is none."""
    if not _FOLDER.fullmatch(folder):
        return None
    for parent in parents(folder) if exists(tree, f"{folder}/pyproject.toml") else ():
        if _is_member(tree.below(parent), posixpath.relpath(folder, parent or ".")):
            return parent
    return with_neighbours(folder, lambda place: requirements.beside(tree.below(place)))


def member(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    """The plan of one package of a uv workspace, or of what is built with packages beside it. Errors: NoPlan."""
    if _is_member(top, folder) and not exists(top, "uv.lock"):
        raise NoPlan(
            "this uv workspace has no lock, so its packages could come from a public registry",
            "Run 'uv lock' at its top, and commit uv.lock.",
        )
    return _plan(top, folder, overrides)


def _is_for_node(files: Files) -> bool:
    """Whether the top is started by Node, or has members of it: then the one app may be of that."""
    package = read_json(files, "package.json")
    return "start" in table(package, "scripts") or "workspaces" in package or exists(files, "pnpm-workspace.yaml")


def _apps(top: Files, overrides: Overrides) -> list[str]:
    """Members of the uv workspace that can be started: those in apps/, or with a framework, if there are such."""
    plans: dict[str, BuildPlan] = {}
    shared = requirements.listed(top, _members(top))
    for folder in _members(top)[:_MOST_APPS]:
        with contextlib.suppress(NoApp):
            plans[folder] = _plan(top, folder, overrides, shared)
    found = sorted(plans)
    # A library may have a program as well.
    return (
        [folder for folder in found if folder.startswith("apps/")]
        or [folder for folder in found if plans[folder].framework or procfile.commands(top.below(folder))]
        or found
    )


def _is_member(top: Files, folder: str) -> bool:
    """Whether it is one of a uv workspace that has no lock of its own."""
    return folder in _members(top) and not exists(top, f"{folder}/uv.lock")


def _members(top: Files) -> tuple[str, ...]:
    """Folders of the workspace's packages, but for the top itself."""
    settings = table(read_toml(top, "pyproject.toml"), "tool", "uv", "workspace")
    named, left_out = settings.get("members"), settings.get("exclude")
    if not isinstance(named, list):
        return ()
    wanted = [str(each) for each in named] + [f"!{each}" for each in (left_out if isinstance(left_out, list) else [])]
    folders = (name.rpartition("/")[0] for name in top.names() if name.endswith("/pyproject.toml"))
    return tuple(folder for folder in folders if re.fullmatch(r"[\w./-]+", folder) and matches(folder, wanted))


def _plan(top: Files, folder: str, overrides: Overrides, shared: list[str] | None = None) -> BuildPlan:
    """shared: what all members of the workspace at the top require, if that is known."""
    files = top.below(folder)
    project = read_toml(files, "pyproject.toml")
    # What is no member is installed by its own lock, in its folder.
    at = folder if folder and not _is_member(top, folder) else ""
    home = top.below(at)
    members = _members(home)
    # What a member has starts that member, not the top.
    if members and not folder and frameworks.KNOWN.isdisjoint(requirements.names(requirements.listed(home))):
        files = Without(files, members)
    name = str(table(project, "project").get("name") or "") if folder and not at else ""
    installed = requirements.find(home, name if _NAME.fullmatch(name) else "", members)
    if installed.manager == "pip" and not overrides.install_command:
        requirements.refuse_strangers(home)
    listed = (shared if shared is not None and not at else requirements.listed(home, members)) + (
        requirements.listed(files) if folder and not at else []
    )
    for place in neighbours(at, lambda place: requirements.beside(top.below(place))) if at else ():
        listed += requirements.listed(top.below(place))
    required = requirements.names(listed)
    found = frameworks.find(files, required, _scripts(project))
    if found and found.server and found.server not in required:
        installed = installed.and_server(found.server)
    chosen = procfile.start(files, overrides, found.command if found else "")
    is_site = bool(overrides.site)
    site = sites.find(files, required) if is_site else None
    for package in site.needs if site else ():
        installed = installed.and_server(package)
    if not chosen and not is_site:
        raise NoApp(
            "this is a Python app, but nothing says how to start it",
            "Set a start command, or add a Procfile with a line such as 'web: python main.py'.",
        )
    wanted, version_note = version.wanted(overrides, files, *([top] if folder else []))
    compiled = wheels.compiled(home, listed, wanted)
    needed = {**packages.PYTHON, **{name: wheels.needs(name) for name in compiled}}
    building, running = packages.needed(needed, _linked(required) | set(compiled))
    build, release, chosen, notes = _django(files, found, overrides, chosen)
    browsers = "playwright install chromium" if "playwright" in required else ""
    worker = frameworks.celery_app(files, required)
    if worker and found and not found.is_worker and not procfile.commands(files) and not overrides.processes:
        notes.append(f"Celery is used: for its worker add the process 'celery -A {worker} worker'.")
    if is_site:
        chosen, release = "", ""
        build = overrides.build_command or (site.build if site else build)
    if compiled:
        shown = ", ".join(f"{name} {of}" for name, of in sorted(compiled.items())[:3])
        notes.append(f"{shown} came before Python {wanted}, and is compiled: a newer version installs faster.")
    if "environment.yml" in files.names():
        notes.append("environment.yml is not used: Conda is not supported.")
    return BuildPlan(
        runtime="static" if is_site else "python",
        built_by="python" if is_site else "",
        version=wanted,
        framework=site.framework if site else found.framework if found else "",
        output=(site.output if site else "site") if is_site else "",
        package_manager=installed.manager,
        install=within(at, overrides.install_command or installed.command),
        install_app=" && ".join(part for part in (within(at, installed.app), browsers) if part),
        build=build,
        start=chosen,
        release=release,
        port=0 if found and found.is_worker and chosen == found.command else DEFAULT_PORT,
        folder=folder,
        # Of what is beside it, all is installed.
        manifests=() if overrides.install_command or at else installed.manifests,
        build_packages=tuple(sorted({*building, *(running if browsers else ())})),
        run_packages=running,
        environment={"PLAYWRIGHT_BROWSERS_PATH": "/app/.cache/playwright"} if browsers else {},
        notes=(*installed.notes, *notes, *([version_note] if version_note else [])),
    )


def _procfile_says_so(files: Files, top: set[str]) -> bool:
    runs_python = any(_PROGRAM.match(command) for command in procfile.commands(files).values())
    return runs_python and any(name.endswith(".py") for name in top)


def _scripts(project: dict[str, Any]) -> list[str]:
    """Programs of the package: the one that bears its name, if there is one, else all."""
    named = table(project, "project", "scripts") or table(project, "tool", "poetry", "scripts")
    own = str(table(project, "project").get("name") or table(project, "tool", "poetry").get("name") or "")
    names = [name for name in named if _NAME.fullmatch(name)]
    return [own] if own in names else names


def _linked(required: set[str]) -> set[str]:
    """Without those whose extra brings a library along."""
    if "psycopg[binary]" in required:
        return required - {"psycopg"}
    return required | {"psycopg-c"} if "psycopg[c]" in required else required


def _django(files: Files, found: Start | None, overrides: Overrides, start: str) -> tuple[str, str, str, list[str]]:
    """(build, release, start, notes): static files are collected, and the database is brought up to date."""
    if found is None or found.framework != "Django":
        return overrides.build_command, "", start, []
    folder = frameworks.manage_folder(set(files.names()))
    manage = f"python {folder}/manage.py" if folder else "python manage.py"
    manage = f"{_settings_of_server(files, folder or '')}{manage}"
    settings = [files.head(name) or "" for name in files.names() if _is_settings(name)]
    collects = any("STATIC_ROOT" in text for text in settings)
    build = overrides.build_command or (f"SECRET_KEY=build {manage} collectstatic --noinput" if collects else "")
    has_database = any("DATABASES" in text for text in settings)
    if start != found.command or overrides.release_command or not has_database:
        return build, "", start, []
    migrate = f"{manage} migrate --noinput"
    if _has_its_database_inside(settings):
        # A command that is run once, elsewhere, would change another copy of that file.
        note = "The database is a file of the app: it is lost with each deployment, unless it is in a volume."
        return build, "", f"{migrate} && exec {start}", [note]
    note = f"“{migrate}” is run before each release; set the release command to “true” to leave that out."
    return build, migrate, start, [note]


def _settings_of_server(files: Files, folder: str) -> str:
    """A variable before manage.py's commands, where the server runs with other settings than they would."""
    found: dict[str, str] = {}
    inside = f"{folder}/" if folder else ""
    for name in files.names():
        kind = name.rpartition("/")[2]
        if kind in ("manage.py", "wsgi.py", "asgi.py") and name.startswith(inside) and name.count("/") <= _DEEPEST:
            module = _SETTINGS.search(files.head(name) or "")
            found.setdefault("manage" if kind == "manage.py" else "server", module[1] if module else "")
    wanted, own = found.get("server"), found.get("manage")
    if not wanted or not own or wanted == own:
        return ""
    return f"DJANGO_SETTINGS_MODULE=${{DJANGO_SETTINGS_MODULE:-{wanted}}} "


def _is_settings(name: str) -> bool:
    return name.endswith("settings.py") or ("/settings/" in name and name.endswith(".py"))


def _has_its_database_inside(settings: list[str]) -> bool:
    text = "\n".join(settings)
    return "backends.sqlite3" in text and not re.search(r"environ|getenv|\benv[.(]|dj_database_url|config\(", text)
