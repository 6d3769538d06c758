"""Go: a module whose main package is at the top or below cmd/, or one of a workspace."""

import posixpath
import re
from dataclasses import replace

from better_paas.builders import procfile, versions
from better_paas.builders.files import Files, exists
from better_paas.builders.folders import parents, with_neighbours
from better_paas.builders.plan import BuildPlan, NoApp, NoPlan, Overrides

_BINARY = procfile.BINARY
_MAIN = re.compile(r"^package main\b", re.MULTILINE)
_BY_HAND = re.compile(r"^//(?:go:| ?\+)build ignore\b", re.MULTILINE)
_OF_OTHERS = (
    *("package.json", "requirements.txt", "pyproject.toml", "Pipfile", "manage.py", "composer.json", "Gemfile"),
    *("Cargo.toml", "deno.json", "mix.exs", "pom.xml", "build.gradle", "index.html", "index.php"),
)
_PROGRAM_FOLDER = re.compile(r"(?:cmd/[^/]++(?:/[^/]++)?)?")
_MOST_SOURCES = 20
# What stands before the package clause: a licence, and what the package is for.
_LONGEST_PREAMBLE = 64 * 1024
# What the server is called among several programs.
_SERVERS = ("server", "web", "app", "api")
_FOLDER = re.compile(r"[\w.-]++(?>/[\w.-]++)*+")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Go module. Errors: NoPlan if it has no program, or several to choose from."""
    if not exists(files, "go.mod"):
        return _of_workspace(files, overrides) if exists(files, "go.work") else None
    return _plan(files, "", overrides)


def top_of(tree: Files, folder: str) -> str | None:
    """The folder from which the module in `folder` can be built: its workspace's, or one that has what it replaces.

    A program in a folder of a module is built from where that module can be.
    """
    place = _module_of(tree, folder)
    if place is None or not _FOLDER.fullmatch(folder):
        return None
    if place != folder and (_is_of_others(tree, folder) or not _programs(tree.below(folder))):
        return None
    for parent in parents(place):
        if posixpath.relpath(place, parent or ".") in _used(tree.below(parent).read("go.work") or ""):
            return parent
    # What else is replaced counts for the module that is built alone.
    replaced = _replaced(tree.below(place).read("go.mod") or "")
    found = with_neighbours(place, lambda at: replaced if at == place else []) if place else None
    return place if found is None and place != folder else found


def _is_of_others(tree: Files, folder: str) -> bool:
    """Whether a folder of a module has what names another language: its program of Go is a tool."""
    return any(exists(tree, f"{folder}/{name}") for name in _OF_OTHERS)


def _module_of(tree: Files, folder: str) -> str | None:
    """The folder of the module that `folder` belongs to."""
    return next((place for place in (folder, *parents(folder)) if exists(tree.below(place), "go.mod")), None)


def member(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    """The plan of a module, or of a program in a folder of one, from where all that it needs is. Errors: NoPlan."""
    return _plan(top, folder, overrides)


def _of_workspace(files: Files, overrides: Overrides) -> BuildPlan:
    """The one program of a workspace."""
    modules = [folder for folder in _used(files.read("go.work") or "") if exists(files, f"{folder}/go.mod")]
    found = []
    for folder in modules:
        try:
            found.append(_plan(files, folder, overrides))
        except NoPlan:
            continue
    if len(found) > 1:
        found = [plan for plan in found if plan.folder.split("/")[-1] in _SERVERS] or found
    if len(found) != 1:
        raise NoPlan(
            "this Go workspace has no program, or several" if modules else "go.work names no module that is there",
            "Set the root directory to the folder of the one to run.",
            ", ".join(plan.folder for plan in found),
        )
    return replace(
        found[0], notes=(*found[0].notes, f"{found[0].folder} is the program of this workspace that is run.")
    )


def _used(work: str) -> list[str]:
    """Folders that a go.work names."""
    block = re.search(r"^use \(([^)]*+)\)", work, re.MULTILINE)
    lines = (block[1].splitlines() if block else []) + re.findall(r"^use ([^(\s]++)", work, re.MULTILINE)
    folders = [posixpath.normpath(line.partition("//")[0].strip().strip('"')) for line in lines if line.strip()]
    return [folder for folder in folders if _FOLDER.fullmatch(folder) and not folder.startswith("..")]


def _replaced(module: str) -> list[str]:
    return [line.partition("=>")[2].split()[0] for line in module.splitlines() if line.partition("=>")[2].strip()]


def _plan(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    files = top.below(folder)
    place = _module_of(top, folder)
    module = top.below(place or "").read("go.mod") or ""
    wanted = posixpath.basename(procfile.sole_program(files, overrides, "go"))
    # Its driver is C, and fails when it is asked for something where it was left out.
    needs_c = "github.com/mattn/go-sqlite3 " in module
    compiler = "CGO_ENABLED=1 " if needs_c else ""
    main = _main_package(files, wanted)
    build = overrides.build_command or f"{compiler}go build -trimpath -o {_BINARY} {main}"
    # A module that needs nothing has nothing to fetch; a workspace is fetched by the build, with the members at hand.
    needs = "require" in module and not place and not exists(top, "vendor/modules.txt")
    manifests = tuple(name for name in ("go.mod", "go.sum") if exists(top, name))
    local = any(target.startswith(".") for target in _replaced(module))
    return BuildPlan(
        runtime="go",
        version=versions.parts(overrides.versions.get("go") or versions.pinned("go|golang", files, top))
        or wanted_version(module),
        framework=_framework(module),
        install=overrides.install_command or ("go mod download" if needs else ""),
        build=build,
        start=procfile.start(files, overrides, _BINARY, "go"),
        folder=folder,
        build_packages=("gcc", "libc6-dev") if needs_c else (),
        manifests=() if local or overrides.install_command or not needs else manifests,
    )


def wanted_version(module: str) -> str:
    """`1.N` of the toolchain or go line; "" if there is none."""
    found = re.search(r"^toolchain go(\d+\.\d+)", module, re.MULTILINE) or re.search(
        r"^go (\d+\.\d+)", module, re.MULTILINE
    )
    return found[1] if found else ""


def _programs(files: Files) -> list[str]:
    """Folders of main packages. By place before anything is read: a module may have ten thousand files."""
    likely: dict[str, list[str]] = {}
    for name in sorted(set(files.names())):
        folder = name.rpartition("/")[0]
        if name.endswith(".go") and not name.endswith("_test.go") and _PROGRAM_FOLDER.fullmatch(folder):
            likely.setdefault(folder, []).append(name)
    return [folder for folder, sources in sorted(likely.items()) if _has_main(files, sources)]


def _main_package(files: Files, wanted: str) -> str:
    """wanted: the program that the Procfile starts; "" if none."""
    programs = _programs(files)
    named = [folder for folder in programs if wanted and posixpath.basename(folder) == wanted]
    if len(named) == 1:
        return f"./{named[0]}"
    if "" in programs:
        return "."
    if len(programs) == 1:
        return f"./{programs[0]}"
    preferred = next((folder for folder in programs if folder.split("/")[-1] in _SERVERS), None)
    if preferred is not None:
        return f"./{preferred}"
    raise (NoPlan if programs else NoApp)(
        "this Go module has no main package at the top, nor one in cmd/ that is clearly the server",
        f"Set the root directory to its folder, or a build command such as 'go build -o {_BINARY} ./cmd/<name>'.",
        f"programs: {', '.join(programs)}" if programs else "",
    )


def _has_main(files: Files, sources: list[str]) -> bool:
    """All files of a folder are of one package, but for a few that are run by hand."""
    texts = (files.head(name, _LONGEST_PREAMBLE) or "" for name in sources[:_MOST_SOURCES])
    return any(_MAIN.search(text) and not _BY_HAND.search(text) for text in texts)


def _framework(module: str) -> str:
    known = {"gin-gonic/gin": "Gin", "labstack/echo": "Echo", "gofiber/fiber": "Fiber", "go-chi/chi": "chi"}
    return next((name for path, name in known.items() if path in module), "")
