"""An app in a folder of a workspace is built from its top, by its lock, and of nothing that is not its own."""

import json
from typing import ClassVar

import pytest

from better_paas.builders import dockerfile, globs
from better_paas.builders.detect import detect
from better_paas.builders.files import MemoryFiles
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

WEB = {"name": "web", "scripts": {"build": "next build", "start": "next start"}, "dependencies": {"next": "1"}}
UI = {"name": "@acme/ui", "version": "1.2.0", "scripts": {"build": "tsc"}}


def plan(files: dict[str, object], folder: str, **overrides) -> BuildPlan:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in files.items()}
    return detect(MemoryFiles(texts), Overrides(**overrides), folder)


def workspace(wanted: str = "workspace:*", **files: object) -> dict[str, object]:
    web = {**WEB, "dependencies": {**WEB["dependencies"], "@acme/ui": wanted}}
    return {"apps/web/package.json": web, "packages/ui/package.json": UI, **files}


NPM = {"package.json": {"workspaces": ["apps/*", "packages/*"]}, "package-lock.json": {}}
PNPM = {"package.json": {}, "pnpm-workspace.yaml": "packages:\n  - 'apps/*'\n  - packages/*\n", "pnpm-lock.yaml": ""}
YARN = {"package.json": {"workspaces": {"packages": ["apps/*", "packages/*"]}}, "yarn.lock": "# yarn lockfile v1\n"}
BUN = {"package.json": {"workspaces": ["apps/*", "packages/*"]}, "bun.lock": ""}


@pytest.mark.parametrize(
    ("top", "install", "run"),
    [
        (NPM, "npm ci --workspace=apps/web --include-workspace-root", "npm run build"),
        (PNPM, "pnpm install --frozen-lockfile --filter . --filter '{./apps/web}...'", "pnpm run build"),
        (YARN, "yarn install --frozen-lockfile", "yarn build"),
        (BUN, "bun install --frozen-lockfile", "bun run build"),
    ],
)
def test_a_member_is_installed_by_the_lock_of_the_top(top, install, run):
    found = plan({**workspace(), **top}, "apps/web")
    assert (found.context, found.folder) == ("", "apps/web")
    assert found.install == install
    assert found.build == f"(cd ../../packages/ui && {run}) && {run}", "what it needs is built before it"
    assert {"apps/web/package.json", "packages/ui/package.json"} <= set(found.manifests)


def test_folders_of_members_are_manifests_at_any_depth():
    files = {
        **workspace(),
        **NPM,
        "apps/web/patches/in/a.patch": "",
        "packages/ui/prisma/s.prisma": "",
        "patches-x/a": "",
    }
    found = plan(files, "apps/web")
    assert {each for each in found.manifests if each[-1] == "/"} == {"apps/web/patches/", "packages/ui/prisma/"}


@pytest.mark.parametrize(
    "text",
    [
        "packages: ['apps/*', \"packages/*\"]\n",
        "packages: [\n  'apps/*', # ours\n  packages/*,\n]\ncatalog:\n  a: 1\n",
        "catalog: {react: ^19, a: {b: c}}\npackages:\n  # ours\n  - 'apps/*'\n\n  - packages/*   # and these\n  - '!x'\n",
        "packages:\n- apps/*\n- packages/*\nanchors: &x\n  - no/*\noverrides: *x\n",
    ],
)
def test_of_pnpm_the_list_alone_is_read(text):
    found = plan({**workspace(), **PNPM, "pnpm-workspace.yaml": text}, "apps/web")
    assert found.folder == "apps/web" and "packages/ui/package.json" in found.manifests


def test_its_image_is_made_of_the_top_and_starts_in_its_folder():
    text = dockerfile.generate(plan({**workspace(), **PNPM}, "apps/web"), "base:1", "", has_variables=False)
    assert "COPY better-paas/manifests/ ./" in text
    assert text.count("WORKDIR /app/apps/web") == 2
    assert "PATH=/app/apps/web/node_modules/.bin:/app/node_modules/.bin:$PATH" in text


def test_a_workspace_may_be_below_the_top_of_the_repository():
    files = {f"js/{name}": value for name, value in {**workspace(), **NPM}.items()}
    found = plan(files, "js/apps/web")
    assert (found.context, found.folder) == ("js", "apps/web")


def test_a_folder_that_is_no_member_is_built_alone():
    found = plan({**NPM, "tools/x/package.json": {"scripts": {"start": "node x.js"}}}, "tools/x")
    assert (found.context, found.folder, found.start) == (None, "", "node x.js")


@pytest.mark.parametrize("wanted", ["^2.0.0", "1.x", "latest", "npm:other@1"])
def test_a_package_of_the_workspace_never_comes_from_a_registry(wanted):
    unlocked = {name: value for name, value in NPM.items() if name != "package-lock.json"}
    with pytest.raises(NoPlan, match="would be fetched from a public registry") as error:
        plan({**workspace(wanted), **unlocked}, "apps/web")
    assert error.value.quoted == f"apps/web wants @acme/ui {wanted}"
    assert plan({**workspace(wanted), **unlocked}, "apps/web", install_command="npm install").install == "npm install"


def test_nor_does_one_that_the_top_or_another_member_wants():
    unlocked = {name: value for name, value in NPM.items() if name != "package-lock.json"}
    top = {"workspaces": ["apps/*", "packages/*"], "dependencies": {"@acme/ui": "latest"}}
    start = {"scripts": {"start": "node x.js"}}
    for folder, package in (("apps/web", top), ("", {**top, **start})):
        with pytest.raises(NoPlan, match="public registry") as error:
            plan({**workspace(), "package.json": package}, folder)
        assert error.value.quoted == "the top wants @acme/ui latest"
    with pytest.raises(NoPlan, match="public registry") as error:
        plan({**workspace("latest"), "package.json": {**NPM["package.json"], **start}}, "")
    assert error.value.quoted == "apps/web wants @acme/ui latest"
    peer = {"name": "kit", "peerDependencies": {"@acme/ui": "latest"}}
    with pytest.raises(NoPlan, match="public registry"):
        plan(
            {
                **unlocked,
                **workspace(),
                "package.json": {**NPM["package.json"], **start},
                "packages/kit/package.json": peer,
            },
            "",
        )
    lock = {"package-lock.json": {"packages": {"": {"dependencies": {"left-pad": "1"}}}}}
    with pytest.raises(NoPlan, match="public registry"):
        plan({**workspace(), **lock, "package.json": top}, "apps/web")
    beside = {"requirements.txt": "flask\n", "main.py": "", "package.json": {**top, "scripts": {"build": "vite build"}}}
    with pytest.raises(NoPlan, match="public registry"):
        plan({**workspace(), **beside}, "")


@pytest.mark.parametrize("wanted", ["workspace:*", "*", "^1.1.0", "1.2.0", "file:../../packages/ui"])
def test_what_only_the_member_can_mean_is_no_danger(wanted):
    unlocked = {name: value for name, value in NPM.items() if name != "package-lock.json"}
    assert plan({**workspace(wanted), **unlocked}, "apps/web").folder == "apps/web"


def test_pnpm_links_members_only_where_that_is_said():
    unlocked = {name: value for name, value in PNPM.items() if name != "pnpm-lock.yaml"}
    with pytest.raises(NoPlan, match="public registry"):
        plan({**workspace("*"), **unlocked}, "apps/web")


NAMESAKE = {"name": "pinia", "version": "0.0.0", "scripts": {"build": "vite build"}}


@pytest.mark.parametrize(
    ("manager", "wanted", "lock", "is_built"),
    [
        (PNPM, "^3.0.4", "importers:\n  apps/web:\n    version: 3.0.4\n\npackages:\n", False),
        (PNPM, "^3.0.4", "importers:\n  apps/web:\n    version: link:../../packages/pinia\n\npackages:\n", True),
        (PNPM, "^3.0.4", "importers:\n  apps/web:\n", True),  # only its beginning was read
        (PNPM, "workspace:*", "importers:\n\npackages:\n", True),
        (NPM, "^3.0.4", None, False),
        (NPM, "*", None, True),
        (NPM, ">=1", None, True),
    ],
)
def test_a_member_is_not_built_for_who_wants_its_namesake_of_a_registry(manager, wanted, lock, is_built):
    web = {**WEB, "dependencies": {"pinia": wanted}}
    files = {**manager, "apps/web/package.json": web, "packages/pinia/package.json": NAMESAKE}
    if lock is not None:
        files["pnpm-lock.yaml"] = lock
    assert ("packages/pinia" in plan(files, "apps/web").build) is is_built


def test_the_one_app_of_a_workspace_is_built():
    found = plan({**workspace(), **NPM}, "")
    assert found.folder == "apps/web"
    assert "the one app of this workspace" in " ".join(found.notes)
    with pytest.raises(NoPlan, match="several apps") as error:
        plan({**workspace(), **NPM, "apps/admin/package.json": {**WEB, "name": "admin"}}, "")
    assert error.value.quoted == "apps/admin, apps/web"


def test_nx_builds_a_member_that_has_no_script():
    bare = {"name": "@acme/web", "dependencies": {"next": "1"}}
    found = plan({**PNPM, "nx.json": {}, "apps/web/package.json": bare}, "apps/web")
    assert (found.build, found.start) == ("nx build @acme/web", "next start")


def test_what_members_need_is_installed_also_without_a_lock_and_with_a_bare_top():
    top = {name: text for name, text in PNPM.items() if name != "pnpm-lock.yaml"}
    assert plan(workspace(**top), "apps/web").install == "pnpm install --filter . --filter '{./apps/web}...'"


class TestNx:
    TOP = {"package.json": {"dependencies": {"next": "1", "@angular/core": "1", "vite": "5"}}, "nx.json": {}}

    @pytest.mark.parametrize(
        ("executor", "path", "start", "output"),
        [
            ("@nx/webpack:webpack", "dist/apps/web", "node ../../dist/apps/web/main.js", ""),
            ("@nx/js:tsc", "dist/apps/web", "node ../../dist/apps/web/src/main.js", ""),
            ("@nx/next:build", "dist/apps/web", "next start ../../dist/apps/web", ""),
            ("@nx/vite:build", "dist/apps/web", "", "../../dist/apps/web"),
            ("@angular/build:application", "dist/apps/web", "", "../../dist/apps/web/browser"),
            ("@nx/webpack:webpack", {"base": "dist/web"}, "node ../../dist/web/main.js", ""),
        ],
    )
    def test_a_project_without_a_package(self, executor, path, start, output):
        project = {"name": "web", "targets": {"build": {"executor": executor, "options": {"outputPath": path}}}}
        found = plan({**self.TOP, "apps/web/project.json": project}, "apps/web")
        assert (found.context, found.folder, found.install) == ("", "apps/web", "npm install")
        assert (found.build, found.start, found.output) == ("nx build web", start, output)

    def test_what_is_built_may_be_at_the_top(self):
        files = {**self.TOP, "apps/web/project.json": {"name": "web"}}
        for folder, output in (("../../dist/apps/web", "../../dist/apps/web"), ("../../../x", "dist")):
            config = f"export default {{ build: {{ outDir: '{folder}' }} }}"
            found = plan({**files, "apps/web/vite.config.ts": config}, "apps/web")
            assert (found.runtime, found.output) == ("static", output)
        assert plan({**files, "apps/web/vite.config.ts": ""}, "apps/web", output="../../www").site == "www"
        with pytest.raises(NoPlan, match="no folder that a site can be in"):
            plan({**files, "apps/web/vite.config.ts": ""}, "apps/web", output="../../../www")

    def test_a_site_beside_nest_is_known_by_its_page(self):
        top = {"dependencies": {"@nestjs/core": "1", "react": "1"}, "devDependencies": {"vite": "1"}}
        files = {"package.json": top, "nx.json": {}, "apps/web/project.json": {"name": "web"}}
        config = "export default { build: { outDir: '../../dist/apps/web' } }"
        found = plan({**files, "apps/web/vite.config.ts": config, "apps/web/index.html": ""}, "apps/web")
        assert (found.runtime, found.framework, found.output) == ("static", "Vite", "../../dist/apps/web")
        assert plan({**files, "apps/web/vite.config.ts": ""}, "apps/web").framework == "NestJS", "it tests with Vite"


MANAGED = "pnpm@10.0.0"


class TestTurborepo:
    TASKS: ClassVar = {"tasks": {"build": {"dependsOn": ["^build", "^db:generate"]}}}

    @pytest.mark.parametrize(
        ("top", "version", "settings", "build"),
        [
            (PNPM, "^2.5.0", TASKS, "(cd ../.. && turbo run build --filter=web --env-mode=loose)"),
            (NPM, "latest", TASKS, "(cd ../.. && turbo run build --filter=web --env-mode=loose)"),
            (NPM, "^1.8.0", {"pipeline": {"web#build": {}}}, "(cd ../.. && turbo run build --filter=web)"),
            (
                {**YARN, "yarn.lock": "__metadata:\n  version: 8\n", ".yarnrc.yml": ""},
                "12.0.0",
                TASKS,
                "(cd ../.. && yarn turbo run build --filter=web --env-mode=loose)",
            ),
            (PNPM, "2", {"tasks": {"lint": {}}}, "(cd ../../packages/ui && pnpm run build) && pnpm run build"),
        ],
    )
    def test_it_builds_a_member_with_all_that_it_waits_for(self, top, version, settings, build):
        named = "pnpm@10.0.0" if top is PNPM else "npm@10.0.0" if top is NPM else "yarn@4.0.0"
        package = {**top["package.json"], "packageManager": named, "devDependencies": {"turbo": version}}
        found = plan({**workspace(), **top, "package.json": package, "turbo.json": settings}, "apps/web")
        assert (found.build, found.folder) == (build, "apps/web")

    def test_what_it_does_not_build_is_built_after_it(self):
        files = {
            **workspace(),
            **PNPM,
            "package.json": {"packageManager": MANAGED, "devDependencies": {"turbo": "2"}},
            "turbo.json": self.TASKS,
        }
        ordered = "(cd ../.. && turbo run build --filter=web --env-mode=loose)"
        bare = {"name": "web", "dependencies": {"next": "1", "@acme/ui": "workspace:*"}}
        assert plan({**files, "apps/web/package.json": bare}, "apps/web").build == f"{ordered} && next build"
        alone = {"name": "web", "dependencies": {"next": "1"}}
        assert plan({**files, "apps/web/package.json": alone}, "apps/web").build == "next build"
        heroku = {**WEB, "scripts": {"heroku-postbuild": "x", "build": "y", "start": "z"}}
        assert plan({**files, "apps/web/package.json": heroku}, "apps/web").build == "pnpm run heroku-postbuild"

    def test_it_is_not_run_where_it_is_not_installed_or_has_no_name_to_be_asked_for(self):
        files = {**workspace(), **PNPM, "turbo.json": self.TASKS}
        assert "turbo" not in plan(files, "apps/web").build
        files["package.json"] = {"devDependencies": {"turbo": "2"}}
        assert "turbo" not in plan(files, "apps/web").build, "it refuses to run without packageManager"
        files["package.json"]["packageManager"] = MANAGED
        assert "turbo" not in plan({**files, "apps/web/package.json": {**WEB, "name": "a; b"}}, "apps/web").build

    def test_its_scripts_get_the_variables_of_their_framework(self):
        react = {"name": "web", "scripts": {"build": "react-scripts build"}, "dependencies": {"react-scripts": "5"}}
        files = {
            **PNPM,
            "package.json": {"packageManager": MANAGED, "devDependencies": {"turbo": "2"}},
            "turbo.json": self.TASKS,
        }
        found = plan({**files, "apps/web/package.json": react}, "apps/web")
        assert found.build == "(cd ../.. && CI=false turbo run build --filter=web --env-mode=loose)"
        assert "TURBO_TELEMETRY_DISABLED=1" in dockerfile.generate(found, "base:1", "", has_variables=False)


class TestDependenciesOfTheTop:
    def test_a_framework_is_found_there(self):
        top = {**NPM["package.json"], "dependencies": {"next": "1"}}
        found = plan({**NPM, "package.json": top, "apps/web/package.json": {"name": "web"}}, "apps/web")
        assert (found.framework, found.build, found.start) == ("Next.js", "next build", "next start")

    def test_of_several_it_is_the_one_that_the_member_speaks_of(self):
        top = {**NPM["package.json"], "dependencies": {"next": "1", "astro": "1", "@nestjs/core": "1"}}
        files = {**NPM, "package.json": top, "apps/api/nest-cli.json": {}, "apps/docs/astro.config.mjs": ""}
        files |= {f"apps/{name}/package.json": {"name": name} for name in ("api", "docs")}
        assert plan(files, "apps/api").start == "node dist/main"
        assert plan(files, "apps/docs").output == "dist"

    def test_what_they_need_of_debian_is_there(self):
        top = {
            **NPM["package.json"],
            "dependencies": {"prisma": "5", "puppeteer": "1"},
            "devDependencies": {"canvas": "1"},
        }
        web = {"name": "web", "scripts": {"start": "node x.js"}}
        found = plan({**NPM, "package.json": top, "apps/web/package.json": web}, "apps/web")
        assert {"openssl", "libnss3"} <= set(found.run_packages) and "libcairo2-dev" not in found.build_packages
        assert "puppeteer browsers install" in found.install_app


class TestHooks:
    def test_those_of_members_get_what_they_read(self):
        web = {**WEB, "scripts": {**WEB["scripts"], "postinstall": "prisma generate"}}
        files = {**NPM, **workspace(), "apps/web/package.json": web, "apps/web/prisma/schema.prisma": ""}
        assert {"apps/web/prisma/", "apps/web/package.json"} <= set(plan(files, "apps/web").manifests)
        named = {**web, "prisma": {"schema": "db/schema.prisma"}}
        found = plan({**files, "apps/web/package.json": named, "apps/web/db/schema.prisma": ""}, "apps/web")
        assert "apps/web/db/" in found.manifests
        outside = {**web, "prisma": {"schema": "../../../x"}}
        assert plan({**files, "apps/web/package.json": outside}, "apps/web").manifests == ()
        elsewhere = {**web, "scripts": {**web["scripts"], "postinstall": "prisma generate --schema db/x.prisma"}}
        assert plan({**files, "apps/web/package.json": elsewhere}, "apps/web").manifests == ()

    @pytest.mark.parametrize(("top", "is_run"), [(NPM, False), (PNPM, False), (YARN, True), (BUN, True)])
    def test_one_that_reads_anything_gets_everything(self, top, is_run):
        hook = {"scripts": {"postinstall": "node scripts/gen.js"}}
        assert plan({**top, **workspace(), "packages/ui/package.json": {**UI, **hook}}, "apps/web").manifests == ()
        other = {"packages/other/package.json": {"name": "other", **hook}}
        assert (plan({**top, **workspace(), **other}, "apps/web").manifests == ()) is is_run


class TestOtherLanguages:
    UV = {
        "pyproject.toml": '[project]\nname="all"\n[tool.uv.workspace]\nmembers=["packages/*"]\n',
        "packages/api/pyproject.toml": '[project]\nname="api"\ndependencies=["fastapi","uvicorn","db"]\n[build-system]\n',
        "packages/api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "packages/db/pyproject.toml": '[project]\nname="db"\ndependencies=["psycopg2"]\n',
    }

    def test_uv(self):
        found = plan({**self.UV, "uv.lock": ""}, "packages/api")
        assert (found.context, found.folder) == ("", "packages/api")
        assert found.install == "uv sync --frozen --no-dev --no-install-workspace --package api"
        assert found.install_app == "uv sync --locked --no-dev --no-editable --inexact --package api"
        assert found.start.startswith("uvicorn main:app")
        assert "libpq5" in found.run_packages, "its members need that"

    def test_uv_without_a_lock_could_be_given_packages_of_strangers(self):
        with pytest.raises(NoPlan, match="could come from a public registry"):
            plan(self.UV, "packages/api")

    def test_the_one_app_of_a_uv_workspace_is_built(self):
        tool = {"packages/db/pyproject.toml": '[project]\nname="db"\n[project.scripts]\nmigrate="db:main"\n'}
        found = plan({**self.UV, **tool, "uv.lock": ""}, "")
        assert (found.context, found.folder, found.framework) == (None, "packages/api", "FastAPI")
        assert found.install.endswith("--package api")
        assert "packages/api is the one app of this workspace; it is built." in found.notes
        other = {"packages/web/pyproject.toml": '[project]\nname="web"\n', "packages/web/Procfile": "web: x\n"}
        with pytest.raises(NoPlan, match="several apps") as error:
            plan({**self.UV, **other, "uv.lock": ""}, "")
        assert error.value.quoted == "packages/api, packages/web"
        with pytest.raises(NoPlan, match="could come from a public registry"):
            plan(self.UV, "")
        with pytest.raises(NoPlan, match="nothing says how to start"):
            plan({name: text for name, text in self.UV.items() if not name.endswith("main.py")} | {"uv.lock": ""}, "")
        frontend = {"package.json": {"scripts": {"start": "node x.js"}}}
        assert plan({**self.UV, **frontend, "uv.lock": ""}, "").runtime == "node"

    @pytest.mark.parametrize(
        ("own", "manager", "install"),
        [
            (
                {"pyproject.toml": '[tool.poetry.dependencies]\ncore={path="../../libs/core"}\n', "poetry.lock": ""},
                "poetry",
                "poetry install --only main --no-root --no-interaction",
            ),
            (
                {"pyproject.toml": '[tool.poetry.group.dev.dependencies]\ncore=[{path="../../libs/core"}]\n'},
                "poetry",
                "poetry install --only main --no-root --no-interaction",
            ),
            (
                {"pyproject.toml": '[project]\n[tool.uv.sources]\ncore={path="../../libs/core"}\n', "uv.lock": ""},
                "uv",
                "uv sync --locked --no-dev --no-install-project",
            ),
            (
                {"requirements.txt": "flask\n-e ../../libs/core[web]\n"},
                "pip",
                "/venv/bin/python -m pip install -r requirements.txt",
            ),
        ],
    )
    def test_python_with_a_package_beside_it(self, own, manager, install):
        files = {f"services/api/{name}": text for name, text in own.items()}
        files |= {"services/api/main.py": "", "services/api/.python-version": "3.12\n"}
        files["libs/core/pyproject.toml"] = '[tool.poetry.dependencies]\npsycopg2="*"\n'
        found = plan(files, "services/api")
        assert (found.context, found.folder, found.version) == ("", "services/api", "3.12")
        assert (found.package_manager, found.install) == (manager, f"cd services/api && {install}")
        assert (found.manifests, found.run_packages) == ((), ("libpq5",))
        assert plan(files, "services/api", install_command="make").install == "cd services/api && make"

    def test_python_with_nothing_outside_of_the_repository(self):
        for path in ("../../../core", "./core"):
            project = f'[project]\nname="a"\n[tool.poetry.dependencies]\ncore={{path="{path}"}}\n'
            assert plan({"svc/api/pyproject.toml": project, "svc/api/main.py": ""}, "svc/api").context is None

    def test_cargo(self):
        files = {
            "Cargo.toml": '[workspace]\nmembers=["crates/*"]\n',
            "Cargo.lock": 'name = "pq-sys"\n',
            "crates/server/Cargo.toml": '[package]\nname="server"\n',
            "crates/server/src/main.rs": "",
            "crates/server/src/lib.rs": "",
        }
        found = plan(files, "crates/server")
        assert (found.context, found.folder) == ("", "crates/server")
        assert "cargo build --release --locked --bin server" in found.build
        assert found.run_packages == ("libpq5",)

    def test_a_library_of_rust_hides_no_member_of_node(self):
        crate = {"Cargo.toml": '[workspace]\nmembers=["apps/web"]\n', "apps/web/Cargo.toml": '[package]\nname="w"\n'}
        found = plan({**workspace(), **NPM, **crate, "apps/web/src/lib.rs": ""}, "apps/web")
        assert (found.runtime, found.context, found.folder) == ("node", "", "apps/web")

    def test_go(self):
        files = {
            "go.work": "go 1.23\n\nuse (\n\t./api\n\t./shared // both\n)\n",
            "api/go.mod": "module a\ngo 1.23\n",
            "api/main.go": "package main\n",
            "shared/go.mod": "module s\n",
        }
        assert (plan(files, "api").context, plan(files, "api").folder) == ("", "api")
        assert plan(files, "").folder == "api", "the one program"

    def test_go_with_a_module_beside_it(self):
        files = {"svc/api/go.mod": "module a\nreplace s => ../shared\n", "svc/api/main.go": "package main\n"}
        found = plan(files, "svc/api")
        assert (found.context, found.folder) == ("svc", "api")

    def test_go_with_one_module_for_several_programs(self):
        files = {
            "go.mod": "module m\ngo 1.23\nrequire github.com/gin-gonic/gin v1\n",
            "go.sum": "",
            "services/api/main.go": "package main\n",
            "services/jobs/cmd/jobs/main.go": "package main\n",
            "web/embed.go": "package web\n",
            "web/gen.go": "//go:build ignore\n\npackage main\n",
            "web/package.json": {"scripts": {"start": "node x.js"}},
        }
        found = plan(files, "services/api")
        assert (found.context, found.folder, found.version, found.framework) == ("", "services/api", "1.23", "Gin")
        assert (found.install, found.manifests) == ("go mod download", ("go.mod", "go.sum"))
        assert found.build == "go build -trimpath -o /app/bin/app ."
        assert plan(files, "services/jobs").build == "go build -trimpath -o /app/bin/app ./cmd/jobs"
        assert plan(files, "web", build_command="make").runtime == "node", "no program of Go is there"

    def test_go_with_one_module_that_a_workspace_or_a_replacement_reaches(self):
        module = {"back/go.mod": "module m\nrequire s v1\n", "back/svc/api/main.go": "package main\n"}
        found = plan({"go.work": "use ./back\n", **module}, "back/svc/api")
        assert (found.context, found.folder, found.install) == ("", "back/svc/api", "")
        replaced = {**module, "back/go.mod": "module m\nreplace s => ../shared\n"}
        assert plan(replaced, "back/svc/api").context == ""
        assert (plan(module, "back/svc/api").context, plan(module, "back/svc/api").folder) == ("back", "svc/api")

    def test_nothing_above_the_repository_is_asked_for(self):
        files = {"api/go.mod": "module a\nreplace s => ../../../etc\n", "api/main.go": "package main\n"}
        assert plan(files, "api").context is None

    def test_rust_with_packages_that_need_packages_beside_it(self):
        files = {
            "svc/api/Cargo.toml": '[package]\nname="api"\n[dependencies]\ncore={path="../core"}\n',
            "svc/api/src/main.rs": "",
            "svc/core/Cargo.toml": '[package]\nname="core"\n[dependencies]\nutil={path="../../libs/util"}\n',
        }
        assert (plan(files, "svc/api").context, plan(files, "svc/api").folder) == ("", "svc/api")


class TestDotnet:
    WEB = '<Project Sdk="Microsoft.NET.Sdk.Web"><TargetFramework>net8.0</TargetFramework>{}</Project>'
    CORE = '<ProjectReference Include="..\\Core\\Core.csproj" />'
    FILES: ClassVar = {
        "src/Api/Api.csproj": WEB.format(CORE),
        "src/Admin/Admin.csproj": WEB.format(""),
        "src/Core/Core.csproj": "<Project/>",
    }

    def test_what_a_project_refers_to_is_there(self):
        found = plan(self.FILES, "src/Api")
        assert (found.context, found.folder, found.version) == ("src", "Api", "8.0")
        assert found.build == "dotnet publish Api.csproj -c Release -o /app/published"
        assert plan(self.FILES, "src/Admin").context is None, "it needs no other"
        assert plan(self.FILES, "src/Api", install_command="dotnet restore").install == "cd Api && dotnet restore"

    def test_nor_is_that_less_where_it_is_referred_to_by_another_of_them(self):
        core = """<ProjectReference Include='..\\..\\libs\\Data\\Data.fsproj' />"""
        found = plan({**self.FILES, "src/Core/Core.csproj": core, "libs/Data/Data.fsproj": self.CORE}, "src/Api")
        assert (found.context, found.folder) == ("", "src/Api")

    @pytest.mark.parametrize(
        "path", ["..\\..\\..\\etc\\X.csproj", "$(Libs)\\X.csproj", "..\\**\\*.csproj", "/etc/X.csproj"]
    )
    def test_nothing_but_a_plain_path_in_the_repository_is_followed(self, path):
        reference = self.CORE.replace("..\\Core\\Core.csproj", path)
        assert plan({**self.FILES, "src/Api/Api.csproj": self.WEB.format(reference)}, "src/Api").context is None

    def test_settings_of_all_projects_are_there(self):
        found = plan({**self.FILES, "Directory.Packages.props": ""}, "src/Admin")
        assert (found.context, found.folder) == ("", "src/Admin")


class TestGradle:
    FILES: ClassVar = {
        "settings.gradle": "include 'services:api', 'core'",
        "build.gradle": "subprojects { java { toolchain { languageVersion = JavaLanguageVersion.of(17) } } }",
        "gradlew": "",
        "services/api/build.gradle": "plugins { id 'org.springframework.boot' }",
        "core/build.gradle": "",
    }

    def test_a_part_is_built_by_the_wrapper_of_the_top(self):
        found = plan(self.FILES, "services/api")
        assert (found.context, found.folder) == ("", "services/api")
        assert (found.version, found.framework) == ("17", "Spring Boot")
        assert found.build.startswith("sh ../../gradlew --no-daemon -q assemble && ls -t build/libs/*.jar")
        assert 'ln -sf "/app/services/api/$jar" /app/app.jar' in found.build
        assert plan(self.FILES, "core").framework == ""
        assert plan({**self.FILES, "services/api/.java-version": "21"}, "services/api").version == "21"

    def test_what_has_its_own_wrapper_is_built_alone(self):
        found = plan({**self.FILES, "services/api/gradlew": ""}, "services/api")
        assert found.context is None and found.build.startswith("sh ./gradlew")

    def test_without_any_wrapper_there_is_no_plan(self):
        with pytest.raises(NoPlan, match="no wrapper"):
            plan({name: text for name, text in self.FILES.items() if name != "gradlew"}, "services/api")


@pytest.mark.parametrize(
    ("folder", "patterns", "taken"),
    [
        ("apps/web", ["apps/*"], True),
        ("apps/web/x", ["apps/*"], False),
        ("apps/web/x", ["apps/**"], True),
        ("a/b/c/d", ["a/**/d"], True),
        ("apps/old", ["apps/*", "!apps/old"], False),
        ("apps/web", ["./apps/web/"], True),
        ("apps/web", [], False),
    ],
)
def test_patterns(folder, patterns, taken):
    assert globs.matches(folder, patterns) is taken
