"""railpack.json, nixpacks.toml and Aptfile: what people wrote for other builders."""

from typing import Any

from better_paas.builders import versions
from better_paas.builders.faults import is_package
from better_paas.builders.files import Files, read_json, read_toml, table
from better_paas.builders.languages import LANGUAGES
from better_paas.builders.plan import Overrides
from better_paas.builders.said.wish import Said, commands, packages, text, unread, variables

# Names that other builders have for our languages.
_LANGUAGES = {"golang": "go", "nodejs": "node", "jdk": "java"}
# What is read of each phase of nixpacks.
_OF_PHASES = {"setup": ("aptPkgs",), "install": ("aptPkgs", "cmds"), "build": ("aptPkgs", "cmds")}


def _steps(value: Any) -> str:
    """Commands of a step, with `...` for what was found; what copies files or sets paths is theirs alone."""
    listed = value if isinstance(value, list) else []
    return commands([each.get("cmd") if isinstance(each, dict) else each for each in listed])


def _others(value: Any) -> dict[str, None]:
    """What else its commands are."""
    listed = value if isinstance(value, list) else []
    return {str(name): None for each in listed if isinstance(each, dict) and "cmd" not in each for name in each}


def _tools(packages: dict[str, Any]) -> dict[str, str]:
    """Versions by language; "" for the newest."""
    found = {}
    for name, version in list(packages.items())[:50]:
        language = _LANGUAGES.get(str(name), str(name))
        if language in LANGUAGES:
            # Distributions of Java stand in front of their version.
            found[language] = versions.parts(str(version).rpartition("-")[2], 1 if language in ("java", "node") else 2)
    return found


def railpack(files: Files) -> Said:
    data = read_json(files, "railpack.json")
    steps, deploy, versioned = table(data, "steps"), table(data, "deploy"), table(data, "packages")
    install, build = table(steps, "install"), table(steps, "build")
    tools = _tools(versioned)
    others = [str(name) for name in versioned if _LANGUAGES.get(str(name), str(name)) not in tools]
    notes = unread("railpack.json", data, "packages", "buildAptPackages", "steps", "deploy")
    notes += unread("railpack.json steps", steps, "install", "build")
    for name, step in (("install", install), ("build", build)):
        notes += unread(f"railpack.json steps.{name}", step, "commands", "variables")
        notes += unread(f"railpack.json steps.{name}.commands", _others(step.get("commands")))
    notes += unread("railpack.json deploy", deploy, "startCommand", "aptPackages", "variables")
    notes += unread("railpack.json packages", dict.fromkeys(others))
    return Said(
        Overrides(
            install_command=_steps(install.get("commands")),
            build_command=_steps(build.get("commands")),
            start_command=text(deploy.get("startCommand")),
            packages=packages(data.get("buildAptPackages")),
            run_packages=packages(deploy.get("aptPackages")),
            environment=variables(
                {**table(install, "variables"), **table(build, "variables"), **table(deploy, "variables")}
            ),
            tools=tools,
        ),
        notes,
    )


def nixpacks(files: Files) -> Said:
    data = read_toml(files, "nixpacks.toml")
    phases, start = table(data, "phases"), table(data, "start")
    notes = unread("nixpacks.toml", data, "phases", "start", "variables")
    notes += unread("nixpacks.toml phases", phases, *_OF_PHASES)
    for name, known in _OF_PHASES.items():
        notes += unread(f"nixpacks.toml phases.{name}", table(phases, name), *known)
    notes += unread("nixpacks.toml start", start, "cmd")
    apt = packages(*(table(phases, name).get("aptPkgs") for name in _OF_PHASES))
    return Said(
        Overrides(
            install_command=_steps(table(phases, "install").get("cmds")),
            build_command=_steps(table(phases, "build").get("cmds")),
            start_command=text(start.get("cmd")),
            packages=apt,
            run_packages=apt,
            environment=variables(table(data, "variables")),
        ),
        notes,
    )


def aptfile(files: Files) -> Said:
    lines = [line.partition("#")[0].strip() for line in (files.read("Aptfile") or "").splitlines()]
    names = tuple(line for line in lines if is_package(line) and not line.endswith(".deb"))
    others = [line for line in lines if line and (not is_package(line) or line.endswith(".deb"))]
    return Said(Overrides(packages=names, run_packages=names), unread("Aptfile", dict.fromkeys(others)))
