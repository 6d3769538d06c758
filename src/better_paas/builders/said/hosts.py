"""What people wrote for other hosts: app.json, heroku.yml, railway.json, render.yaml, fly.toml, netlify.toml."""

from typing import Any

from better_paas.builders.files import Files, read_json, read_toml, read_yaml, table
from better_paas.builders.plan import Overrides
from better_paas.builders.said.wish import Said, by_name, commands, number, text, to_be_set, unread, variables

_MAIN = ("web", "app")
# Variables that tell the builders of Render and Netlify which version of a language to use.
_VERSIONS = {
    "ELIXIR_VERSION": "elixir",
    "GO_VERSION": "go",
    "NODE_VERSION": "node",
    "PHP_VERSION": "php",
    "PYTHON_VERSION": "python",
    "RUBY_VERSION": "ruby",
}
# Keys of a service that are read, or that say nothing of building and running.
_OF_RENDER = (
    *(
        "type",
        "name",
        "runtime",
        "env",
        "envVars",
        "buildCommand",
        "startCommand",
        "preDeployCommand",
        "branch",
        "repo",
    ),
    *("healthCheckPath", "dockerfilePath", "staticPublishPath", "plan", "region", "autoDeploy", "rootDir"),
)


def _processes(named: dict[str, str]) -> tuple[str, dict[str, str]]:
    """(the main one's command, the others')."""
    main = next((name for name in _MAIN if name in named), next(iter(named), "") if len(named) == 1 else "")
    return named.get(main, ""), {name: command for name, command in named.items() if name != main}


def _parted(values: Any) -> tuple[dict[str, str], dict[str, str]]:
    """(variables of the app, versions by language)."""
    plain = variables(values)
    named = {_VERSIONS[name]: value.strip() for name, value in plain.items() if name in _VERSIONS}
    return {name: value for name, value in plain.items() if name not in _VERSIONS}, named


def app_json(files: Files) -> Said:
    data = read_json(files, "app.json")
    if "expo" in data:  # another file of the same name
        return Said()
    env = table(data, "env")
    values = {name: each.get("value") if isinstance(each, dict) else each for name, each in env.items()}
    known = ("env", "name", "description", "keywords", "website", "repository", "logo", "success_url")
    required = {name: values[name] for name, each in env.items() if _is_required(each)}
    notes = unread("app.json", data, *known) + to_be_set("app.json", required)
    return Said(Overrides(environment=variables(values)), notes)


def _is_required(each: Any) -> bool:
    return isinstance(each, dict) and each.get("required") is not False


def heroku(files: Files) -> Said:
    data = read_yaml(files, "heroku.yml")
    docker, run = table(data, "build", "docker"), table(data, "run")
    named = by_name(run)
    start, processes = _processes(named)
    notes = unread("heroku.yml", data, "build", "run", "release")
    notes += unread("heroku.yml build", table(data, "build"), "docker", "config")
    notes += unread("heroku.yml build.docker", docker, "web")
    notes += unread("heroku.yml run", run, *named)
    notes += unread("heroku.yml", _beside_command({f"run.{name}": run[name] for name in run}))
    notes += unread("heroku.yml", _beside_command({"release": data.get("release")}))
    return Said(
        Overrides(
            dockerfile_path=text(docker.get("web")),
            build_args=variables(table(data, "build", "config")),
            start_command=start,
            processes=processes,
            release_command=commands(table(data, "release").get("command")),
        ),
        notes,
    )


def _beside_command(processes: dict[str, Any]) -> dict[str, Any]:
    """What processes have besides; all of them run in the image of the main one."""
    return {
        f"{name}.{key}": value
        for name in processes
        for key, value in table(processes, name).items()
        if key != "command" and (key, value) != ("image", "web")
    }


def railway(files: Files) -> Said:
    name = "railway.json" if files.read("railway.json") is not None else "railway.toml"
    data = read_json(files, name) if name.endswith("json") else read_toml(files, name)
    build, deploy = table(data, "build"), table(data, "deploy")
    notes = unread(name, data, "build", "deploy")
    notes += unread(f"{name} build", build, "builder", "buildCommand", "dockerfilePath", "watchPatterns")
    read = ("startCommand", "preDeployCommand", "healthcheckPath")
    notes += unread(f"{name} deploy", deploy, *read, "restartPolicyType", "restartPolicyMaxRetries", "runtime")
    return Said(
        Overrides(
            dockerfile_path=text(build.get("dockerfilePath")),
            build_command=text(build.get("buildCommand")),
            start_command=text(deploy.get("startCommand")),
            release_command=commands(deploy.get("preDeployCommand")),
            health_path=text(deploy.get("healthcheckPath")),
        ),
        notes,
    )


def render(files: Files) -> Said:
    data = read_yaml(files, "render.yaml")
    listed = data.get("services")
    services = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    # What another folder says is no business of the app that is here.
    here = [each for each in services if not text(each.get("rootDir")).strip("./")]
    chosen = next((each for each in here if each.get("type") in ("web", "static")), {})
    chosen = chosen or (here[0] if here else {})
    others = [str(each.get("name")) for each in services if each is not chosen]
    env = chosen.get("envVars")
    listed = [each for each in env if isinstance(each, dict)] if isinstance(env, list) else []
    values = {str(each["key"]): each.get("value") for each in listed if "key" in each}
    environment, versions = _parted(values)
    is_site = chosen.get("type") == "static" or "static" in (chosen.get("runtime"), chosen.get("env"))
    notes = unread("render.yaml", data, "services") + unread("render.yaml services", dict.fromkeys(others))
    notes += unread("render.yaml service", chosen, *_OF_RENDER)
    notes += unread("render.yaml envVars", {name: None for each in listed if "key" not in each for name in each})
    notes += to_be_set("render.yaml", values)
    return Said(
        Overrides(
            dockerfile_path=text(chosen.get("dockerfilePath")).removeprefix("./"),
            build_command=text(chosen.get("buildCommand")),
            start_command=text(chosen.get("startCommand")),
            release_command=text(chosen.get("preDeployCommand")),
            health_path=text(chosen.get("healthCheckPath")),
            kind="worker" if chosen.get("type") == "worker" else "",
            output=text(chosen.get("staticPublishPath")).removeprefix("./"),
            site=True if is_site else None,
            environment=environment,
            versions=versions,
        ),
        notes,
    )


def fly(files: Files) -> Said:
    data = read_toml(files, "fly.toml")
    service = table(data, "http_service")
    listed = data.get("services")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    checks = service.get("checks")
    check = checks[0] if isinstance(checks, list) and checks and isinstance(checks[0], dict) else {}
    start, processes = _processes(by_name(table(data, "processes")))
    notes = unread(
        "fly.toml", data, "app", "primary_region", "build", "env", "http_service", "services", "deploy", "processes"
    )
    notes += unread("fly.toml build", table(data, "build"), "dockerfile", "args")
    return Said(
        Overrides(
            dockerfile_path=text(table(data, "build").get("dockerfile")).removeprefix("./"),
            build_args=variables(table(data, "build", "args")),
            port=number(service.get("internal_port")) or number(first.get("internal_port")),
            start_command=start,
            processes=processes,
            release_command=text(table(data, "deploy").get("release_command")),
            health_path=text(check.get("path")),
            environment=variables(table(data, "env")),
        ),
        notes,
    )


def netlify(files: Files) -> Said:
    data = read_toml(files, "netlify.toml")
    build = table(data, "build")
    if base := text(build.get("base")).strip("./"):
        return Said(Overrides(), unread("netlify.toml", {f"build of {base}": None}))
    rules = data.get("redirects")
    falls_back = any(
        isinstance(each, dict) and each.get("from") == "/*" and each.get("to") == "/index.html"
        for each in (rules if isinstance(rules, list) else [])
    )
    environment, versions = _parted(table(build, "environment"))
    notes = unread("netlify.toml", data, "build", "dev")
    notes += unread("netlify.toml build", build, "command", "publish", "environment")
    return Said(
        Overrides(
            build_command=text(build.get("command")),
            output=text(build.get("publish")).strip("/"),
            single_page=True if falls_back else None,
            environment=environment,
            versions=versions,
        ),
        notes,
    )
