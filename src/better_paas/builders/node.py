"""Node: npm, pnpm or yarn; a server, or a static site that a build makes."""

import re
from typing import Any

from better_paas.builders import procfile
from better_paas.builders.files import Files, read_json, table
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

DEFAULT_VERSION = "22"
_OLDEST = 20

# A build tool that makes a static site, and the folder that it writes.
_STATIC_TOOLS = {
    "vite": ("Vite", "dist"),
    "react-scripts": ("Create React App", "build"),
    "@angular/cli": ("Angular", "dist"),
    "@vue/cli-service": ("Vue CLI", "dist"),
    "parcel": ("Parcel", "dist"),
    "@11ty/eleventy": ("Eleventy", "_site"),
    "astro": ("Astro", "dist"),
    "gatsby": ("Gatsby", "public"),
    "vitepress": ("VitePress", ".vitepress/dist"),
    "@docusaurus/core": ("Docusaurus", "build"),
}
_SINGLE_PAGE = {"vite", "react-scripts", "@angular/cli", "@vue/cli-service", "parcel"}
_FRAMEWORKS = {
    "next": "Next.js",
    "nuxt": "Nuxt",
    "@remix-run/serve": "Remix",
    "@nestjs/core": "NestJS",
    "express": "Express",
    "fastify": "Fastify",
    "koa": "Koa",
    "hono": "Hono",
    "@hapi/hapi": "hapi",
}


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is no Node app. Errors: NoPlan if it is one that can't be started."""
    if files.read("package.json") is None:
        return None
    package = read_json(files, "package.json")
    manager, install, manifests, notes = _install(files, package, overrides)
    scripts = table(package, "scripts")
    dependencies = {**table(package, "devDependencies"), **table(package, "dependencies")}
    version, version_note = wanted_version(files, package)
    if version_note:
        notes.append(version_note)
    run = f"{manager} run" if manager != "yarn" else "yarn"
    build = overrides.build_command or (f"{run} build" if "build" in scripts else "")
    start = procfile.start(files, overrides, _start(files, package, scripts, manager))
    common: dict[str, Any] = {
        "version": version,
        "package_manager": manager,
        "manager_package": manager_package(package, manager),
        "install": install,
        "build": build,
        "manifests": () if overrides.install_command else manifests,
        "notes": tuple(notes),
    }
    static = _static_output(files, dependencies) if build else None
    if static and not overrides.start_command and not procfile.main_command(files) and "start" not in scripts:
        name, framework, output = static
        return BuildPlan(
            runtime="static", framework=framework, output=output, single_page=name in _SINGLE_PAGE, **common
        )
    if not start:
        raise NoPlan(
            "this is a Node app, but nothing says how to start it",
            "Add a 'start' script to package.json, a Procfile with a 'web:' line, or set a start command.",
        )
    framework = next((name for key, name in _FRAMEWORKS.items() if key in dependencies), "")
    return BuildPlan(runtime="node", framework=framework, start=start, **common)


def wanted_version(files: Files, package: dict[str, Any]) -> tuple[str, str]:
    """(major version, note) from `engines.node` or .nvmrc; versions past their end of life are raised."""
    wanted = table(package, "engines").get("node")
    text = wanted if isinstance(wanted, str) else (files.read(".nvmrc") or files.read(".node-version") or "")
    default = int(DEFAULT_VERSION)
    majors = [int(number) for number in re.findall(r"(?<![\d.])v?(\d{1,2})(?=[.\sx*|<>=-]|$)", text)]
    if not majors:
        return DEFAULT_VERSION, ""
    lowest = min(majors)
    open_ended = ">" in text and "<" not in text
    chosen = max(lowest, default) if open_ended else max(majors) if "||" in text else lowest
    if chosen < _OLDEST:
        return DEFAULT_VERSION, f"Node {chosen} has reached its end of life; {DEFAULT_VERSION} is used."
    return str(chosen), ""


def _install(
    files: Files, package: dict[str, Any], overrides: Overrides
) -> tuple[str, str, tuple[str, ...], list[str]]:
    """(package manager, command, files that it needs, notes)."""
    names = set(files.names())
    notes: list[str] = []
    named = str(package.get("packageManager") or "").split("@")[0]
    if named == "pnpm" or (not named and "pnpm-lock.yaml" in names):
        locked = "pnpm-lock.yaml" in names
        manager = "pnpm"
        command = "pnpm install --frozen-lockfile" if locked else "pnpm install"
        manifests = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".npmrc"]
    elif named == "yarn" or (not named and "yarn.lock" in names):
        locked = "yarn.lock" in names
        manager = "yarn"
        berry = ".yarnrc.yml" in names
        frozen = "yarn install --immutable" if berry else "yarn install --frozen-lockfile"
        command = frozen if locked else "yarn install"
        manifests = [] if berry else ["package.json", "yarn.lock", ".npmrc"]
    else:
        locked = "package-lock.json" in names or "npm-shrinkwrap.json" in names
        manager = "npm"
        command = "npm ci" if locked else "npm install"
        manifests = ["package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc"]
    dependencies = table(package, "dependencies") or table(package, "devDependencies")
    if dependencies and not locked:
        notes.append("There is no lock file: versions may change from build to build.")
    local = any(str(value).startswith(("file:", "link:", "workspace:")) for value in dependencies.values())
    scripted = any(name in table(package, "scripts") for name in ("preinstall", "install", "postinstall", "prepare"))
    present = () if local or scripted or package.get("workspaces") else tuple(m for m in manifests if m in names)
    if not dependencies and not locked and not overrides.install_command:
        return manager, "", (), notes
    return manager, overrides.install_command or command, present, notes


def manager_package(package: dict[str, Any], manager: str) -> str:
    """The npm package of the wanted package manager, in the version that `packageManager` pins; "" for npm itself."""
    match = re.fullmatch(r"(pnpm|yarn)@(\d+)(\.\d+\.\d+)?(\+.*)?", str(package.get("packageManager") or ""))
    major, version = (match[2], match[2] + (match[3] or "")) if match and match[1] == manager else ("", "")
    if manager == "yarn":
        # From its second major on, yarn is published under another name.
        return f"@yarnpkg/cli-dist@{version}" if major and major != "1" else f"yarn@{version or '1'}"
    return f"pnpm@{version or '10'}" if manager == "pnpm" else ""


def _start(files: Files, package: dict[str, Any], scripts: dict[str, Any], manager: str) -> str:
    start = str(scripts.get("start") or "")
    if re.fullmatch(r"node [\w./ -]+", start):
        return start  # without a package manager in between, signals reach the app
    if start:
        return f"{manager} run start" if manager != "yarn" else "yarn start"
    names = set(files.names())
    main = package.get("main")
    for path in [main if isinstance(main, str) else "", "server.js", "index.js", "app.js", "main.js", "server.mjs"]:
        if path and path.removeprefix("./") in names and re.fullmatch(r"[\w./-]+", path):
            return f"node {path}"
    return ""


def _static_output(files: Files, dependencies: dict[str, Any]) -> tuple[str, str, str] | None:
    """(tool, its name, output folder) if the build makes a static site."""
    for tool, (name, output) in _STATIC_TOOLS.items():
        if tool in dependencies:
            return tool, name, _vite_output(files) or output if tool == "vite" else output
    next_config = next(
        (files.read(path) for path in ("next.config.js", "next.config.mjs", "next.config.ts") if files.read(path)), None
    )
    if "next" in dependencies and re.search(r"output\s*:\s*['\"]export['\"]", next_config or ""):
        return "next", "Next.js", "out"
    return None


def _vite_output(files: Files) -> str:
    for path in ("vite.config.ts", "vite.config.js", "vite.config.mjs"):
        if match := re.search(r"outDir\s*:\s*['\"]([\w.-]+(?:/[\w.-]+)*)['\"]", files.read(path) or ""):
            return "" if ".." in match[1] else match[1]
    return ""
