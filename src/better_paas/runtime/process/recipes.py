"""From a plan to the commands that build and start it without images. Pure."""

from dataclasses import dataclass, field

from better_paas.builders.dockerfile import for_install, site_check
from better_paas.builders.languages import PYTHON_MANAGERS
from better_paas.builders.plan import BuildPlan, NoPlan

# What runs where there is no engine; all else needs one.
LANGUAGES = ("python", "node", "static")
_HINT = "Install a Docker engine, set RUNTIME=docker, and deploy again."


@dataclass(frozen=True)
class Recipe:
    """install, build: argv lists, one after the other; only those of build get the app's variables.

    start: argv of the main process. environment: of all.
    """

    install: list[list[str]]
    build: list[list[str]]
    start: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def recipe(plan: BuildPlan, python: str, caddy: str) -> Recipe:
    """Paths are those of images: /app, /tools, /venv. Errors: NoPlan for what needs an engine."""
    if plan.runtime not in LANGUAGES:
        what = "an own Dockerfile" if plan.runtime == "dockerfile" else plan.summary.partition(" · ")[0]
        raise NoPlan(f"{what} can't be built without a Docker engine", _HINT)
    if plan.tools:
        raise NoPlan("a second language can't be had without a Docker engine", _HINT, ", ".join(plan.tools))
    if plan.runtime == "python":
        return _python(plan, python)
    made = _python(plan, python) if plan.language == "python" else _node(plan)
    if plan.runtime == "static":
        start = [caddy, "run", "--config", "/site/Caddyfile", "--adapter", "caddyfile"]
        own = {**made.environment, "XDG_DATA_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"}  # noqa: S108  # of the sandbox
        return Recipe(made.install, made.build, start, own)
    return Recipe(made.install, made.build, _within(plan, plan.start), {**made.environment, "NODE_ENV": "production"})


def shell(text: str) -> list[str]:
    """A command of the app's own, as a container would be given it."""
    return ["/bin/sh", "-c", text]


def _python(plan: BuildPlan, python: str) -> Recipe:
    install = [[python, "-m", "venv", "/venv/"]]
    if plan.package_manager in PYTHON_MANAGERS:
        install += [[python, "-m", "venv", "/tools/manager/"]]
        install += [["/tools/manager/bin/python", "-m", "pip", "install", plan.package_manager]]
    install += _install(plan)
    environment = {
        "PATH": "/venv/bin:/tools/manager/bin:",
        "VIRTUAL_ENV": "/venv/",
        "UV_PROJECT_ENVIRONMENT": "/venv/",
        "UV_LINK_MODE": "copy",
        "POETRY_VIRTUALENVS_CREATE": "false",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",
        **plan.environment,
    }
    return Recipe(install, _build(plan), _within(plan, plan.start), environment)


def _node(plan: BuildPlan) -> Recipe:
    manager = ["npm", "install", "--global", "--prefix", "/tools/", plan.manager_package]
    install = [manager] if plan.manager_package else []
    install += _install(plan)
    environment = {
        "PATH": "/tools/bin:/app/node_modules/.bin:",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
        "TURBO_TELEMETRY_DISABLED": "1",
        "CI": "true",
        **plan.environment,
    }
    return Recipe(install, _build(plan), [], environment)


def _install(plan: BuildPlan) -> list[list[str]]:
    return [shell(command) for command in (for_install(plan), plan.install_app) if command]


def _build(plan: BuildPlan) -> list[list[str]]:
    build = [_within(plan, plan.build)] if plan.build else []
    made = plan.runtime == "static" and (plan.build or plan.install)
    return [*build, _within(plan, site_check(plan.output))] if made else build


def _within(plan: BuildPlan, command: str) -> list[str]:
    """Where the app is: a member of a workspace is not at its top."""
    return shell(f"cd {plan.folder} && {command}" if plan.folder else command)
