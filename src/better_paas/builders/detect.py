"""From a source tree to a build plan. Pure: it looks at files and decides."""

import posixpath
import re
from dataclasses import replace
from types import ModuleType

from better_paas.builders import (
    deno,
    dotnet,
    elixir,
    go,
    going_on,
    java,
    node,
    php,
    procfile,
    python,
    ruby,
    rust,
    second,
    static,
)
from better_paas.builders.faults import check_output
from better_paas.builders.files import Files
from better_paas.builders.instructions import parse
from better_paas.builders.languages import TOOLS
from better_paas.builders.plan import DEFAULT_PORT, BuildPlan, NoApp, NoPlan, Overrides
from better_paas.builders.said import wishes

# The first that knows the source wins: what names its language plainly stands before what many sources have besides
# (a Rails or Laravel app has a package.json for its assets).
_LANGUAGES = (go, rust, elixir, dotnet, java, php, ruby, deno, python, node)
# Those whose app may need what is beside its folder: a member of a workspace is built from its top, by its lock.
_WITH_WORKSPACES: tuple[ModuleType, ...] = (go, rust, dotnet, java, python, node)
# What speaks for a language more than one of its files does.
_SURE_BY: dict[ModuleType, frozenset[str]] = {
    php: frozenset({"composer.json"}),
    ruby: frozenset({"Gemfile", "config.ru"}),
    python: frozenset({*python.MANIFESTS, "requirements"}),
}
_OTHERS = re.compile(
    r"(?:python3?|gunicorn|uvicorn|hypercorn|daphne|waitress-serve|flask|celery|streamlit|chainlit|uv|poetry"
    r"|ruby|bundle|rackup|puma|rails|unicorn|php|heroku-php-\w+|vendor/bin/\w+)\b"
)
_KNOWN_BY = (
    "requirements.txt, pyproject.toml, package.json, go.mod, Cargo.toml, composer.json, Gemfile, pom.xml, "
    "build.gradle, mix.exs, *.csproj, deno.json"
)


def detect(tree: Files, overrides: Overrides, folder: str = "") -> BuildPlan:
    """The plan for the app in `folder` of a repository. Errors: NoPlan.

    What the app's settings say wins over what the repository's own files say (see said), and that over what is found.
    An own Dockerfile wins over the languages, which are asked in a fixed order.
    """
    folder = folder.strip("/")
    files = tree.below(folder)
    said = wishes(files, overrides)
    wanted = said.overrides
    found = procfile.with_processes(_plan(tree, files, folder, wanted), files, wanted)
    return replace(found, notes=(*found.notes, *said.notes))


def _plan(tree: Files, files: Files, folder: str, wanted: Overrides) -> BuildPlan:
    if (own := _by_dockerfile(files, wanted)) is not None:
        return own
    bare = going_on.without(wanted)
    found = second.with_assets(_by_language(tree, files, folder, bare), files, bare)
    return _as_site(_with_wishes(going_on.filled(found, wanted), bare), bare)


def _by_language(tree: Files, files: Files, folder: str, wanted: Overrides) -> BuildPlan:
    if folder and (member := _of_workspace(tree, folder, wanted)):
        return member
    if wanted.site and (plan := static.detect(files, wanted)) and node.manifest(files) == "":
        return plan
    refused: dict[ModuleType, NoApp] = {}
    helpers = _helpers(files)
    for language in _LANGUAGES:
        if language in helpers:
            continue
        try:
            found: BuildPlan | None = language.detect(files, wanted)
        except NoApp as error:
            refused[language] = error  # many an app has a pyproject.toml or go.mod for its tools
            continue
        if found is not None:
            return found
    if not refused.keys() - {node} and (site := node.as_site(files, wanted) or static.detect(files, wanted)):
        return site
    if documents := python.as_site(files, wanted):
        return documents
    if refused:
        # Node's tools stand beside anything; of the others the last is the least likely to be there for its tools.
        raise [error for language, error in refused.items() if language is not node or len(refused) == 1][-1]
    if procfile.commands(files):
        raise NoPlan(
            "there is a Procfile, but no language that can be built",
            f"Add what your language is known by ({_KNOWN_BY}), or a Dockerfile.",
        )
    seen = ", ".join(files.names()[:8]) or "nothing"
    raise NoPlan(
        "no way to build this source was found",
        f"Looked for: Dockerfile, {_KNOWN_BY}, index.html. If the app is in a subfolder, set the root directory.",
        f"found: {seen}",
    )


def _helpers(files: Files) -> set[ModuleType]:
    """Languages of which there is nothing but what may be a helper of the app of Node that is there."""
    is_app, is_server = node.says_app(files)
    if not is_app or any(_OTHERS.match(line) for line in procfile.commands(files).values()):
        return set()
    names = {part for name in files.names() for part in (name, name.partition("/")[0])}
    found = {language for language, sure in _SURE_BY.items() if names.isdisjoint(sure)}
    # Pages of PHP have scripts and styles that Node builds.
    return found if is_server or "index.php" not in names else found - {php}


def _of_workspace(tree: Files, folder: str, wanted: Overrides) -> BuildPlan | None:
    for language in _WITH_WORKSPACES:
        top = language.top_of(tree, folder)
        if top is None:
            continue
        try:
            found: BuildPlan | None = language.member(tree.below(top), posixpath.relpath(folder, top or "."), wanted)
        except NoApp:
            # Alone, a member of Node would be installed without its workspace's lock.
            if language is node:
                raise
            continue
        if found is not None:
            return replace(found, context=top)
    return None


def _with_wishes(plan: BuildPlan, wanted: Overrides) -> BuildPlan:
    """What holds for every language."""
    beside = {name: version for name, version in wanted.tools.items() if name != plan.runtime and name in TOOLS}
    # Python comes from Debian where it is the second language.
    python = ("python3", "python3-pip", "python-is-python3") if "python" in wanted.tools else ()
    python = () if plan.runtime == "python" else python
    return replace(
        plan,
        version=wanted.exact(plan.runtime) or plan.version,
        build_packages=tuple(sorted({*plan.build_packages, *wanted.packages, *python})),
        run_packages=tuple(sorted({*plan.run_packages, *wanted.run_packages, *python})),
        tools={**plan.tools, **beside},
        run_tools=tuple(dict.fromkeys([*plan.run_tools, *beside])),
        environment={**plan.environment, **wanted.environment},
        health_path=wanted.health_path,
        health_status=wanted.health_status,
        install_app="" if wanted.install_command else plan.install_app,
    )


def _as_site(plan: BuildPlan, wanted: Overrides) -> BuildPlan:
    """Served as files where that is wanted: what the build leaves in `output`."""
    check_output(wanted.output, plan.folder)
    output = posixpath.normpath(folder) if (folder := wanted.output.strip("/")) else ""
    if wanted.site and plan.runtime in ("node", "bun"):
        tools = {**plan.tools, "bun": plan.version} if plan.runtime == "bun" else plan.tools
        version = plan.tools.get("node", "") if plan.runtime == "bun" else plan.version
        plan = replace(
            plan, runtime="static", version=version, tools=tools, run_tools=(), start="", output=output or "dist"
        )
    if plan.runtime != "static":
        return plan
    single_page = plan.single_page if wanted.single_page is None else wanted.single_page
    return replace(plan, output=output or plan.output, single_page=single_page)


def _by_dockerfile(files: Files, overrides: Overrides) -> BuildPlan | None:
    is_wanted = overrides.build_method == "dockerfile" or bool(overrides.dockerfile_path)
    if overrides.build_method == "plan":
        return None
    path = overrides.dockerfile_path or "Dockerfile"
    text = files.read(path)
    if text is not None and (is_wanted or overrides.build_method == "auto"):
        return _own_dockerfile(path, text, overrides)
    if is_wanted:
        raise NoPlan(
            "there is no such Dockerfile",
            "Check the path, relative to the root directory, or let the plan be found.",
            path,
        )
    return None


def _own_dockerfile(path: str, text: str, overrides: Overrides) -> BuildPlan:
    instructions = parse(text).instructions
    if not any(instruction.name == "FROM" for instruction in instructions):
        raise NoPlan("the Dockerfile has no FROM line", "A Dockerfile begins with its base image.", path)
    first = [words[0] for each in instructions if each.name == "EXPOSE" and (words := each.arguments.split())]
    numbers = [word.partition("/")[0] for word in first]
    exposed = [int(number) for number in numbers if re.fullmatch("[0-9]{1,5}", number) and 0 < int(number) < 65536]
    return BuildPlan(
        runtime="dockerfile",
        start=overrides.start_command,
        # A guess: the image that is built says it (see deployments/tasks.py).
        port=exposed[-1] if exposed else DEFAULT_PORT,
        dockerfile_path=path,
        build_args=overrides.build_args,
        environment=overrides.environment,
        health_path=overrides.health_path,
        health_status=overrides.health_status,
    )
