"""From a source tree to a build plan. Pure: it looks at files and decides."""

import re

from better_paas.builders import bun, deno, dotnet, elixir, go, java, node, php, procfile, python, ruby, rust, static
from better_paas.builders.files import Files
from better_paas.builders.plan import DEFAULT_PORT, BuildPlan, NoPlan, Overrides

# The first that knows the source wins: what names its language plainly stands before what many sources have besides
# (a Rails or Laravel app has a package.json for its assets).
_LANGUAGES = (go, rust, elixir, dotnet, java, php, ruby, python, deno, bun, node, static)
_KNOWN_BY = (
    "requirements.txt, pyproject.toml, package.json, go.mod, Cargo.toml, composer.json, Gemfile, pom.xml, "
    "build.gradle, mix.exs, *.csproj, deno.json"
)
_EXPOSE = re.compile(r"^\s*EXPOSE\s+(\d{1,5})", re.IGNORECASE | re.MULTILINE)


def detect(files: Files, overrides: Overrides) -> BuildPlan:
    """The plan: an own Dockerfile wins, then the languages in a fixed order. Errors: NoPlan."""
    return procfile.with_processes(_detect(files, overrides), files, overrides)


def _detect(files: Files, overrides: Overrides) -> BuildPlan:
    wants_dockerfile = overrides.build_method == "dockerfile" or bool(overrides.dockerfile_path)
    path = overrides.dockerfile_path or "Dockerfile"
    text = files.read(path)
    if text is not None and (wants_dockerfile or overrides.build_method == "auto"):
        return _own_dockerfile(path, text, overrides)
    if wants_dockerfile:
        raise NoPlan(
            f"there is no file {path}", "Check the path, relative to the root directory, or let the plan be found."
        )
    for language in _LANGUAGES:
        plan: BuildPlan | None = language.detect(files, overrides)
        if plan is not None:
            return plan
    if procfile.commands(files):
        raise NoPlan(
            "there is a Procfile, but no language that can be built",
            f"Add what your language is known by ({_KNOWN_BY}), or a Dockerfile.",
        )
    seen = ", ".join(files.names()[:8]) or "nothing"
    raise NoPlan(
        "no way to build this source was found",
        f"Looked for: Dockerfile, {_KNOWN_BY}, index.html. "
        f"Found: {seen}. If the app is in a subfolder, set the root directory.",
    )


def _own_dockerfile(path: str, text: str, overrides: Overrides) -> BuildPlan:
    if not re.search(r"^\s*FROM\s+\S", text, re.IGNORECASE | re.MULTILINE):
        raise NoPlan(f"{path} has no FROM line", "A Dockerfile begins with its base image.")
    exposed = [int(port) for port in _EXPOSE.findall(text) if 0 < int(port) < 65536]
    notes = () if exposed or overrides.port else ("No EXPOSE line: the app has to listen on the port in PORT.",)
    return BuildPlan(
        runtime="dockerfile",
        start=overrides.start_command,
        port=exposed[-1] if exposed else DEFAULT_PORT,
        dockerfile_path=path,
        notes=notes,
    )
