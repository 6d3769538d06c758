"""How a Python app is started, by what its sources say."""

import re
from dataclasses import dataclass

from better_paas.builders.files import Files

ENTRY_FILES = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "run.py", "api.py", "application.py")
PROGRAMS = ("main.py", "app.py", "server.py", "run.py", "bot.py", "__main__.py")
_APPLICATION = re.compile(
    r"^(\w++)[ \t]*+(?>:[ \t]*+[\w.]++[ \t]*+)?+=[ \t]*+(?>\w++\.)?+"
    r"(Flask|FastAPI|Quart|Starlette|Litestar|FastHTML|Sanic|Dash)\(",
    re.MULTILINE,
)
_FAST_APP = re.compile(r"^(\w++)[ \t]*+,[^=\n]*+=[ \t]*+(?>\w++\.)?+fast_app\(", re.MULTILINE)
_DASH_SERVER = re.compile(r"^(\w++)[ \t]*+=[ \t]*+\w++\.server\b", re.MULTILINE)
_CELERY = re.compile(r"^(\w++)[ \t]*+=[ \t]*+(?>\w++\.)?+Celery\(", re.MULTILINE)
_MADE = re.compile(
    r"^(\w++)[ \t]*+(?>:[ \t]*+[\w.]++[ \t]*+)?+=[ \t]*+(?>\w++\.)?+(?:create|make|build|get)_app(?:lication)?\(",
    re.MULTILINE,
)
_FACTORY = re.compile(r"^def (create_app|make_app)\(", re.MULTILINE)
_ASYNCHRONOUS = ("FastAPI", "Quart", "Starlette", "Litestar", "FastHTML")
# Of each kind of files so many are looked into, those nearest to the top: there may be ten thousand.
_MOST_CANDIDATES = 200
# Packages of what serves, or shows pages.
KNOWN = frozenset(
    [
        *("django", "python-fasthtml", "sanic", "dash", "flask", "streamlit", "chainlit", "gradio"),
        *(name.lower() for name in _ASYNCHRONOUS),
    ]
)
_NO_APP = ("tests/", "test/", "docs/", "examples/", "migrations/")
# Programs that are handed a file. {file}: its path.
_HANDED = {
    "streamlit": (
        "Streamlit",
        "streamlit run {file} --server.address 0.0.0.0 --server.port $PORT --server.headless true",
    ),
    "chainlit": ("Chainlit", "chainlit run {file} --host 0.0.0.0 --port $PORT --headless"),
    "gradio": ("Gradio", "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python {file}"),
}


@dataclass(frozen=True)
class Start:
    """server: what the command needs, by the name of its package. is_worker: it serves no requests."""

    framework: str
    command: str
    server: str = ""
    is_worker: bool = False


def find(files: Files, required: set[str], scripts: list[str]) -> Start | None:
    """required: names of the requirements. scripts: programs that the installed app has."""
    names = set(files.names())
    return (
        _django(files, names, required)
        or _handed(files, names, required)
        or _application(files, names, required)
        or _program(names, scripts)
        or _celery(files, names, required)
    )


def celery_app(files: Files, required: set[str]) -> str:
    """The module of the app's Celery; "" if it has none."""
    if "celery" not in required:
        return ""
    names = [name for name in files.names() if name.endswith(".py") and name.count("/") < 4]
    likely = ("celery.py", "celery_app.py", "tasks.py", "worker.py", "celeryapp.py", *ENTRY_FILES)
    paths = [name for name in names if name.rpartition("/")[2] in likely and not name.startswith(_NO_APP)]
    for path in paths[:_MOST_CANDIDATES]:
        if match := _CELERY.search(files.head(path) or ""):
            return f"{_module(path)}:{match[1]}"
    return ""


def manage_folder(names: set[str]) -> str | None:
    """Where Django's manage.py is: "" for the top, a folder below it if that alone has one, None if there is none."""
    if "manage.py" in names:
        return ""
    folders = [name.rpartition("/")[0] for name in names if name.endswith("/manage.py") and name.count("/") == 1]
    return folders[0] if len(folders) == 1 and re.fullmatch(r"[\w.-]+", folders[0]) else None


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".").removeprefix("src.")


def _django(files: Files, names: set[str], required: set[str]) -> Start | None:
    folder = manage_folder(names)
    if folder is None:
        return None
    inside = {name.removeprefix(f"{folder}/") if folder else name for name in names if name.startswith(folder)}
    asynchronous = "daphne" in required or "channels" in required
    kind = "asgi.py" if asynchronous else "wsgi.py"
    for path in sorted((name for name in inside if name.endswith(kind)), key=_by_depth)[:_MOST_CANDIDATES]:
        full = f"{folder}/{path}" if folder else path
        if "django" not in (files.head(full) or "") or not re.fullmatch(r"[\w/.]+", full):
            continue
        if asynchronous:
            place = f" --app-dir {folder}" if folder else ""
            command = f"uvicorn {_module(path)}:application --host 0.0.0.0 --port $PORT{place}"
            return Start("Django", command, "uvicorn")
        place = f" --chdir {folder}" if folder else ""
        return Start("Django", f"gunicorn {_module(path)}:application --bind 0.0.0.0:$PORT{place}", "gunicorn")
    return None


def _handed(files: Files, names: set[str], required: set[str]) -> Start | None:
    for package, (framework, command) in _HANDED.items():
        if package not in required:
            continue
        likely = [f"{package}_app.py", "app.py", "main.py", "Home.py", "home.py", "Main.py", "demo.py"]
        others = [name for name in names if name.endswith(".py") and name.count("/") < 2]
        # Pages of Streamlit are shown by the one that is started.
        others = [name for name in others if not name.startswith("pages/")]
        likely += sorted(others, key=_by_depth)[:_MOST_CANDIDATES]
        for path in dict.fromkeys(likely):
            if path in names and re.fullmatch(r"[\w./-]+", path) and not path.startswith(_NO_APP):
                text = files.head(path) or ""
                if re.search(rf"^(?:import|from) {package}\b", text, re.MULTILINE) and not _APPLICATION.search(text):
                    return Start(framework, command.format(file=path))
    return None


def _candidates(names: set[str]) -> list[str]:
    top = [name for name in ENTRY_FILES if name in names]
    nested = [
        name
        for name in names
        if name.count("/") in (1, 2)
        and name.rsplit("/", 1)[1] in {*ENTRY_FILES, "__init__.py"}
        and not name.startswith(_NO_APP)
        and re.fullmatch(r"[\w./]+", name)
    ]
    nested.sort(key=_by_depth)
    # Every package has the one kind: however many there are, they leave room for the other.
    packages = [name for name in nested if name.endswith("/__init__.py")][:_MOST_CANDIDATES]
    others = [name for name in nested if not name.endswith("/__init__.py")][:_MOST_CANDIDATES]
    return top + sorted(packages + others, key=_by_depth)


def _by_depth(name: str) -> tuple[int, str]:
    return name.count("/"), name


def _application(files: Files, names: set[str], required: set[str]) -> Start | None:
    for path in _candidates(names):
        text = files.head(path) or ""
        in_source = path.startswith("src/") and "src/__init__.py" not in names
        is_package = path.startswith("src/") and not in_source and path != "src/__init__.py"
        module = f"src.{_module(path)}" if is_package else _module(path)
        found = _APPLICATION.search(text)
        name, framework = (found[1], found[2]) if found else ("", "")
        if not found and (fast := _FAST_APP.search(text)):
            name, framework = fast[1], "FastHTML"
        if framework in _ASYNCHRONOUS:
            folder = " --app-dir src" if in_source else ""
            return Start(framework, f"uvicorn {module}:{name} --host 0.0.0.0 --port $PORT{folder}", "uvicorn")
        if not found and (made := _by_factory(text, module, required, in_source)):
            return made
        chdir = " --chdir src" if in_source else ""
        if framework == "Flask":
            return Start("Flask", f"gunicorn {module}:{name} --bind 0.0.0.0:$PORT{chdir}", "gunicorn")
        if framework == "Sanic":
            return Start("Sanic", f"sanic {module}:{name} --host 0.0.0.0 --port $PORT")
        if framework == "Dash":
            return _dash(path, module, text, chdir)
    return None


def _by_factory(text: str, module: str, required: set[str], in_source: bool) -> Start | None:
    """For an app that a function makes, which the module calls or only has."""
    made, factory = _MADE.search(text), _FACTORY.search(text)
    if not made and not factory:
        return None
    if "flask" in required:
        app = made[1] if made else f"{factory[1]}()" if factory else ""
        app = f"{module}:{app}" if made else f"'{module}:{app}'"
        return Start("Flask", f"gunicorn {app} --bind 0.0.0.0:$PORT{' --chdir src' if in_source else ''}", "gunicorn")
    framework = next((each for each in _ASYNCHRONOUS if each.lower() in required), None)
    if framework is None:
        return None
    app = made[1] if made else f"{factory[1]} --factory" if factory else ""
    folder = " --app-dir src" if in_source else ""
    return Start(framework, f"uvicorn {module}:{app} --host 0.0.0.0 --port $PORT{folder}", "uvicorn")


def _dash(path: str, module: str, text: str, chdir: str) -> Start:
    """By gunicorn where its Flask is at hand, else by its own server, which reads HOST and PORT."""
    if match := _DASH_SERVER.search(text):
        return Start("Dash", f"gunicorn {module}:{match[1]} --bind 0.0.0.0:$PORT{chdir}", "gunicorn")
    return Start("Dash", f"HOST=0.0.0.0 DASH_DEBUG=false python {path}")


def _program(names: set[str], scripts: list[str]) -> Start | None:
    for path in PROGRAMS:
        if path in names:
            return Start("", f"python {path}")
    if len(scripts) == 1:
        return Start("", scripts[0])
    packages = sorted(
        name.removeprefix("src/").removesuffix("/__main__.py")
        for name in names
        if name.endswith("/__main__.py") and name.removeprefix("src/").count("/") == 1 and not name.startswith(_NO_APP)
    )
    if len(packages) == 1 and re.fullmatch(r"\w+", packages[0]):
        in_source = f"src/{packages[0]}/__main__.py" in names
        return Start("", f"{'PYTHONPATH=src ' if in_source else ''}python -m {packages[0]}")
    return None


def _celery(files: Files, names: set[str], required: set[str]) -> Start | None:
    app = celery_app(files, required)
    return Start("Celery", f"celery -A {app} worker --loglevel info", is_worker=True) if app else None
