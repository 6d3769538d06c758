"""What a framework's build makes, and how that is served: as files, or by a program."""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from better_paas.builders.files import Files, exists, read_json, table

# Start scripts that are for a developer's desk: they build anew on each change, or show a build to nobody else.
_DEVELOPMENT = re.compile(
    r"\b(?:ng (?:serve|s\b)|(?:react-scripts|craco|react-app-rewired|docusaurus|expo|nest)(?: --[\w-]{1,40}){0,3} start"
    r"|vite(?: dev| serve| preview)?(?= -|$| *&)|astro (?:dev|preview)|gatsby (?:develop|serve)"
    r"|(?:docusaurus|expo) serve|eleventy[^&|;]*--serve|nx (?:run )?[^&|;]*\bserve|next dev|next(?= *$)"
    r"|nux[ti] (?:dev|preview)|webpack serve"
    r"|webpack-dev-server|vue-cli-service serve|parcel (?:serve|watch|[\w./]+\.html)|svelte-kit dev|remix (?:vite:)?dev"
    r"|react-router dev|(?:vitepress|vuepress) (?:dev|preview|serve)|vinxi dev|hexo s(?:erver)?\b|docusaurus-start"
    r"|live-server|lite-server|browser-sync|rollup[^&|;]*\s(?:-w|--watch)\b|snowpack dev|storybook dev"
    r"|gridsome develop|(?:rsbuild|rslib|farm|max|umi) (?:dev|start)|(?:rspack|rspress) (?:dev|serve)|farm(?= *$)"
    r"|(?:gulp|grunt) (?:watch|serve|server|dev|start)\b"
    r"|ember s(?:erve)?\b|preact watch|stencil build[^&|;]*--serve|strapi develop|(?<!/)parcel(?= *$)|slidev(?= *$| -))"
)
SERVERS = {
    "express": "Express",
    "fastify": "Fastify",
    "koa": "Koa",
    "hono": "Hono",
    "@hapi/hapi": "hapi",
    "elysia": "Elysia",
}
_CONFIGS = (".ts", ".js", ".mjs", ".mts", ".cjs")
_FOLDER = re.compile(r"[\w.-]++(?>/[\w.-]++)*+")
# Neither addresses nor patterns of paths, which are in quotes.
_COMMENT = re.compile(r"(?:^|(?<=[\s,;{}()\[\]]))//.*|^[ \t]*+/\*[^*]*+(?>\*(?!/)[^*]*+)*+(?:\*/)?", re.MULTILINE)
_LONGEST_CONFIG = 100_000
# What adapters are for that make something which only that host can run.
_HOSTS = ("vercel", "netlify", "cloudflare", "cloudflare-workers", "deno")


@dataclass(frozen=True)
class App:
    """What is looked at. own: dependencies of all kinds. inherited: those of the workspace's top. folder: its place."""

    files: Files
    package: Mapping[str, Any]
    own: Mapping[str, Any]
    inherited: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""

    def has_place(self, folder: str) -> bool:
        """Whether a path from the app's folder is one of the source, in its workspace at the most."""
        inside = posixpath.normpath(posixpath.join(self.folder, folder))
        return bool(_FOLDER.fullmatch(folder)) and not inside.startswith("..")

    @property
    def dependencies(self) -> Mapping[str, Any]:
        return {**self.inherited, **self.own}

    def names(self, dependency: str) -> bool:
        """Whether its scripts, its settings or those of Nx speak of a dependency, which the top may have for others."""
        program = _PROGRAMS.get(dependency, dependency)
        settings = [
            name for name in self.files.names() if "/" not in name and name.startswith((f"{program}.", f"{program}-"))
        ]
        texts = [str(text) for text in table(self.package, "scripts").values()]
        texts.append(self.files.head("project.json") or "")
        return bool(settings) or any(re.search(rf"(?<![\w-]){re.escape(program)}(?![\w-])", text) for text in texts)

    def script(self, name: str) -> str:
        """With the one that it calls in its place."""
        scripts = table(self.package, "scripts")
        text = str(scripts.get(name) or "")
        called = re.fullmatch(r"(?:npm|pnpm|yarn|bun)(?: run)? ([\w:-]+)", text.strip())
        return str(scripts.get(called[1]) or "") if called and called[1] != name else text

    def config(self, name: str) -> str:
        """The text of `name`.ts, .js …, without its comments."""
        texts = (self.files.head(f"{name}{end}", _LONGEST_CONFIG) for end in _CONFIGS)
        return _COMMENT.sub("", next((text for text in texts if text is not None), ""))


@dataclass(frozen=True)
class Made:
    """What a build makes: `output` to be served as files, or `start` to be run.

    build: for an app that has no script. variables: before the build's command, so that it makes what is served.
    elsewhere: what it is made for instead, where that is a host of another kind. instead: a package that takes the
    place of that one, as package managers are told, by which it is made for us.
    """

    name: str
    build: str = ""
    output: str = ""
    single_page: bool = False
    start: str = ""
    variables: str = ""
    elsewhere: str = ""
    instead: str = ""


def is_development(script: str) -> bool:
    """Whether it starts a server for development, or for looking at a build."""
    return bool(_DEVELOPMENT.search(script[:2000]))


def find(app: App) -> Made | None:
    """Of the first framework that the app depends on: by itself, or by the top of its workspace, if it speaks of it."""
    own = [key for key in _FRAMEWORKS if key in app.own]
    keys = own or [key for key in _FRAMEWORKS if key in app.inherited and app.names(key)]
    return next((made for key in keys if (made := _FRAMEWORKS[key](app))), None)


def only(app: App) -> Made | None:
    """Of the one framework of the workspace's top, for a member that has none and nothing to start."""
    keys = [key for key in _FRAMEWORKS if key in app.inherited and key != "vite"]
    starts = app.script("start") or app.package.get("main") or app.package.get("module")
    return None if starts or len(keys) != 1 else _FRAMEWORKS[keys[0]](app)


def _setting(app: App, text: str, name: str) -> str:
    """A folder that a configuration names: `name: "folder"`."""
    found = re.search(rf"\b{name}\s*+:\s*+['\"](?:\./)?([^'\"\n]{{1,200}})['\"]", text)
    folder = found[1].strip("/") if found else ""
    return folder if app.has_place(folder) else ""


def _next(app: App) -> Made:
    if re.search(r"\boutput\s*+:\s*+['\"]export['\"]", app.config("next.config")):
        return Made("Next.js", "next build", _setting(app, app.config("next.config"), "distDir") or "out")
    return Made("Next.js", "next build", start="next start")


def _nuxt(app: App) -> Made:
    if re.search(r"\bnux[ti] generate", app.script("build")):
        return Made("Nuxt", output=".output/public")
    return Made("Nuxt", "nuxt build", start="node .output/server/index.mjs")


def _svelte_kit(app: App) -> Made:
    config = app.config("svelte.config")
    if "@sveltejs/adapter-static" in app.dependencies:
        fallback = _setting(app, config, "fallback")
        return Made("SvelteKit", "vite build", _setting(app, config, "pages") or "build", fallback == "index.html")
    if "@sveltejs/adapter-node" not in app.dependencies and (host := _host(app, "@sveltejs/adapter-", config)):
        is_first = str(app.dependencies["@sveltejs/kit"]).lstrip("^~>=v").startswith("1.")
        node = f"@sveltejs/adapter-node@{1 if is_first else 5}"
        return Made("SvelteKit", "vite build", start="node build", elsewhere=host, instead=f"{host}@npm:{node}")
    # The adapter that chooses for itself chooses Node where it sees this variable.
    automatic = "GCP_BUILDPACKS=1" if "@sveltejs/adapter-auto" in app.dependencies else ""
    folder = _setting(app, config, "out") or "build"
    return Made("SvelteKit", "vite build", start=f"node {folder}", variables=automatic)


def _host(app: App, prefix: str, config: str) -> str:
    """The adapter for another host that a configuration names."""
    found = (f"{prefix}{host}" for host in _HOSTS)
    return next((name for name in found if name in app.dependencies and name in config), "")


def _react_router(app: App) -> Made:
    config = app.config("react-router.config")
    folder = _setting(app, config, "buildDirectory") or "build"
    if re.search(r"\bssr\s*+:\s*+false", config):
        return Made("React Router", "react-router build", f"{folder}/client", True)
    return Made("React Router", "react-router build", start=f"react-router-serve ./{folder}/server/index.js")


def _remix(app: App) -> Made:
    if re.search(r"\bssr\s*+:\s*+false", app.config("vite.config")):
        return Made("Remix", "remix vite:build", "build/client", True)
    if app.config("vite.config"):
        return Made("Remix", "remix vite:build", start="remix-serve ./build/server/index.js")
    return Made("Remix", "remix build", start="remix-serve ./build/index.js")


def _tanstack(app: App) -> Made:
    config = app.config("vite.config") + app.config("app.config")
    if "vinxi" in app.dependencies or "nitro" in config or "nitro" in app.dependencies or _is_with_nitro(app):
        return Made("TanStack Start", "vite build", start="node .output/server/index.mjs")
    return Made("TanStack Start", "vite build", start="npx srvx --prod -s ../client dist/server/server.js")


def _is_with_nitro(app: App) -> bool:
    return ".output/server" in app.script("start")


def _astro(app: App) -> Made:
    config = app.config("astro.config")
    folder = _setting(app, config, "outDir") or "dist"
    if "@astrojs/node" in app.dependencies and "@astrojs/node" in config:
        return Made("Astro", "astro build", start=f"HOST=0.0.0.0 node {folder}/server/entry.mjs")
    is_server = re.search(r"\boutput\s*+:\s*+['\"](?:server|hybrid)['\"]", config)
    if is_server and (host := _host(app, "@astrojs/", config)):
        return Made("Astro", "astro build", elsewhere=host)
    return Made("Astro", "astro build", folder)


def _angular(app: App) -> Made | None:
    if not exists(app.files, "angular.json"):
        return None
    workspace = read_json(app.files, "angular.json")
    projects = table(workspace, "projects")
    default = workspace.get("defaultProject")
    named = {name: project for name, project in projects.items() if table(project).get("projectType") != "library"}
    name = default if default in projects else next(iter(named), "")
    build = table(named.get(name), "architect", "build") or table(named.get(name), "targets", "build")
    options = table(build, "options")
    path, below = options.get("outputPath"), "browser"
    if isinstance(path, dict):
        below = path["browser"] if isinstance(path.get("browser"), str) else below
        path = path.get("base")
    folder = path.strip("./") if isinstance(path, str) else f"dist/{name}"
    if not str(build.get("builder") or "").endswith(":application"):
        return Made("Angular", "ng build", _safe(app, folder), True)
    if options.get("ssr") and options.get("outputMode") != "static":
        return Made("Angular", "ng build", start=f"node {_safe(app, folder)}/server/server.mjs")
    return Made("Angular", "ng build", _safe(app, f"{folder}/{below}".rstrip("/")), True)


def _safe(app: App, folder: str) -> str:
    return folder if app.has_place(folder) else "dist"


def _expo(app: App) -> Made | None:
    if "expo" not in app.dependencies or "react-native-web" not in app.dependencies:
        return None
    kind = table(read_json(app.files, "app.json"), "expo", "web").get("output")
    # Its router sends what it does not know to a page of its own where each page is a file.
    return Made("Expo", "expo export --platform web", "dist", kind not in ("static", "server"))


def _eleventy(app: App) -> Made:
    text = app.config(".eleventy") + app.config("eleventy.config")
    flag = re.search(r"--output[= ]([\w./-]{1,100})", app.script("build"))
    folder = flag[1].removeprefix("./").strip("/") if flag else _setting(app, text, "output")
    return Made("Eleventy", "eleventy", folder or "_site")


def _press(name: str) -> Callable[[App], Made]:
    """VitePress and what it came from."""
    program = name.lower()

    def look(app: App) -> Made:
        place = re.search(rf"{program} build ([\w./-]{{1,100}})", app.script("build") + app.script("docs:build"))
        folder = place[1].removeprefix("./").strip("/") if place else ""
        own = f"docs/.{program}/"
        folder = folder or ("docs" if any(name.startswith(own) for name in app.files.names()) else "")
        return Made(name, f"{program} build {folder}".strip(), f"{folder}/.{program}/dist".lstrip("/"))

    return look


def _hexo(app: App) -> Made:
    found = re.search(r"^public_dir:[ \t]*+([\w.-]++)", app.files.head("_config.yml") or "", re.MULTILINE)
    return Made("Hexo", "hexo generate", found[1] if found else "public")


def _vite(app: App) -> Made | None:
    # Beside Nest it may be there for tests alone; a site of its own begins with its page.
    if "@nestjs/core" in app.dependencies and not exists(app.files, "index.html"):
        return None
    config = app.config("vite.config")
    root, _ = _place(config, "root")
    flag = re.search(r"--outDir[= ]([\w./-]{1,100})", app.script("build"))
    folder, is_whole = (flag[1], False) if flag else _place(config, "outDir")
    # What it builds goes below its root.
    folder = posixpath.normpath(posixpath.join("" if is_whole else root, folder or "dist"))
    return Made("Vite", "vite build", _safe(app, folder), True)


def _place(config: str, name: str) -> tuple[str, bool]:
    """(a folder that a configuration of Vite names, whether it is said from the app's folder on)."""
    found = re.search(
        rf"\b{name}\s*+:\s*+([\w.]{{1,40}}\(\s*+(?:__dirname|import\.meta\.dirname|process\.cwd\(\))\s*+,\s*+)?"
        r"['\"]([\w./-]{1,100})['\"]",
        config,
    )
    return (found[2], bool(found[1])) if found else ("", False)


def _nest(app: App) -> Made:
    settings = _COMMENT.sub("", app.files.head("tsconfig.json", _LONGEST_CONFIG) or "")
    entry = "dist/src/main" if re.search(r"\brootDir\b[^\n]*\"\.", settings) else "dist/main"
    return Made("NestJS", "nest build", start=f"node {entry}")


def _site(name: str, build: str, output: str, single_page: bool = False, variables: str = "") -> Callable[[App], Made]:
    return lambda app: Made(name, build, output, single_page, variables=variables)


def _nitro(name: str, build: str) -> Callable[[App], Made]:
    return lambda app: Made(name, build, start="node .output/server/index.mjs")


# What scripts and settings call those that have another name.
_PROGRAMS = {
    "@sveltejs/kit": "svelte",
    "@react-router/dev": "react-router",
    "@remix-run/dev": "remix",
    "@tanstack/react-start": "vinxi",
    "@tanstack/solid-start": "vinxi",
    "@solidjs/start": "vinxi",
    "@angular/core": "angular",
    "@nestjs/core": "nest",
    "@docusaurus/core": "docusaurus",
    "@11ty/eleventy": "eleventy",
    "@vue/cli-service": "vue-cli-service",
    "vuepress-vite": "vuepress",
    "vuepress-webpack": "vuepress",
}
# The more special ones come first: most of them depend on Vite.
_FRAMEWORKS: dict[str, Callable[[App], Made | None]] = {
    "next": _next,
    "nuxt": _nuxt,
    "@sveltejs/kit": _svelte_kit,
    "@react-router/dev": _react_router,
    "@remix-run/dev": _remix,
    "@tanstack/react-start": _tanstack,
    "@tanstack/solid-start": _tanstack,
    "@solidjs/start": _nitro("SolidStart", "vinxi build"),
    "astro": _astro,
    "@angular/core": _angular,
    "@nestjs/core": _nest,
    "gatsby": _site("Gatsby", "gatsby build", "public"),
    "@docusaurus/core": _site("Docusaurus", "docusaurus build", "build"),
    "vitepress": _press("VitePress"),
    "vuepress": _press("VuePress"),
    "vuepress-vite": _press("VuePress"),
    "vuepress-webpack": _press("VuePress"),
    "hexo": _hexo,
    "@11ty/eleventy": _eleventy,
    "expo": _expo,
    # With CI set it takes each warning for an error.
    "react-scripts": _site("Create React App", "react-scripts build", "build", True, "CI=false"),
    "@vue/cli-service": _site("Vue CLI", "vue-cli-service build", "dist", True),
    "parcel": _site("Parcel", "parcel build", "dist", True),
    "vite": _vite,
}
