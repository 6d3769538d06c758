"""What a Python app requires, and what installs it: pip, uv, Poetry, PDM or Pipenv."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from better_paas.builders.files import Files, exists, read_toml, table
from better_paas.builders.plan import NoPlan

_LOCAL = re.compile(r"^[ \t]*+(-e|--editable|\.|file:|[./])", re.MULTILINE)
_OTHER_FILE = re.compile(r"^[ \t]*+(?:-r|-c|--requirement|--constraint)[ =]*+([^\s#]++)", re.MULTILINE)
_OUTSIDE = re.compile(
    r"^[ \t]*+(?:(?:-e|-r|-c|--editable|--requirement|--constraint)[ =]*+)?(\.\.(?![\w.-])[\w./-]*+)", re.MULTILINE
)
_NAME = re.compile(r"[\"' \t]*+([A-Za-z0-9][A-Za-z0-9._-]*+)(?:\[([^\]]*+)\])?")
_PATH = re.compile(r"[\w./-]+")
# Which of several files of requirements is for the server.
_FILES = (
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/main.txt",
    "requirements/base.txt",
    "requirements/common.txt",
    "requirements/default.txt",
    "requirements/requirements.txt",
    "requirements-prod.txt",
    "requirements_prod.txt",
)
# What of uv's settings says where packages come from, which pip does not read.
_ORIGINS = ("sources", "workspace", "index", "index-url", "extra-index-url", "find-links", "no-index")
_UNLOCKED = "There is no lock file: versions may change from build to build."
_OTHER = re.compile(r"requirements[/_-][\w.-]++(?<=\.txt)")
_PIP = "/venv/bin/python -m pip install"
_MOST_FILES = 10


@dataclass(frozen=True)
class Installed:
    """command: installs the dependencies, of `manifests` alone if there are any. app: installs the sources."""

    manager: str
    command: str = ""
    app: str = ""
    manifests: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def and_server(self, server: str) -> "Installed":
        """With a server that is not among the requirements."""
        add = f"{_PIP} {server}" if self.manager != "uv" else f"uv pip install --python /venv/bin/python {server}"
        command = f"{self.command} && {add}" if self.command else add
        notes = (*self.notes, f"{server} is not among the requirements; it is installed besides.")
        return Installed(self.manager, command, self.app, self.manifests, notes)


def names(required: Iterable[str]) -> set[str]:
    """As registries write them; with `[extra]` appended for each extra besides. required: as `listed` gives it."""
    return {each for line in required if (match := _NAME.match(line)) for each in _with_extras(match)}


def listed(files: Files, members: tuple[str, ...] = ()) -> list[str]:
    """All that is required, as it is written: `name[extra]==1.0`, or a name alone.

    members: folders of the workspace's packages that are installed with it.
    """
    found: list[str] = []
    for place in (files, *(files.below(member) for member in members)):
        project = read_toml(place, "pyproject.toml")
        found += _texts(table(project, "project").get("dependencies"))
        found += [name for name in table(project, "tool", "poetry", "dependencies") if name != "python"]
    found += [f"{name}{_extras(value)}" for name, value in table(read_toml(files, "Pipfile"), "packages").items()]
    for path in _read_files(files):
        found += [line for line in (files.read(path) or "").splitlines() if not line.lstrip().startswith(("#", "-"))]
    return found


def beside(files: Files) -> list[str]:
    """Paths of packages and of other files that are installed with what is in a folder, from that folder on."""
    project, pipfile = read_toml(files, "pyproject.toml"), read_toml(files, "Pipfile")
    poetry = table(project, "tool", "poetry")
    named = [table(project, "tool", "uv", "sources"), table(poetry, "dependencies"), table(poetry, "dev-dependencies")]
    # All groups are: Poetry looks for the packages of those that it does not install.
    named += [table(group, "dependencies") for group in table(poetry, "group").values()]
    named.append(table(pipfile, "packages"))
    values = [value for each in named for value in each.values()]
    values += [each for value in values if isinstance(value, list) for each in value]  # one for each platform
    found = [path for value in values if isinstance(value, dict) and isinstance(path := value.get("path"), str)]
    main = _main_file(files)
    return found + _OUTSIDE.findall((main and files.read(main)) or "")


def _texts(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else []


def _extras(value: Any) -> str:
    extras = value.get("extras") if isinstance(value, dict) else None
    return f"[{','.join(_texts(extras))}]" if extras else ""


def _with_extras(match: re.Match[str]) -> list[str]:
    name = normal(match[1])
    return [name, *(f"{name}[{extra.strip().lower()}]" for extra in (match[2] or "").split(",") if extra.strip())]


def normal(name: str) -> str:
    """As registries compare it."""
    return re.sub(r"[-_.]++", "-", name).lower()


def _main_file(files: Files) -> str:
    present = set(files.names())
    others = _other_files(files) if present.isdisjoint(("pyproject.toml", "Pipfile", "setup.py")) else []
    return next((path for path in _FILES if path in present), others[0] if len(others) == 1 else "")


def _other_files(files: Files) -> list[str]:
    """Files of requirements whose names do not say that they are for the server."""
    return [name for name in files.names() if name not in _FILES and _OTHER.fullmatch(name)]


def _read_files(files: Files) -> list[str]:
    """The file of requirements, and those that it names."""
    main = _main_file(files)
    found = [main] if main else []
    for path in found:
        for other in _OTHER_FILE.findall(files.read(path) or ""):
            folder = path.rpartition("/")[0]
            full = f"{folder}/{other}".lstrip("/") if not other.startswith("/") else ""
            if full not in found and len(found) < _MOST_FILES and exists(files, full):
                found.append(full)
    return found


def find(files: Files, package: str = "", members: tuple[str, ...] = ()) -> Installed:
    """By the lock, else by what names the requirements. package: of a uv workspace, if but one is wanted."""
    present = {name for name in files.names() if "/" not in name}
    project = read_toml(files, "pyproject.toml")
    if "uv.lock" in present:
        return _uv(project, package, members)
    if "poetry.lock" in present or (table(project, "tool", "poetry") and not _main_file(files)):
        return _poetry(project, "poetry.lock" in present)
    if "pdm.lock" in present:
        app = "pdm install --check --prod --no-editable" if _is_package(project) else ""
        return Installed("pdm", "pdm sync --prod --no-self", app, ("pyproject.toml", "pdm.lock"))
    if _main_file(files):
        return _pip(files)
    if "Pipfile" in present:
        if "Pipfile.lock" in present:
            return Installed("pipenv", "pipenv install --deploy --ignore-pipfile", "", ("Pipfile", "Pipfile.lock"))
        note = "There is no Pipfile.lock: versions may change from build to build."
        return Installed("pipenv", "pipenv install --skip-lock", "", ("Pipfile",), (note,))
    found = _by_project(project, present)
    others = [] if found.command or found.app else _other_files(files)
    note = f"Nothing is installed of {', '.join(others[:3])}: set an install command, or add a requirements.txt."
    return replace(found, notes=(*found.notes, note)) if others else found


def _is_package(project: dict[str, Any]) -> bool:
    tool = table(project, "tool", "uv").get("package")
    return bool(tool) if isinstance(tool, bool) else "build-system" in project


def _uv(project: dict[str, Any], package: str, members: tuple[str, ...]) -> Installed:
    one = f" --package {package}" if package else ""
    manifests = ("pyproject.toml", "uv.lock", *(f"{member}/pyproject.toml" for member in members))
    if not members and not _is_package(project):
        return Installed("uv", f"uv sync --locked --no-dev --no-install-project{one}", "", manifests)
    # The sources come later; whether the lock is in step with them can't be said before.
    first = f"uv sync --frozen --no-dev --no-install-workspace{one}"
    return Installed("uv", first, f"uv sync --locked --no-dev --no-editable --inexact{one}", manifests)


def _poetry(project: dict[str, Any], is_locked: bool) -> Installed:
    notes = () if is_locked else ("There is no poetry.lock: versions may change from build to build.",)
    manifests = ("pyproject.toml", "poetry.lock") if is_locked else ("pyproject.toml",)
    scripts = table(project, "project", "scripts") or table(project, "tool", "poetry", "scripts")
    app = "poetry install --only-root --no-interaction" if scripts else ""
    return Installed("poetry", "poetry install --only main --no-root --no-interaction", app, manifests, notes)


def _pip(files: Files) -> Installed:
    read = _read_files(files)
    texts = [files.read(path) or "" for path in read]
    named = sum(len(_OTHER_FILE.findall(text)) for text in texts)
    is_simple = not any(_LOCAL.search(text) for text in texts) and named == len(read) - 1
    is_simple = is_simple and all(_PATH.fullmatch(path) and ".." not in path for path in read)
    notes = () if read[0] in _FILES else (f"{read[0]} is installed: it is the only file of requirements.",)
    return Installed("pip", f"{_PIP} -r {read[0]}", "", tuple(read) if is_simple else (), notes)


def refuse_strangers(files: Files) -> None:
    """What uv has from elsewhere is never taken by pip from a registry, where anyone may publish its name.

    Errors: NoPlan.
    """
    sources = {normal(name) for name in table(read_toml(files, "pyproject.toml"), "tool", "uv", "sources")}
    lines = [line for path in _read_files(files) for line in (files.read(path) or "").splitlines()]
    # With an address behind it, it comes from there.
    named = [match[1] for line in lines if "@" not in line and (match := _NAME.match(line))]
    if found := [name for name in named if normal(name) in sources]:
        raise NoPlan(
            "a requirement would be fetched from a public registry, though pyproject.toml says it is elsewhere",
            "Run 'uv lock' and commit uv.lock, take it out of the file of requirements, or set an install command.",
            found[0],
        )


def _by_project(project: dict[str, Any], present: set[str]) -> Installed:
    if "project" in project and any(key in table(project, "tool", "uv") for key in _ORIGINS):
        # What it names may be anywhere in the source.
        return Installed("uv", "uv sync --no-dev --no-editable", notes=(_UNLOCKED,))
    if table(project, "tool", "pdm").get("source"):
        app = "pdm install --check --prod --no-editable" if _is_package(project) else ""
        return Installed("pdm", "pdm install --prod --no-self", app, ("pyproject.toml",), (_UNLOCKED,))
    direct = _texts(table(project, "project").get("dependencies"))
    is_dynamic = "dependencies" in _texts(table(project, "project").get("dynamic"))
    is_elsewhere = is_dynamic or "project" not in project  # in setup.cfg, or what else its build reads
    if "setup.py" in present or (_is_package(project) and is_elsewhere):
        return Installed("pip", f"{_PIP} .")
    notes = (_UNLOCKED,) if direct else ()
    command = f"{_PIP} {shlex.join(direct)}" if direct else ""
    # Without a build system the sources are no package: they run where they are.
    app = f"{_PIP} --no-deps ." if _is_package(project) else ""
    return Installed("pip", command, app, ("pyproject.toml",) if command else (), notes)
