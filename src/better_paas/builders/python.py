"""Python: pip, uv or poetry; Flask, FastAPI, Django, or a program of its own."""

import re

from better_paas.builders import procfile
from better_paas.builders.files import Files, read_toml, table
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

DEFAULT_VERSION = "3.11"
_MANIFESTS = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py")
_ENTRY_FILES = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "run.py", "api.py")
_PROGRAM = re.compile(r"(python3?|gunicorn|uvicorn|hypercorn|daphne|celery)\s")
_APPLICATION = re.compile(r"^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:\w+\.)?(Flask|FastAPI)\(", re.MULTILINE)
_FACTORY = re.compile(r"^def (create_app|make_app)\(", re.MULTILINE)
_LOCAL_REQUIREMENT = re.compile(r"^\s*(-e|--editable|-r|-c|--requirement|--constraint|\.|file:|[./])", re.MULTILINE)


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Python app. Errors: NoPlan if it is one that can't be started."""
    names = set(files.names())
    top = {name for name in names if "/" not in name}
    scripts = [name for name in _ENTRY_FILES if name in top]
    if (
        not top.intersection(_MANIFESTS)
        and "manage.py" not in top
        and not scripts
        and not _procfile_says_so(files, top)
    ):
        return None
    manager, install, manifests, notes = _install(files, top)
    requirements = _requirement_text(files)
    framework, start, server = _start(files, names, requirements)
    if server and not re.search(rf"(?mi)^[\"'\s]*{server}\b", requirements):
        notes.append(f"{server} is not among the requirements; it is installed besides.")
        add = f"/venv/bin/python -m pip install {server}"
        if manager == "uv":
            add = f"uv pip install --python /venv/bin/python {server}"
        install = f"{install} && {add}" if install else add
    if version_note := _pinned_elsewhere(top):
        notes.append(version_note)
    chosen = procfile.start(files, overrides, start)
    if not chosen:
        raise NoPlan(
            "this is a Python app, but nothing says how to start it",
            "Set a start command, or add a Procfile with a line such as 'web: python main.py'.",
        )
    build = overrides.build_command
    if not build and framework == "Django" and _has_static_root(files):
        build = "SECRET_KEY=build python manage.py collectstatic --noinput"
    return BuildPlan(
        runtime="python",
        version=wanted_version(files),
        framework=framework,
        package_manager=manager,
        install=overrides.install_command or install,
        build=build,
        start=chosen,
        manifests=() if overrides.install_command else manifests,
        notes=tuple(notes),
    )


def _procfile_says_so(files: Files, top: set[str]) -> bool:
    runs_python = any(_PROGRAM.match(command) for command in procfile.commands(files).values())
    return runs_python and any(name.endswith(".py") for name in top)


def wanted_version(files: Files) -> str:
    """`3.N` from .python-version, runtime.txt or a lower bound in pyproject.toml; else the default."""
    for path in (".python-version", "runtime.txt"):
        if match := re.search(r"3\.(\d{1,2})", files.read(path) or ""):
            return f"3.{match[1]}"
    wanted = str(table(read_toml(files, "pyproject.toml"), "project").get("requires-python") or "")
    poetry = table(read_toml(files, "pyproject.toml"), "tool", "poetry", "dependencies").get("python")
    wanted = wanted or (poetry if isinstance(poetry, str) else "")
    default = int(DEFAULT_VERSION.split(".")[1])
    if match := re.search(r"(==|~=|\^|>=|>)?\s*3\.(\d{1,2})", wanted):
        lower = int(match[2]) + (1 if match[1] == ">" else 0)
        if match[1] == "==" or lower > default:
            return f"3.{lower}"
        if upper := re.search(r"<\s*3\.(\d{1,2})", wanted):
            return f"3.{min(default, int(upper[1]) - 1)}"
    return DEFAULT_VERSION


def _install(files: Files, top: set[str]) -> tuple[str, str, tuple[str, ...], list[str]]:
    """(package manager, command, files that it needs, notes)."""
    if "uv.lock" in top:
        return "uv", "uv sync --frozen --no-dev --no-install-project", ("pyproject.toml", "uv.lock"), []
    if "poetry.lock" in top:
        command = "poetry install --only main --no-root --no-interaction"
        return "poetry", command, ("pyproject.toml", "poetry.lock"), []
    if "requirements.txt" in top:
        simple = not _LOCAL_REQUIREMENT.search(files.read("requirements.txt") or "")
        command = "/venv/bin/python -m pip install -r requirements.txt"
        return "pip", command, ("requirements.txt",) if simple else (), []
    if "pyproject.toml" in top:
        project = read_toml(files, "pyproject.toml")
        if table(project, "tool", "poetry"):
            notes = ["There is no poetry.lock: versions may change from build to build."]
            return "poetry", "poetry install --only main --no-root --no-interaction", ("pyproject.toml",), notes
        if table(project, "project") or table(project, "build-system"):
            return "pip", "/venv/bin/python -m pip install .", (), []
    if "setup.py" in top:
        return "pip", "/venv/bin/python -m pip install .", (), []
    if "Pipfile" in top:
        raise NoPlan("this app uses Pipenv", "Add a requirements.txt ('pipenv requirements > requirements.txt').")
    return "pip", "", (), []


def _start(files: Files, names: set[str], requirements: str) -> tuple[str, str, str]:
    """(framework, start command, server that it needs)."""
    for path in sorted((name for name in names if name.endswith("wsgi.py")), key=lambda name: name.count("/")):
        if "manage.py" in names and "django" in (files.read(path) or ""):
            module = path.removesuffix(".py").replace("/", ".")
            return "Django", f"gunicorn {module}:application --bind 0.0.0.0:$PORT", "gunicorn"
    for path in _candidates(names):
        text = files.read(path) or ""
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        in_source = module.startswith("src.")
        folder = " --app-dir src" if in_source else ""
        chdir = " --chdir src" if in_source else ""
        module = module.removeprefix("src.")
        if match := _APPLICATION.search(text):
            if match[2] == "FastAPI":
                return "FastAPI", f"uvicorn {module}:{match[1]} --host 0.0.0.0 --port $PORT{folder}", "uvicorn"
            return "Flask", f"gunicorn {module}:{match[1]} --bind 0.0.0.0:$PORT{chdir}", "gunicorn"
        if (match := _FACTORY.search(text)) and re.search(r"(?mi)^[\"'\s]*flask\b", requirements):
            return "Flask", f"gunicorn '{module}:{match[1]}()' --bind 0.0.0.0:$PORT{chdir}", "gunicorn"
    for path in ("main.py", "app.py", "server.py", "run.py"):
        if path in names:
            return "", f"python {path}", ""
    return "", "", ""


def _candidates(names: set[str]) -> list[str]:
    top = [name for name in _ENTRY_FILES if name in names]
    nested = [
        name
        for name in names
        if name.count("/") in (1, 2)
        and name.rsplit("/", 1)[1] in {*_ENTRY_FILES, "__init__.py"}
        and not name.startswith(("tests/", "test/", "docs/", "examples/"))
    ]
    return top + sorted(nested, key=lambda name: (name.count("/"), name))


def _requirement_text(files: Files) -> str:
    """One requirement a line, from wherever this app names them."""
    project = read_toml(files, "pyproject.toml")
    named = table(project, "project").get("dependencies")
    lines = [str(entry) for entry in named] if isinstance(named, list) else []
    lines += list(table(project, "tool", "poetry", "dependencies"))
    return "\n".join([files.read("requirements.txt") or "", *lines])


def _has_static_root(files: Files) -> bool:
    return any("STATIC_ROOT" in (files.read(name) or "") for name in files.names() if name.endswith("settings.py"))


def _pinned_elsewhere(top: set[str]) -> str:
    return "environment.yml is not used: Conda is not supported." if "environment.yml" in top else ""
