"""From a source tree to a plan."""

import json

import pytest

from better_paas.builders import files as files_module
from better_paas.builders.detect import detect
from better_paas.builders.files import MemoryFiles, TreeFiles
from better_paas.builders.node import managers
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

FLASK = "from flask import Flask\napp = Flask(__name__)\n"


def plan(files: dict[str, str], **overrides) -> BuildPlan:
    return detect(MemoryFiles(files), Overrides(**overrides))


def package(**fields) -> str:
    return json.dumps(fields)


class TestPython:
    def test_flask_gets_gunicorn(self):
        found = plan({"app.py": FLASK, "requirements.txt": "flask==3.0\n"})
        assert (found.runtime, found.framework, found.start) == (
            "python",
            "Flask",
            "gunicorn app:app --bind 0.0.0.0:$PORT",
        )
        assert found.install.endswith("pip install -r requirements.txt && /venv/bin/python -m pip install gunicorn")
        assert found.manifests == ("requirements.txt",)

    def test_a_server_that_is_required_is_not_installed_twice(self):
        found = plan({"app.py": FLASK, "requirements.txt": "flask\ngunicorn==22\n"})
        assert "pip install gunicorn" not in found.install

    def test_fastapi(self):
        found = plan(
            {
                "main.py": "from fastapi import FastAPI\napi: FastAPI = FastAPI()\n",
                "requirements.txt": "fastapi\nuvicorn\n",
            }
        )
        assert (found.framework, found.start) == ("FastAPI", "uvicorn main:api --host 0.0.0.0 --port $PORT")

    def test_fastapi_in_src(self):
        found = plan(
            {"src/shop/main.py": "import fastapi\napp = fastapi.FastAPI()\n", "requirements.txt": "fastapi\nuvicorn\n"}
        )
        assert found.start == "uvicorn shop.main:app --host 0.0.0.0 --port $PORT --app-dir src"

    def test_django_collects_static_files(self):
        found = plan({
            "manage.py": "", "requirements.txt": "django\n", "shop/wsgi.py": "from django.core.wsgi import x",
            "shop/settings.py": "STATIC_ROOT = 'x'",
        })  # fmt: skip
        assert (found.framework, found.start) == ("Django", "gunicorn shop.wsgi:application --bind 0.0.0.0:$PORT")
        assert "collectstatic" in found.build

    def test_a_factory(self):
        found = plan({"shop/__init__.py": "def create_app():\n  pass\n", "requirements.txt": "Flask\n"})
        assert found.start == "gunicorn 'shop:create_app()' --bind 0.0.0.0:$PORT"

    def test_uv(self):
        found = plan(
            {
                "uv.lock": "",
                "pyproject.toml": '[project]\nname="x"\ndependencies=["flask","gunicorn"]\n',
                "app.py": FLASK,
            }
        )
        assert (found.package_manager, found.install) == ("uv", "uv sync --locked --no-dev --no-install-project")

    def test_poetry(self):
        found = plan(
            {
                "poetry.lock": "",
                "pyproject.toml": '[tool.poetry.dependencies]\npython="^3.11"\nflask="*"\ngunicorn="*"\n',
                "app.py": FLASK,
            }
        )
        assert found.package_manager == "poetry"
        assert "gunicorn is not among" not in " ".join(found.notes)

    def test_procfile_wins_over_detection_and_the_owner_over_both(self):
        files = {"app.py": FLASK, "requirements.txt": "flask\n", "Procfile": "release: x\nweb: python app.py --fast\n"}
        assert plan(files).start == "python app.py --fast"
        assert plan(files, start_command="mine").start == "mine"

    @pytest.mark.parametrize(
        ("files", "version"),
        [
            ({}, "3.11"),
            ({".python-version": "3.12.1"}, "3.12"),
            ({"runtime.txt": "python-3.10.4"}, "3.10"),
            ({"pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.9"\n'}, "3.11"),
            ({"pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.12"\n'}, "3.12"),
            ({"pyproject.toml": '[project]\nname="x"\nrequires-python=">=3.8,<3.10"\n'}, "3.9"),
        ],
    )
    def test_versions(self, files, version):
        assert plan({"main.py": "", **files}).version == version

    @pytest.mark.parametrize(
        ("wanted", "version"),
        [
            ("<3.13,>=3.9", "3.11"),
            ("<3.14,>=3.12", "3.12"),
            ("!=3.9.0,>=3.12", "3.12"),
            ("!=3.12.*,>=3.12", "3.13"),
            (">=3.9,!=3.11.*", "3.10"),
            ("<=3.10", "3.10"),
            ("<3.9", "3.8"),
            ("~=3.10.0", "3.10"),
            ("~=3.9", "3.11"),
            ("==3.9.*", "3.9"),
            ("3.9.*", "3.9"),
            ("3.10", "3.10"),
            ("~3.10", "3.10"),
            ("^3.8", "3.11"),
            ("^3.12.1", "3.12"),
            (">3.11", "3.12"),
            ("*", "3.11"),
        ],
    )
    def test_a_range_holds_with_all_its_bounds(self, wanted, version):
        for project in (
            f'[project]\nrequires-python = "{wanted}"\n',
            f'[tool.poetry.dependencies]\npython = "{wanted}"\n',
        ):
            found = plan({"main.py": "", "pyproject.toml": project})
            assert found.version == version and "no image" not in " ".join(found.notes)

    def test_a_version_that_can_not_be_had_is_said(self):
        found = plan({"main.py": "", "pyproject.toml": '[project]\nrequires-python = "<3.5"\n'})
        assert found.version == "3.11" and "There is no image of Python <3.5; 3.11 is used." in found.notes

    def test_no_way_to_start(self):
        with pytest.raises(NoPlan, match="how to start"):
            plan({"requirements.txt": "requests\n", "shop/a.py": ""})

    def test_broken_toml_is_told(self):
        with pytest.raises(NoPlan, match="not valid TOML") as told:
            plan({"pyproject.toml": "[project", "main.py": ""})
        assert told.value.quoted.startswith("pyproject.toml: ")
        with pytest.raises(NoPlan, match="not valid TOML"):
            plan({"pyproject.toml": f"number = {'9' * 5000}", "main.py": ""})


class TestNode:
    def test_a_simple_start_script_runs_without_npm_in_between(self):
        found = plan(
            {
                "package.json": package(scripts={"start": "node server.js"}, dependencies={"express": "4"}),
                "package-lock.json": "{}",
            }
        )
        assert (found.runtime, found.framework, found.start, found.install) == (
            "node",
            "Express",
            "node server.js",
            "npm ci",
        )

    def test_vite_is_a_static_site(self):
        found = plan(
            {
                "package.json": package(scripts={"build": "vite build"}, devDependencies={"vite": "7"}),
                "package-lock.json": "{}",
            }
        )
        assert (found.runtime, found.output, found.build, found.single_page) == (
            "static",
            "dist",
            "npm run build",
            True,
        )

    def test_vite_with_another_output(self):
        found = plan({
            "package.json": package(scripts={"build": "vite build"}, devDependencies={"vite": "7"}), "vite.config.ts": "build: { outDir: 'public/site' }",
        })  # fmt: skip
        assert found.output == "public/site"

    def test_an_output_outside_is_not_taken(self):
        found = plan({
            "package.json": package(scripts={"build": "vite build"}, devDependencies={"vite": "7"}), "vite.config.ts": "outDir: '../../etc'",
        })  # fmt: skip
        assert found.output == "dist"

    @pytest.mark.parametrize(
        ("files", "manager", "install"),
        [
            ({"pnpm-lock.yaml": ""}, "pnpm", "pnpm install --frozen-lockfile"),
            ({"yarn.lock": ""}, "yarn", "yarn install --frozen-lockfile"),
            ({"yarn.lock": "", ".yarnrc.yml": ""}, "yarn", "yarn install --immutable"),
            ({}, "npm", "npm install"),
        ],
    )
    def test_managers(self, files, manager, install):
        found = plan({"package.json": package(scripts={"start": "next start"}, dependencies={"next": "1"}), **files})
        assert (found.package_manager, found.install) == (manager, install)

    @pytest.mark.parametrize(
        ("pinned", "package"),
        [
            ("pnpm@10.12.1", "pnpm@10.12.1"),
            ("pnpm@9.15.9+sha512.abc", "pnpm@9.15.9"),
            ("yarn@1.22.22", "yarn@1.22.22"),
            ("yarn@4.5.0", "@yarnpkg/cli-dist@4.5.0"),
            ("pnpm@10; id", "pnpm@10"),
            ("npm@10.0.0", "npm@10.0.0"),
        ],
    )
    def test_the_pinned_manager_is_the_one_that_is_used(self, pinned, package):
        assert managers.choose(MemoryFiles({}), {"packageManager": pinned}).package == package

    @pytest.mark.parametrize(
        ("wanted", "version"),
        [
            (None, "22"),
            (">=18", "22"),
            ("^20", "20"),
            ("20.x", "20"),
            (">=24", "24"),
            ("22 || 24", "24"),
            ("16", "16"),
            ("0.10", "22"),
            ("lts/*", "24"),
            ("lts/iron", "20"),
            (">=20 <23", "20"),
            ("<23", "22"),
            ("<20", "18"),
            ("<=19", "18"),
            ("^21", "21"),
            ("18 - 20", "18"),
            (">=18.0.0 || ^16", "22"),
            ("~20.11.0", "20"),
            ("v20.x", "20"),
            ("31", "22"),
        ],
    )
    def test_versions(self, wanted, version):
        engines = {"engines": {"node": wanted}} if wanted else {}
        assert plan({"package.json": package(**engines), "index.js": ""}).version == version

    def test_no_way_to_start(self):
        with pytest.raises(NoPlan, match="how to start"):
            plan({"package.json": "{}"})

    def test_broken_json_is_told(self):
        with pytest.raises(NoPlan, match="not valid JSON") as told:
            plan({"package.json": "{"})
        assert told.value.quoted.startswith("package.json: ")


class TestOthers:
    def test_an_own_dockerfile_wins(self):
        found = plan({"Dockerfile": "FROM x\nEXPOSE 3000/tcp\n", "package.json": "{}"})
        assert (found.runtime, found.port, found.dockerfile_path) == ("dockerfile", 3000, "Dockerfile")

    def test_a_missing_dockerfile_is_told(self):
        with pytest.raises(NoPlan, match="no such Dockerfile") as told:
            plan({"package.json": "{}"}, dockerfile_path="docker/Dockerfile")
        assert told.value.quoted == "docker/Dockerfile"

    def test_a_static_folder(self):
        assert plan({"public/index.html": ""}).output == "public"

    def test_the_port_that_the_owner_wants(self):
        assert plan({"index.html": ""}, port=3000).port == 3000

    def test_nothing_found_says_what_was_looked_for_and_seen(self):
        with pytest.raises(NoPlan) as caught:
            plan({"readme.md": "", "src/x.rs": ""})
        assert "package.json" in caught.value.hint
        assert caught.value.quoted == "found: readme.md, src/x.rs"

    def test_plans_survive_being_stored(self):
        found = plan({"app.py": FLASK, "requirements.txt": "flask\n"})
        assert BuildPlan.from_dict(json.loads(json.dumps(found.as_dict()))) == found


class TestTree:
    def test_links_are_not_followed(self, tmp_path):
        secret = tmp_path / "secret"
        secret.write_text("{}")
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "package.json").symlink_to(secret)
        (tree / "folder").symlink_to(tmp_path)
        files = TreeFiles(tree)
        assert files.read("package.json") is None
        assert files.read("folder/secret") is None

    def test_a_pipe_does_not_block(self, tmp_path):
        import os

        os.mkfifo(tmp_path / "package.json")
        assert TreeFiles(tmp_path).read("package.json") is None

    def test_a_folder_is_no_file(self, tmp_path):
        (tmp_path / "package.json").mkdir()
        assert TreeFiles(tmp_path).read("package.json") is None

    def test_a_huge_file_is_refused(self, tmp_path):
        (tmp_path / "package.json").write_bytes(b" " * (1024 * 1024 + 1))
        with pytest.raises(NoPlan, match="larger than 1 MiB"):
            TreeFiles(tmp_path).read("package.json")

    @pytest.mark.parametrize(
        ("large", "others", "runtime"),
        [
            ("composer.lock", {"composer.json": "{}", "index.php": ""}, "php"),
            ("Gemfile.lock", {"Gemfile": "gem 'sinatra'\n", "app.rb": ""}, "ruby"),
            ("Cargo.lock", {"Cargo.toml": '[package]\nname = "a"\n', "src/main.rs": ""}, "rust"),
            ("uv.lock", {"pyproject.toml": "[project]\nname = 'a'\n", "main.py": ""}, "python"),
            ("cmd/server/data.go", {"go.mod": "module a\n", "cmd/server/main.go": "package main\n"}, "go"),
            ("main.py", {"requirements.txt": "flask\n"}, "python"),
            ("package-lock.json", {"package.json": '{"scripts": {"start": "node x.js"}}'}, "node"),
            ("index.html", {}, "static"),
        ],
    )
    def test_what_is_only_looked_into_may_be_of_any_size(self, tmp_path, large, others, runtime):
        for name, text in {**others, large: " " * (1024 * 1024 + 1)}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        assert detect(TreeFiles(tmp_path), Overrides()).runtime == runtime

    def test_the_lock_of_a_large_workspace_may_be_large(self, tmp_path):
        workspace = "[project]\nname='all'\n[tool.uv.workspace]\nmembers=['api']\n"
        texts = {"pyproject.toml": workspace, "api/pyproject.toml": "[project]\nname='api'\n", "api/main.py": ""}
        for name, text in {**texts, "uv.lock": " " * (1024 * 1024 + 1)}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        assert detect(TreeFiles(tmp_path), Overrides(), "api").package_manager == "uv"

    def test_the_format_of_a_large_lock_is_at_its_top(self, tmp_path):
        (tmp_path / "package.json").write_text('{"scripts": {"start": "node x.js"}}')
        (tmp_path / "yarn.lock").write_text("__metadata:\n  version: 8\n" + "# x\n" * 300_000)
        assert detect(TreeFiles(tmp_path), Overrides()).manager_package == "@yarnpkg/cli-dist@4"

    def test_the_mark_that_editors_put_in_front_is_no_part_of_a_file(self, tmp_path):
        (tmp_path / "Dockerfile").write_text("FROM debian\n", encoding="utf-8-sig")
        assert detect(TreeFiles(tmp_path), Overrides()).runtime == "dockerfile"


class TestTrees:
    def test_a_folder_of_a_tree(self, tmp_path):
        (tmp_path / "apps/web").mkdir(parents=True)
        (tmp_path / "apps/web/package.json").write_text("{}")
        below = TreeFiles(tmp_path).below("apps").below("web")
        assert below.names() == ["package.json"]
        assert (below.read("package.json"), below.read("../../x"), TreeFiles(tmp_path).below("none").names()) == (
            "{}",
            None,
            [],
        )

    def test_what_was_read_once_is_not_read_again_whoever_asks(self, tmp_path):
        (tmp_path / "apps/web").mkdir(parents=True)
        manifest = tmp_path / "apps/web/package.json"
        manifest.write_text("{}")
        files = TreeFiles(tmp_path)
        assert (files.read("apps/web/package.json"), files.below("apps").names()) == ("{}", ["web/package.json"])
        manifest.unlink()
        assert files.below("apps").below("web").read("package.json") == "{}"
        assert files.below("apps").names() == ["web/package.json"]
        assert TreeFiles(tmp_path).read("apps/web/package.json") is None

    def test_no_more_is_kept_than_there_is_room_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files_module, "_MOST_KEPT", 10)
        (tmp_path / "small").write_text("x" * 8)
        (tmp_path / "large").write_text("x" * 8)
        files = TreeFiles(tmp_path)
        assert files.read("small") == files.read("large") == "x" * 8
        for name in ("small", "large"):
            (tmp_path / name).write_text("new")
        assert (files.read("small"), files.read("large")) == ("x" * 8, "new")

    def test_no_link_leads_out_of_it(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "real/secret").write_text("x")
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "link").symlink_to(tmp_path / "real")
        assert TreeFiles(tree).below("link").names() == []
        assert TreeFiles(tree).below("link").read("secret") is None

    def test_the_shallow_files_come_first_however_many_there_are(self, tmp_path):
        for number in range(30):
            (tmp_path / f"a{number}/deep").mkdir(parents=True)
            (tmp_path / f"a{number}/deep/x").touch()
        (tmp_path / "z").mkdir()
        (tmp_path / "z/go.mod").touch()
        names = TreeFiles(tmp_path).names()
        assert names[0] == "z/go.mod" and len(names) == 31


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        ("real", True), ("in/real", True), ("in/../real", True), ("/etc/passwd", False), ("../outside", False),
        ("Dockerfile", False), ("missing", False),
    ],
)  # fmt: skip
def test_links_are_followed_within_the_tree_alone(tmp_path, link, followed):
    (tmp_path / "tree" / "in").mkdir(parents=True)
    for name in ("outside", "tree/real", "tree/in/real"):
        (tmp_path / name).write_text("FROM x")
    (tmp_path / "tree" / "Dockerfile").symlink_to(link)
    (tmp_path / "tree" / "folder").symlink_to("in")
    files = TreeFiles(tmp_path / "tree")
    assert files.read("Dockerfile") == ("FROM x" if followed else None)
    assert files.read("folder/real") == "FROM x"
    assert files.read("folder/../../outside") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_in_front_of_a_file_are_no_text(tmp_path, encoding):
    (tmp_path / "requirements.txt").write_bytes("flask é\r\n".encode(encoding))
    assert TreeFiles(tmp_path).read("requirements.txt") == "flask é\r\n"
