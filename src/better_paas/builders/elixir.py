"""Elixir: a mix project, Phoenix or not, run as a release."""

import re

from better_paas.builders import procfile, versions
from better_paas.builders.files import Files, exists
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

# What mix.exs may read besides itself: packages and apps of the repository, and any other file.
_READS_MORE = re.compile(r"\b(?:path|in_umbrella|apps_path):|\b(?:File|Code|System)\.|\bdeps\.get\"?:")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if there is no mix.exs. Errors: NoPlan if its name can't be found."""
    project = files.read("mix.exs")
    if project is None:
        return None
    name = re.search(r"app:\s*:([a-z_][a-z0-9_]*)", project)
    if name is None:
        raise NoPlan("mix.exs names no app", "Add 'app: :<name>' to its project.")
    phoenix = ":phoenix" in project
    needs = bool(re.search(r"\{:[a-z_]+\s*,", project))
    # Hex and rebar come from the network: a project without dependencies needs neither.
    install = "mix local.hex --force --if-missing && mix local.rebar --force --if-missing && mix deps.get --only prod"
    assets = "mix assets.deploy && " if phoenix and "assets.deploy" in project else ""
    release = f"{assets}mix release --overwrite --path /app/release"
    return BuildPlan(
        runtime="elixir",
        version=versions.parts(overrides.versions.get("elixir", "")) or _version(files),
        framework="Phoenix" if phoenix else "",
        install=overrides.install_command or (install if needs else ""),
        build=overrides.build_command or release,
        start=procfile.start(files, overrides, f"/app/release/bin/{name[1]} start", "elixir"),
        manifests=_manifests(files, project) if needs and not overrides.install_command else (),
    )


def _manifests(files: Files, project: str) -> tuple[str, ...]:
    """Nothing but these is needed to fetch packages: the configuration is read when they are compiled."""
    if _READS_MORE.search(project) or not exists(files, "mix.lock"):
        return ()
    return ("mix.exs", "mix.lock")


def _version(files: Files) -> str:
    named = re.search(r"^elixir[_version= \t]*+(\d++\.\d++)", files.read("elixir_buildpack.config") or "", re.MULTILINE)
    return versions.parts(versions.pinned("elixir", files)) or (named[1] if named else "")
