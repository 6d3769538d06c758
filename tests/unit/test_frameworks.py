"""What frameworks of Node build, and how that is served."""

import json

import pytest

from better_paas.builders.detect import detect
from better_paas.builders.files import MemoryFiles
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

ANGULAR = {"projects": {"shop": {"architect": {"build": {"builder": "@angular/build:application", "options": {}}}}}}
OLD_ANGULAR = {
    "projects": {
        "shop": {
            "architect": {
                "build": {"builder": "@angular-devkit/build-angular:browser", "options": {"outputPath": "dist/shop"}}
            }
        }
    }
}
RENDERED_ANGULAR = {
    "projects": {
        "shop": {"architect": {"build": {"builder": "@angular/build:application", "options": {"ssr": {"entry": "x"}}}}}
    }
}


def plan(scripts: dict[str, str], dependencies: str, files: dict[str, str] | None = None, **package) -> BuildPlan:
    described = {"scripts": scripts, "dependencies": dict.fromkeys(dependencies.split(), "1"), **package}
    return detect(MemoryFiles({"package.json": json.dumps(described), **(files or {})}), Overrides())


@pytest.mark.parametrize(
    ("start", "build", "dependencies", "files", "output"),
    [
        ("ng serve", "ng build", "@angular/core", {"angular.json": json.dumps(ANGULAR)}, "dist/shop/browser"),
        ("ng serve", "ng build", "@angular/core", {"angular.json": json.dumps(OLD_ANGULAR)}, "dist/shop"),
        ("react-scripts start", "react-scripts build", "react-scripts", {}, "build"),
        ("vite", "vite build", "vite", {}, "dist"),
        ("vite --host", "vite build --outDir out", "vite", {}, "out"),
        ("vite preview", "vite build", "vite", {"vite.config.ts": "build: { outDir: './site' }"}, "site"),
        *(
            ("vite", "vite build", "vite", {"vite.config.js": config}, output)
            for config, output in (
                ("root: resolve(__dirname, 'src'), build: { outDir: '../dist' }", "dist"),
                ("root: path.join(import.meta.dirname, 'src'),\nbuild: { outDir: './dist' }", "src/dist"),
                ("root: './client/', build: { outDir: path.resolve(__dirname, 'public') }", "public"),
                ("root: 'src'", "src/dist"),
                ("root: 'src', build: { outDir: '../../elsewhere' }", "dist"),
                ("root: process.cwd()", "dist"),
            )
        ),
        ("npm run dev", "vite build", "vite", {}, "dist"),
        ("astro dev", "astro build", "astro", {}, "dist"),
        ("gatsby develop", "gatsby build", "gatsby", {}, "public"),
        ("docusaurus start", "docusaurus build", "@docusaurus/core", {}, "build"),
        ("expo start", "expo export -p web", "expo react-native-web", {}, "dist"),
        ("eleventy --serve", "eleventy", "@11ty/eleventy", {}, "_site"),
        ("eleventy --serve", "eleventy --output=out", "@11ty/eleventy", {}, "out"),
        ("", "vite build", "@sveltejs/kit @sveltejs/adapter-static vite", {}, "build"),
        ("", "next build", "next", {"next.config.mjs": "export default { output: 'export' }"}, "out"),
        ("next start", "next build", "next", {"next.config.ts": 'output: "export"'}, "out"),
        ("", "nuxt generate", "nuxt", {}, ".output/public"),
        (
            "react-router-serve ./build/server/index.js",
            "react-router build",
            "@react-router/dev vite",
            {"react-router.config.ts": "export default { ssr: false }"},
            "build/client",
        ),
        ("", "vitepress build docs", "vitepress", {}, "docs/.vitepress/dist"),
        ("vue-cli-service serve", "vue-cli-service build", "@vue/cli-service", {}, "dist"),
        ("", "NODE_ENV=production vuepress build guide", "vuepress-vite", {}, "guide/.vuepress/dist"),
        ("vuepress dev", "vuepress build", "vuepress", {}, ".vuepress/dist"),
        ("hexo server", "hexo generate", "hexo", {"_config.yml": "title: x\npublic_dir: out\n"}, "out"),
        ("", "hexo generate", "hexo", {}, "public"),
        # No framework: what the build leaves, beside a page that is there if there is one.
        ("", "gulp build", "gulp", {}, "dist"),
        ("", "gulp build", "gulp", {"build/index.html": "x"}, "build"),
        ("serve public -l 5000 & rollup -w -c", "rollup -c", "rollup", {"public/index.html": "x"}, "public"),
        ("live-server site", "make site", "live-server", {"site/index.html": "x"}, "site"),
    ],
)
def test_what_is_only_built_is_served_as_files(start, build, dependencies, files, output):
    scripts = {"build": build, "dev": "vite", **({"start": start} if start else {})}
    found = plan(scripts, dependencies, files)
    assert (found.runtime, found.output, found.start) == ("static", output, "")


@pytest.mark.parametrize(
    ("scripts", "dependencies", "files", "start"),
    [
        ({"start": "next dev", "build": "next build"}, "next", {}, "next start"),
        ({"start": "nuxt dev", "build": "nuxt build"}, "nuxt", {}, "node .output/server/index.mjs"),
        (
            {"start": "nest start", "start:prod": "node dist/main", "build": "nest build"},
            "@nestjs/core",
            {},
            "node dist/main",
        ),
        ({"start": "nest start --watch", "build": "nest build"}, "@nestjs/core", {}, "node dist/main"),
        ({"build": "vite build"}, "@sveltejs/kit @sveltejs/adapter-node vite", {}, "node build"),
        ({"build": "react-router build"}, "@react-router/dev vite", {}, "react-router-serve ./build/server/index.js"),
        (
            {"build": "astro build", "start": "astro dev"},
            "astro @astrojs/node",
            {"astro.config.mjs": "import node from '@astrojs/node'"},
            "HOST=0.0.0.0 node dist/server/entry.mjs",
        ),
        ({"build": "vite build"}, "@tanstack/react-start vite nitro", {}, "node .output/server/index.mjs"),
        (
            {"build": "vite build"},
            "@tanstack/react-start vite",
            {},
            "npx srvx --prod -s ../client dist/server/server.js",
        ),
        (
            {"start": "ng serve", "build": "ng build"},
            "@angular/core",
            {"angular.json": json.dumps(RENDERED_ANGULAR)},
            "node dist/shop/server/server.mjs",
        ),
        ({"start": "node server.js", "build": "vite build"}, "vite express", {}, "node server.js"),
    ],
)
def test_what_has_a_server_is_started_for_production(scripts, dependencies, files, start):
    found = plan(scripts, dependencies, files)
    assert (found.runtime, found.start) == ("node", start)


@pytest.mark.parametrize(
    ("main", "dependencies", "files", "start"),
    [
        ("dist/index.js", "express", {}, "node dist/index.js"),
        ("./dist/server/main.mjs", "express", {"public/index.html": ""}, "node dist/server/main.mjs"),
        ("build/bot", "discord.js", {}, "node build/bot"),
        ("dist/index.js", "gulp", {"src/index.html": ""}, ""),
        ("dist/../../x.js", "express", {}, ""),
        ("src/missing.js", "express", {}, ""),
    ],
)
def test_an_entry_may_be_made_by_the_build(main, dependencies, files, start):
    found = plan({"build": "tsc"}, dependencies, files, main=main)
    assert (found.start, found.runtime) == (start, "node" if start else "static")
    with pytest.raises(NoPlan, match="how to start"):
        plan({}, "express", main="dist/index.js")


@pytest.mark.parametrize(
    ("dependencies", "files", "start"),
    [
        ("next", {"next.config.mjs": "export default {\n  // output: 'export',\n}"}, "next start"),
        ("next", {"next.config.ts": "const x = {} // output: 'export'"}, "next start"),
        ("next", {"next.config.js": "/* for pages:\n  output: 'export',\n*/\nmodule.exports = {}"}, "next start"),
        ("next", {"next.config.js": "x = ['https://a.test/**/*.png']; y = { output: 'export' }"}, ""),
        ("@remix-run/dev", {"vite.config.ts": "remix({\n  // ssr: false\n})"}, "remix-serve ./build/server/index.js"),
        ("@nestjs/core", {"tsconfig.json": '{"compilerOptions": {\n  // "rootDir": "./",\n}}'}, "node dist/main"),
    ],
)
def test_comments_in_settings_say_nothing(dependencies, files, start):
    assert plan({"build": "x"}, dependencies, files).start == start


def test_what_can_be_built_and_not_started_is_said_to_be_taken_for_a_site():
    found = plan({"build": "gulp build"}, "gulp")
    assert "Nothing says how to start it" in found.notes[-1] and "dist" in found.notes[-1]
    described = json.dumps({"scripts": {"build": "gulp build"}, "devDependencies": {"gulp": "1"}})
    wanted = detect(MemoryFiles({"package.json": described}), Overrides(site=True, output="www"))
    assert (wanted.runtime, wanted.output, wanted.build) == ("static", "www", "npm run build")
    # Neither where there is nothing to build, nor in place of a language whose tools these are.
    with pytest.raises(NoPlan, match="this is a Node app"):
        plan({"test": "mocha"}, "mocha")
    with pytest.raises(NoPlan, match="this is a Python app"):
        plan({"build": "gulp build"}, "gulp", {"pyproject.toml": "[project]\nname = 'x'\n"})
    with pytest.raises(NoPlan, match="this is a Node app"):
        detect(MemoryFiles({"package.json": described}), Overrides(site=False))


def test_tools_of_another_language_are_no_app_of_it():
    files = {"go.mod": "module tools\n\ngo 1.24\n", "tools.go": "package tools\n"}
    assert plan({"start": "node x.js"}, "express", files).start == "node x.js"
    with pytest.raises(NoPlan, match="this Go module has no main package"):
        detect(MemoryFiles(files), Overrides())
    with pytest.raises(NoPlan, match="this is a Python app"):
        detect(MemoryFiles({**files, "setup.py": "", "package.json": "{}"}), Overrides())
    several = {**files, "cmd/one/main.go": "package main\n", "cmd/two/main.go": "package main\n"}
    with pytest.raises(NoPlan, match="this Go module has no main package"):
        plan({"start": "node x.js"}, "express", several)


@pytest.mark.parametrize(
    "files",
    [
        {"Gemfile": "source 'https://rubygems.org'\ngem 'fastlane'\n", "Gemfile.lock": ""},
        {"Cargo.toml": "[package]\nname = 'x'\n[lib]\ncrate-type = ['cdylib']\n", "src/lib.rs": ""},
        {"deno.lock": "{}"},
        {"deno.json": '{"fmt": {}}'},
        {"android/build.gradle": "", "android/gradlew": ""},
        {"android/build.gradle": "", "android/settings.gradle": "", "ios/Podfile": ""},
    ],
)
def test_what_has_no_app_of_another_language_is_one_of_node(files):
    assert plan({"start": "node x.js"}, "express", files).start == "node x.js"
    assert plan({}, "express", {**files, "Procfile": "web: node x.js\n"}).runtime == "node"


@pytest.mark.parametrize(
    ("files", "runtime"),
    [
        ({"Gemfile": "gem 'rails'\n"}, "ruby"),
        ({"Gemfile": "gem 'hanami'\n"}, ""),
        ({"Gemfile": "gem 'x'\n", "config.ru": ""}, "ruby"),
        ({"Gemfile": "gem 'x'\n", "Procfile": "web: bundle exec x\n"}, "ruby"),
        ({"composer.json": '{"require": {"laravel/framework": "11"}}', "public/index.php": ""}, "php"),
        ({"Cargo.toml": "[package]\nname = 'x'\n", "src/main.rs": ""}, "rust"),
        ({"Cargo.toml": "[package]\nname = 'x'\n", "src/bin/web.rs": ""}, "rust"),
        ({"deno.json": '{"tasks": {"start": "deno run x.ts"}}'}, "deno"),
        ({"build.gradle": ""}, ""),
    ],
)
def test_an_app_of_another_language_is_none_of_node(files, runtime):
    if runtime:
        assert plan({"start": "node x.js"}, "express", files).runtime == runtime
    else:
        with pytest.raises(NoPlan):
            plan({"start": "node x.js"}, "express", files)


def test_pages_beside_tools_are_served_as_they_are():
    found = plan({"lint": "eslint ."}, "eslint", {"index.html": "x"})
    assert (found.runtime, found.output, found.build) == ("static", ".", "")


def test_a_build_is_done_for_what_has_no_script_of_it():
    assert plan({"start": "next start"}, "next").build == "next build"
    assert plan({"start": "node x.js"}, "express").build == ""


def test_the_adapter_that_chooses_chooses_node():
    assert (
        plan({"build": "vite build"}, "@sveltejs/kit @sveltejs/adapter-auto").build == "GCP_BUILDPACKS=1 npm run build"
    )


@pytest.mark.parametrize(
    ("dependencies", "config"),
    [
        ("astro @astrojs/vercel", {"astro.config.mjs": "import n from '@astrojs/vercel'\nx = {output: 'server'}"}),
        ("astro @astrojs/netlify", {"astro.config.mjs": "import n from '@astrojs/netlify'\nx = {output: 'server'}"}),
    ],
)
def test_what_is_built_for_another_host_says_so(dependencies, config):
    with pytest.raises(NoPlan, match="is built for another host") as error:
        plan({"build": "vite build"}, dependencies, config)
    assert "adapter for Node" in error.value.hint
    assert plan({"build": "vite build", "start": "node x.js"}, dependencies, config).start == "node x.js"


@pytest.mark.parametrize(
    ("lock", "adds"),
    [
        ("package-lock.json", "npm install --no-save"),
        ("pnpm-lock.yaml", "pnpm add --save-dev --ignore-workspace-root-check"),
        ("bun.lock", "bun add --dev"),
    ],
)
def test_the_adapter_for_node_takes_the_place_of_another_hosts(lock, adds):
    config = {"svelte.config.js": "import a from '@sveltejs/adapter-vercel'", lock: ""}
    found = plan({"build": "vite build"}, "@sveltejs/kit @sveltejs/adapter-vercel vite", config)
    package = "@sveltejs/adapter-vercel@npm:@sveltejs/adapter-node@5"
    assert found.build.startswith(f"{adds} {package} && ") and found.start == "node build"
    assert any("takes its place" in note for note in found.notes)


def test_warnings_of_create_react_app_are_no_errors():
    assert plan({"build": "react-scripts build"}, "react-scripts").build == "CI=false npm run build"


class TestManagers:
    def test_a_lock_that_is_out_of_step_is_said(self):
        lock = {"packages": {"": {"dependencies": {"express": "1"}}}}
        files = {"package-lock.json": json.dumps(lock)}
        assert plan({"start": "node x"}, "express", files).install == "npm ci"
        found = plan({"start": "node x"}, "express dayjs", files)
        assert found.install == "npm install"
        assert "out of step with package.json (dayjs)" in found.notes[0]

    def test_packages_in_archives_are_reached_by_yarn_alone(self):
        found = plan({"start": "node x.js"}, "express", {"yarn.lock": "__metadata:\n  version: 8\n"})
        assert (found.start, found.manager_package) == ("yarn start", "@yarnpkg/cli-dist@4")
        assert found.environment["YARN_CACHE_FOLDER"] == "/app/.yarn/cache", "they are part of the image"
        linked = {"yarn.lock": "__metadata:\n  version: 8\n", ".yarnrc.yml": "nodeLinker: node-modules\n"}
        assert plan({"start": "node x.js"}, "express", linked).start == "node x.js"

    @pytest.mark.parametrize(
        ("lock", "text", "package"),
        [
            ("pnpm-lock.yaml", "lockfileVersion: 5.4\n", "pnpm@7"),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "pnpm@9"),
            ("yarn.lock", "__metadata:\n  version: 6\n", "@yarnpkg/cli-dist@3"),
            ("yarn.lock", "# yarn lockfile v1\n", "yarn@1"),
        ],
    )
    def test_a_lock_is_read_by_the_version_that_writes_its_format(self, lock, text, package):
        assert plan({"start": "node x"}, "express", {lock: text}).manager_package == package

    def test_engines_name_a_version(self):
        assert plan({"start": "node x"}, "a", engines={"pnpm": "8.15.x"}).manager_package == "pnpm@8.15"

    @pytest.mark.parametrize(
        ("lock", "text", "wanted", "package"),
        [
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", ">=8", "pnpm@9"),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", ">=10", "pnpm@10"),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "^9.5.0", "pnpm@9.5.0"),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "^8", "pnpm@9"),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "11.5.x", "pnpm@11.5"),
            ("yarn.lock", "__metadata:\n  version: 8\n", ">=1.22", "@yarnpkg/cli-dist@4"),
            ("yarn.lock", "__metadata:\n  version: 6\n", ">=1.22", "@yarnpkg/cli-dist@3"),
            ("yarn.lock", "# yarn lockfile v1\n", ">=1.22", "yarn@1.22"),
            ("yarn.lock", "# yarn lockfile v1\n", ">=3", "yarn@1"),
        ],
    )
    def test_engines_name_no_version_that_can_not_read_the_lock(self, lock, text, wanted, package):
        engines = {lock.partition("-lock")[0].partition(".")[0]: wanted}
        assert plan({"start": "node x"}, "a", {lock: text}, engines=engines).manager_package == package

    def test_hooks_get_what_they_read(self):
        files = {"package-lock.json": "{}", "patches/a.patch": "", "prisma/schema.prisma": "", ".npmrc": ""}
        found = plan({"start": "node x", "postinstall": "patch-package && prisma generate"}, "a", files)
        assert {"patches/", "prisma/", ".npmrc", "package.json"} <= set(found.manifests)
        assert plan({"start": "node x", "postinstall": "node scripts/prepare.js"}, "a", files).manifests == ()

    @pytest.mark.parametrize(
        ("hook", "build", "is_harmless"),
        [
            ("nuxt prepare", "nuxt build", True),
            ("nuxi prepare", "nuxi generate", True),
            ("nuxt prepare", "vue-tsc && nuxt build", False),
            ("nuxt prepare apps/web", "nuxt build", False),
            ("svelte-kit sync", "vite build", True),
            ("svelte-kit sync || echo ''", "vite build", True),
            ("husky && svelte-kit sync", "vite build && ls", True),
            ("svelte-kit sync", "svelte-check && vite build", False),
            ("svelte-kit sync && node x.js", "vite build", False),
        ],
    )
    def test_hooks_that_the_build_does_once_more_need_no_sources(self, hook, build, is_harmless):
        for name in ("postinstall", "prepare"):
            found = plan({"start": "node x", "build": build, name: hook}, "a", {"package-lock.json": "{}"})
            assert bool(found.manifests) is is_harmless

    def test_bun_has_node_beside_it_where_programs_call_it(self):
        found = plan({"start": "next start", "build": "next build"}, "next", {"bun.lockb": ""})
        assert (found.runtime, found.start, found.tools, found.run_tools) == (
            "bun",
            "bun run start",
            {"node": "22"},
            ("node",),
        )

    def test_node_has_bun_beside_it_where_a_script_calls_it(self):
        found = plan({"start": "bun x.ts"}, "a", {"package-lock.json": "{}"})
        assert (found.runtime, found.tools, found.run_tools) == ("node", {"bun": "1"}, ("bun",))

    def test_node_has_python_where_a_script_calls_it(self):
        found = plan({"start": "node x", "postinstall": "pip3 install -r r.txt"}, "a")
        assert "python3" in found.build_packages and "python3" in found.run_packages

    def test_a_driven_browser_comes_with_its_libraries(self):
        found = plan({"start": "node x"}, "puppeteer")
        assert "libnss3" in found.run_packages and found.install_app == "npx puppeteer browsers install chrome"
        assert found.environment == {"PUPPETEER_CACHE_DIR": "/app/.cache/puppeteer"}


def test_versions_that_have_ended_are_given_and_said():
    found = plan({"start": "node x"}, "a", {".nvmrc": "lts/hydrogen"})
    assert found.version == "18"
    assert "end of life" in " ".join(found.notes)
    assert "There is no image of Node 8" in " ".join(plan({"start": "node x"}, "a", engines={"node": "8"}).notes)


def test_a_server_bundle_is_no_site():
    """It has no page at its top: the build's last step says so (see dockerfile.site_check)."""
    with pytest.raises(NoPlan, match="how to start"):
        plan({}, "express")


class TestBesideOthers:
    """A file that may be a helper of the app takes nothing away from it."""

    @pytest.mark.parametrize(
        "stray",
        [
            {"main.py": ""},
            {"server.py": ""},
            {"app.rb": ""},
            {"index.php": ""},
            {"deno.json": '{"tasks": {"lint": "x"}}', "main.ts": ""},
        ],
    )
    def test_a_stray_file(self, stray):
        assert plan({"build": "next build", "start": "next start"}, "next", stray).framework == "Next.js"
        assert plan({"start": "node x.js"}, "express", stray).runtime == "node"

    @pytest.mark.parametrize(
        "sure",
        [
            {"app.py": "app = Flask(__name__)", "requirements-prod.txt": "flask"},
            {"app.py": "app = Flask(__name__)", "requirements/prod.txt": "flask"},
            {"app.py": "", "Procfile": "web: daphne x.asgi:application"},
        ],
    )
    def test_pages_of_an_app_are_no_app(self, sure):
        assert plan({"start": "webpack --watch", "build": "webpack"}, "next", sure).runtime == "python"

    def test_pages_of_php_are_built_beside_them(self):
        assert plan({"build": "vite build"}, "vue vite", {"index.php": "", "index.html": ""}).runtime == "php"

    @pytest.mark.parametrize("package", ["{{broken", "[]"])
    def test_a_broken_package_stops_no_other_language(self, package):
        files = {"go.mod": "module x", "main.go": "package main", "package.json": package}
        assert detect(MemoryFiles(files), Overrides()).runtime == "go"

    @pytest.mark.parametrize(
        ("files", "runtime"),
        [
            ({"main.py": "", "requirements.txt": ""}, "python"),
            ({"index.php": "", "composer.json": "{}"}, "php"),
            ({"index.php": ""}, "php"),
            ({"deno.json": '{"tasks": {"start": "deno run main.ts"}}', "main.ts": ""}, "deno"),
        ],
    )
    def test_what_names_another_language_stands_before_tools(self, files, runtime):
        assert plan({"start": "gulp watch"}, "gulp", files).runtime == runtime

    @pytest.mark.parametrize(
        ("scripts", "more", "build", "output"),
        [
            ({"build": "tailwindcss -i a.css -o css/out.css"}, {}, "npm run build && rm -rf node_modules", "."),
            ({"build": "esbuild a.js --outfile=dist/a.js"}, {}, "npm run build", "dist"),
            ({"build": "mkdir -p css && cp a.css css"}, {}, "npm run build && rm -rf node_modules", "."),
            ({"build": "webpack"}, {}, "npm run build", "dist"),
            ({"build": "cp index.html public/"}, {}, "npm run build", "dist"),
            ({}, {"index.js": "document.title", "main": "index.js"}, "", "."),
            ({"test": "jest"}, {"app.js": "window.x"}, "", "."),
            ({"start": "node_modules/.bin/gulp watch"}, {"js/a.js": "window.x"}, "", "."),
        ],
    )
    def test_a_page_at_the_top_is_a_site(self, scripts, more, build, output):
        main = {"main": more.pop("main")} if "main" in more else {}
        found = plan(scripts, "", {"index.html": "x", **more}, devDependencies={"jest": "1"}, **main)
        assert (found.runtime, found.build, found.output) == ("static", build, output)
        assert bool(found.install) == bool(build), "a page that nothing builds needs no packages"

    def test_a_page_may_show_what_its_packages_hold(self):
        found = plan({}, "todomvc-app-css", {"index.html": "<link href=node_modules/todomvc-app-css/index.css>"})
        assert (found.runtime, found.install, found.build) == ("static", "npm install", "")

    @pytest.mark.parametrize(
        ("main", "dependencies", "files"),
        [
            ("server.js", "ws", {"server.js": "new WebSocketServer({ port: 1 })"}),
            ("server", "ws", {"server.js": ""}),
            ("./lib/start.js", "restify", {"lib/start.js": "require('./app').run()"}),
        ],
    )
    def test_nor_if_its_program_has_packages_to_run_with(self, main, dependencies, files):
        assert plan({}, dependencies, {"index.html": "x", **files}, main=main).runtime == "node"

    @pytest.mark.parametrize(
        ("scripts", "files"), [({"postinstall": "cp -r a b"}, {}), ({}, {"about.html": "<script src=node_modules/x>"})]
    )
    def test_what_a_page_needs_of_its_packages_is_there(self, scripts, files):
        found = plan(scripts, "left-pad", {"index.html": "x", **files})
        assert (found.runtime, found.install) == ("static", "npm install")

    def test_unless_a_program_beside_it_listens(self):
        server = {"index.html": "x", "server.js": "http.createServer(f).listen(process.env.PORT)"}
        assert plan({}, "", server, main="server.js").start == "node server.js"


@pytest.mark.parametrize(
    "script",
    [
        "parcel", "react-scripts --openssl-legacy-provider start", "rsbuild dev", "rspack serve", "farm start",
        "ember serve", "preact watch", "stencil build --dev --watch --serve", "max dev", "webpack serve", "live-server",
    ],
)  # fmt: skip
def test_servers_for_development_are_not_started(script):
    found = plan({"build": "x build", "start": script}, "left-pad")
    assert (found.runtime, found.output) == ("static", "dist")


@pytest.mark.parametrize(
    ("tasks", "start"),
    [
        (
            {"start": "deno run -A --watch=static/,routes/ dev.ts", "preview": "deno run -A main.ts"},
            "deno task preview",
        ),
        ({"start": "deno run -A --watch=static/,routes/ dev.ts"}, "deno run --allow-all main.ts"),
        ({"start": "deno run -A main.ts"}, "deno task start"),
        ({"start": "deno run -A src/mydev.ts --watchdog"}, "deno task start"),
    ],
)
def test_of_deno_the_task_that_builds_anew_is_passed_over(tasks, start):
    assert detect(MemoryFiles({"deno.json": json.dumps({"tasks": tasks}), "main.ts": ""}), Overrides()).start == start
