"""What an app of Node needs beside Node: packages of Debian, browsers, Bun, Python."""

import re
from dataclasses import replace

from better_paas.builders import packages, versions
from better_paas.builders.files import table
from better_paas.builders.node.frameworks import App
from better_paas.builders.node.managers import Manager
from better_paas.builders.node.source import Source
from better_paas.builders.plan import BuildPlan

_BUN = re.compile(r"(?:^|[;&|] *+)bunx?\b")
_PYTHON = re.compile(r"(?:^|[;&|] *+)(?:python3?|pip3?)\b")
_PYTHON_PACKAGES = ("python3", "python3-pip", "python-is-python3")
# What fetches the browser that is driven.
_BROWSERS = {"puppeteer": "puppeteer browsers install chrome", "playwright": "playwright install chromium"}


def with_packages(plan: BuildPlan, source: Source) -> BuildPlan:
    """What dependencies need of Debian, and browsers that are driven."""
    building, running = packages.needed(packages.NODE, source.running)
    placed = {**table(source.top_package, "dependencies"), **table(source.package, "dependencies")}
    wanted = [name for name in _BROWSERS if name in placed]
    environment = dict(plan.environment)
    if "puppeteer" in wanted:
        environment["PUPPETEER_CACHE_DIR"] = "/app/.cache/puppeteer"
    if "playwright" in wanted:
        environment["PLAYWRIGHT_BROWSERS_PATH"] = "/app/.cache/playwright"
    fetched = " && ".join(f"npx {_BROWSERS[name]}" for name in wanted)
    return replace(
        plan,
        build_packages=tuple(sorted({*building, *(running if wanted else ())})),
        run_packages=running,
        environment=environment,
        install_app=fetched,
    )


def with_tools(plan: BuildPlan, source: Source, manager: Manager, app: App) -> BuildPlan:
    """Bun beside Node, Node beside Bun, Python beside both: what the scripts of the app call."""
    scripts = [str(text) for text in table(source.package, "scripts").values()]
    started = [plan.start, *(app.script(name) for name in ("start", "start:prod") if manager.runs(name) == plan.start)]
    bun = versions.parts(_bun_version(source), 3) or "1"
    tools: dict[str, str] = {}
    run_tools: list[str] = []
    if plan.runtime == "bun":
        # Programs of dependencies begin with a line that calls Node.
        if source.dependencies or table(source.top_package, "devDependencies"):
            tools["node"] = plan.version
            if not re.match(r"bun \S+\.[jt]sx?$", plan.start):
                run_tools.append("node")
        plan = replace(plan, version=bun)
    else:
        is_wanted = manager.name == "bun" or bool(versions.pinned("bun", *source.places))
        if is_wanted or any(_BUN.search(text) for text in scripts):
            tools["bun"] = bun
        if is_wanted or any(_BUN.search(text) for text in started):
            run_tools.append("bun")
    python = _PYTHON_PACKAGES if any(_PYTHON.search(text) for text in [*scripts, *started]) else ()
    return replace(
        plan,
        tools=tools,
        run_tools=() if plan.runtime == "static" else tuple(run_tools),
        build_packages=tuple(sorted({*plan.build_packages, *python})),
        run_packages=tuple(sorted({*plan.run_packages, *python})),
    )


def _bun_version(source: Source) -> str:
    named, _, pinned = str(source.top_package.get("packageManager") or "").partition("@")
    if named == "bun":
        return pinned
    for files in source.places:
        if found := versions.own_file(".bun-version", files) or versions.pinned("bun", files):
            return found
    return ""
