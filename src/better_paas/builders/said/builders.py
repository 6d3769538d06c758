"""railpack.json, nixpacks.toml and Aptfile: what people wrote for other builders."""

from typing import Any

from better_paas.builders import versions
from better_paas.builders.files import Files, read_json, read_toml, table
from better_paas.builders.languages import LANGUAGES
from better_paas.builders.plan import Overrides
from better_paas.builders.said.wish import Said, text, texts, unread, variables

# Names that other builders have for our languages.
_LANGUAGES = {"golang": "go", "nodejs": "node", "jdk": "java"}
# Both of their builders mean by it what they would have done themselves.
_AND_THEIRS = "..."


def _steps(value: Any) -> str:
    """Commands of a step, with `...` for what was found; what copies files or sets paths is theirs alone."""
    listed = value if isinstance(value, list) else []
    named = [each.get("cmd") if isinstance(each, dict) else each for each in listed]
    found = texts([each for each in named if each is not None])
    if found and found[0] == _AND_THEIRS:
        return " && ".join(found)
    return " && ".join(each for each in found if each != _AND_THEIRS)


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
    steps, deploy, packages = table(data, "steps"), table(data, "deploy"), table(data, "packages")
    tools = _tools(packages)
    others = [str(name) for name in packages if _LANGUAGES.get(str(name), str(name)) not in tools]
    notes = unread("railpack.json", data, "provider", "packages", "buildAptPackages", "steps", "deploy")
    notes += unread("railpack.json steps", steps, "install", "build")
    notes += unread("railpack.json deploy", deploy, "startCommand", "aptPackages", "variables", "inputs", "base")
    notes += unread("railpack.json packages", dict.fromkeys(others))
    return Said(
        Overrides(
            install_command=_steps(table(steps, "install").get("commands")),
            build_command=_steps(table(steps, "build").get("commands")),
            start_command=text(deploy.get("startCommand")),
            packages=texts(data.get("buildAptPackages")),
            run_packages=texts(deploy.get("aptPackages")),
            environment=variables({**table(steps, "build", "variables"), **table(deploy, "variables")}),
            tools=tools,
        ),
        notes,
    )


def nixpacks(files: Files) -> Said:
    data = read_toml(files, "nixpacks.toml")
    phases = table(data, "phases")
    notes = unread("nixpacks.toml", data, "phases", "start", "variables", "providers")
    notes += unread("nixpacks.toml phases", phases, "setup", "install", "build")
    notes += unread("nixpacks.toml phases.setup", table(phases, "setup"), "aptPkgs")
    apt = tuple(name for name in texts(table(phases, "setup").get("aptPkgs")) if name != _AND_THEIRS)
    return Said(
        Overrides(
            install_command=_steps(table(phases, "install").get("cmds")),
            build_command=_steps(table(phases, "build").get("cmds")),
            start_command=text(table(data, "start").get("cmd")),
            packages=apt,
            run_packages=apt,
            environment=variables(table(data, "variables")),
        ),
        notes,
    )


def aptfile(files: Files) -> Said:
    lines = [line.partition("#")[0].strip() for line in (files.read("Aptfile") or "").splitlines()]
    names = tuple(line for line in lines if line and ":" not in line and not line.endswith(".deb"))
    others = [line for line in lines if line and line not in names]
    return Said(Overrides(packages=names, run_packages=names), unread("Aptfile", dict.fromkeys(others)))
