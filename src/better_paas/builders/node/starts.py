"""How an app of Node is started: by a script, by its framework, or by the file that is its entry."""

import re

from better_paas.builders import procfile
from better_paas.builders.files import exists, table
from better_paas.builders.node import frameworks
from better_paas.builders.node.frameworks import App, Made
from better_paas.builders.node.managers import Manager
from better_paas.builders.plan import Overrides

_ENTRIES = ("server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs", "src/index.js", "src/server.js")
_BUN_ENTRIES = ("server.ts", "index.ts", "src/index.ts", "src/server.ts", "app.ts", *_ENTRIES)
# Where builds leave sites.
_SITES = ("dist", "build", "public", "out", "_site", "site")
# The entry that a build makes.
_BUILT = re.compile(r"(?:dist|build|lib|out)/[\w/-]++(?:\.[cm]?js)?")
_PATH = re.compile(r"[\w./-]+")
_LISTENS = re.compile(r"\.listen\(|createServer\(|serve\(")
_WRITES = re.compile(r"(?:^|\s)(?:-o|--output|--outfile)[= ]([\w./-]+)")
# Where these write is in settings of theirs.
_BUNDLERS = re.compile(
    r"webpack|rollup|gulp|grunt|parcel|vite|rspack|rsbuild|tsup|esbuild|turbo|lerna|nx |npm run|yarn|pnpm"
)
_LONGEST_ENTRY = 100_000


def find(
    app: App, made: Made | None, manager: Manager, overrides: Overrides, builds: bool, notes: list[str]
) -> tuple[str, str]:
    """(command, the folder of what the build makes if that is served instead)."""
    if wanted := procfile.start(app.files, overrides, ""):
        return wanted, ""
    script = app.script("start")
    is_development = frameworks.is_development(script)
    if (
        made
        and builds
        and made.output
        and overrides.site is not False
        and (not script or is_development or _serves_what_is_not_there(script))
    ):
        return "", made.output
    if script and not is_development:
        return _runs(app, manager, "start"), ""
    for name in ("start:prod", "start:production", "prod", "serve:prod"):
        if app.script(name) and not frameworks.is_development(app.script(name)):
            return _runs(app, manager, name), ""
    if made and made.start:
        return _executed(manager, made.start), ""
    site = _site(app)
    serves = any(key in app.own for key in frameworks.SERVERS) or _has_server(app)
    if script and builds and (site or not serves) and overrides.site is not False:
        # Where that is another folder, the build's check names those that there are.
        return "", site or _SITES[0]
    is_plain = not made and overrides.site is not False and _is_plain_site(app)
    if is_plain and (not builds or _writes_beside_page(app.script("build"))):
        return "", "."
    if script:
        notes.append(f"The start script “{script[:80]}” is for development; set a start command for production.")
        return _runs(app, manager, "start"), ""
    entry = "" if is_plain else _entry(app, manager, builds)
    return entry, "" if entry else (site or _SITES[0]) if overrides.site else ""


def _site(app: App) -> str:
    """A folder whose page is among the sources, as where a build puts the rest beside it; "" if there is none."""
    names = set(app.files.names())
    return next((folder for folder in _SITES if f"{folder}/index.html" in names), "")


def _serves_what_is_not_there(script: str) -> bool:
    """Servers of frameworks, for an app whose build makes nothing but files."""
    return bool(re.match(r"(next start|react-router-serve|remix-serve)\b", script))


def _executed(manager: Manager, command: str) -> str:
    if not manager.plug_and_play:
        return command
    return re.sub(r"^((?>[A-Z_]+=\S+ )*+)(?:npx )?", r"\1yarn ", command)


def _runs(app: App, manager: Manager, name: str) -> str:
    """A script: without a package manager in between signals reach the app."""
    text = str(table(app.package, "scripts").get(name) or "")
    if re.fullmatch(r"node [\w./ =-]+", text) and not manager.plug_and_play:
        return text
    return manager.runs(name)


def _is_page(app: App) -> bool:
    """Whether what is built is for a browser, as far as the sources say."""
    pages = ("index.html", "src/index.html", *(f"{folder}/index.html" for folder in _SITES))
    return not any(key in app.own for key in frameworks.SERVERS) and any(exists(app.files, page) for page in pages)


def _is_plain_site(app: App) -> bool:
    """A page at the top, beside programs that no server is among: they are for the page, or for tools."""
    return exists(app.files, "index.html") and _is_page(app) and not _has_server(app)


def _has_server(app: App) -> bool:
    """Whether one of its programs listens, or is named as the package's and has packages to run with."""
    main = app.package.get("main")
    paths = [main.removeprefix("./")] if isinstance(main, str) else []
    paths += [f"{path}.js" for path in paths]
    if table(app.package, "dependencies") and any(_PATH.fullmatch(path) and exists(app.files, path) for path in paths):
        return True
    texts = [app.files.head(path, _LONGEST_ENTRY) or "" for path in (*paths, *_BUN_ENTRIES) if _PATH.fullmatch(path)]
    return any(_LISTENS.search(text) for text in texts)


def _writes_beside_page(build: str) -> bool:
    """Whether a build's script puts what it makes beside the page, as far as it says."""
    build = build[:2000]
    if found := _WRITES.search(build):
        return found[1].removeprefix("./").partition("/")[0] not in _SITES
    return not _BUNDLERS.search(build) and not any(re.search(rf"\b{folder}\b", build) for folder in _SITES)


def _entry(app: App, manager: Manager, builds: bool) -> str:
    names = set(app.files.names())
    main = app.package.get("main")
    module = app.package.get("module")
    runs = "bun" if manager.name == "bun" else "node"
    named = [path.removeprefix("./") for path in (main, module) if isinstance(path, str)]
    for path in [*named, *(_BUN_ENTRIES if runs == "bun" else _ENTRIES)]:
        is_made = builds and path in named and bool(_BUILT.fullmatch(path)) and not _is_page(app)
        if (path in names or is_made) and _PATH.fullmatch(path) and ".." not in path:
            return f"yarn node {path}" if manager.plug_and_play else f"{runs} {path}"
    return ""
