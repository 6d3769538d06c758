"""Go: a module whose main package is at the top or below cmd/."""

import re

from better_paas.builders import procfile
from better_paas.builders.files import Files
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_BINARY = "/app/bin/app"
_MAIN = re.compile(r"^package main\b", re.MULTILINE)


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Go module. Errors: NoPlan if it has no program, or several to choose from."""
    module = files.read("go.mod")
    if module is None:
        return None
    names = set(files.names())
    build = overrides.build_command or f"go build -trimpath -o {_BINARY} {_main_package(files, names)}"
    # A module that needs nothing has nothing to fetch.
    needs = "require" in module and "vendor/modules.txt" not in names
    manifests = tuple(name for name in ("go.mod", "go.sum") if name in names)
    local = bool(re.search(r"^\s*(replace\b.*)?=>\s*\.", module, re.MULTILINE))
    return BuildPlan(
        runtime="go",
        version=wanted_version(module),
        framework=_framework(module),
        install=overrides.install_command or ("go mod download" if needs else ""),
        build=build,
        start=procfile.start(files, overrides, _BINARY),
        manifests=() if local or overrides.install_command or not needs else manifests,
    )


def wanted_version(module: str) -> str:
    """`1.N` of the toolchain or go line; "" if there is none."""
    found = re.search(r"^toolchain go(\d+\.\d+)", module, re.MULTILINE) or re.search(
        r"^go (\d+\.\d+)", module, re.MULTILINE
    )
    return found[1] if found else ""


def _main_package(files: Files, names: set[str]) -> str:
    sources = sorted(name for name in names if name.endswith(".go") and not name.endswith("_test.go"))
    folders = {name.rpartition("/")[0] for name in sources if _MAIN.search(files.read(name) or "")}
    if "" in folders:
        return "."
    programs = sorted(folder for folder in folders if folder.startswith("cmd/"))
    if len(programs) == 1:
        return f"./{programs[0]}"
    preferred = next((folder for folder in programs if folder.split("/")[-1] in ("server", "web", "app", "api")), None)
    if preferred is not None:
        return f"./{preferred}"
    raise NoPlan(
        "this Go module has no main package at the top, nor one in cmd/ that is clearly the server",
        f"Set a build command such as 'go build -o {_BINARY} ./cmd/<name>'. Programs: {', '.join(programs) or 'none'}.",
    )


def _framework(module: str) -> str:
    known = {"gin-gonic/gin": "Gin", "labstack/echo": "Echo", "gofiber/fiber": "Fiber", "go-chi/chi": "chi"}
    return next((name for path, name in known.items() if path in module), "")
