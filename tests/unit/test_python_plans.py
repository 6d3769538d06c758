"""How Python apps are installed and started."""

import pytest

from better_paas.builders import dockerfile
from better_paas.builders.detect import detect
from better_paas.builders.files import LARGEST_FILE, MemoryFiles
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

DJANGO = {
    "manage.py": "",
    "requirements.txt": "django\ngunicorn\npsycopg2\n",
    "shop/wsgi.py": "from django.core.wsgi import x",
    "shop/settings.py": "DATABASES = {'default': env.db()}\nSTATIC_ROOT = 'static'\n",
}


def plan(files: dict[str, str], **overrides) -> BuildPlan:
    return detect(MemoryFiles(files), Overrides(**overrides))


@pytest.mark.parametrize(
    ("source", "requires", "start"),
    [
        (
            "from starlette.applications import Starlette\napp = Starlette()\n",
            "uvicorn",
            "uvicorn main:app --host 0.0.0.0",
        ),
        ("from litestar import Litestar\napi = Litestar([])\n", "uvicorn", "uvicorn main:api --host 0.0.0.0"),
        ("from fasthtml.common import *\napp, rt = fast_app()\n", "python-fasthtml", "uvicorn main:app --host 0.0.0.0"),
        ("from quart import Quart\napp = Quart(__name__)\n", "quart", "uvicorn main:app --host 0.0.0.0"),
        ("from sanic import Sanic\napp = Sanic('x')\n", "sanic", "sanic main:app --host 0.0.0.0 --port $PORT"),
        ("import dash\napp = dash.Dash(__name__)\nserver = app.server\n", "dash", "gunicorn main:server --bind"),
        ("from dash import Dash\napp = Dash(__name__)\n", "dash", "HOST=0.0.0.0 DASH_DEBUG=false python main.py"),
        ("import streamlit as st\nst.write(1)\n", "streamlit", "streamlit run main.py --server.address 0.0.0.0"),
        ("import gradio as gr\n", "gradio", "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python main.py"),
        ("import gradio\nfrom fastapi import FastAPI\napp = FastAPI()\n", "gradio fastapi", "uvicorn main:app"),
    ],
)
def test_frameworks(source, requires, start):
    found = plan({"main.py": source, "requirements.txt": "\n".join(requires.split())})
    assert found.start.startswith(start)


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"bot.py": ""}, "python bot.py"),
        ({"pyproject.toml": '[project]\nname="a"\n', "a/__main__.py": ""}, "python -m a"),
        ({"pyproject.toml": '[project]\nname="a"\n', "src/a/__main__.py": ""}, "PYTHONPATH=src python -m a"),
        ({"pyproject.toml": '[project]\nname="a"\n[project.scripts]\nserve="a:m"\n[build-system]\n'}, "serve"),
        ({"pyproject.toml": '[project]\nname="a"\n[project.scripts]\na="a:m"\nb="a:n"\n[build-system]\n'}, "a"),
    ],
)
def test_programs(files, start):
    assert plan(files).start == start


@pytest.mark.parametrize(
    ("requires", "files", "start"),
    [
        ("fastapi", {"main.py": "app = create_app()\n"}, "uvicorn main:app --host 0.0.0.0 --port $PORT"),
        ("fastapi", {"main.py": "api: FastAPI = shop.create_app(1)\n"}, "uvicorn main:api --host 0.0.0.0 --port $PORT"),
        (
            "fastapi",
            {"shop/app.py": "def create_app():\n"},
            "uvicorn shop.app:create_app --factory --host 0.0.0.0 --port $PORT",
        ),
        ("flask", {"wsgi.py": "app = create_app()\n"}, "gunicorn wsgi:app --bind 0.0.0.0:$PORT"),
        ("flask", {"app.py": "def create_app():\n"}, "gunicorn 'app:create_app()' --bind 0.0.0.0:$PORT"),
        ("requests", {"main.py": "app = create_app()\n"}, "python main.py"),
    ],
)
def test_an_app_that_a_function_makes(requires, files, start):
    assert plan({"requirements.txt": f"{requires}\n", **files}).start == start


class Counted(MemoryFiles):
    """Remembers what is looked into."""

    def __init__(self, contents: dict[str, str]) -> None:
        super().__init__(contents)
        self.heads: list[str] = []

    def head(self, path: str, most: int = LARGEST_FILE) -> str | None:
        self.heads.append(path)
        return super().head(path, most)


@pytest.mark.parametrize(
    ("requires", "name", "start"),
    [
        ("fastapi", "__init__.py", "uvicorn z.main:app"),
        ("fastapi celery", "tasks.py", "uvicorn z.main:app"),
        ("streamlit fastapi", "page.py", "uvicorn z.main:app"),
    ],
)
def test_of_thousands_of_files_few_are_looked_into(requires, name, start):
    tree = {f"p{number}/{name}": "x = 1\n" for number in range(3000)}
    tree |= {"requirements.txt": requires.replace(" ", "\n"), "z/main.py": "app = FastAPI()\n"}
    files = Counted(tree)
    assert detect(files, Overrides()).start.startswith(start)
    assert len(set(files.heads)) < 500


def test_the_nearest_to_the_top_are_looked_into_first():
    deep = {f"a/p{number}/main.py": "x = 1\n" for number in range(3000)}
    near = {"requirements.txt": "fastapi", "z/main.py": "app = FastAPI()\n"}
    assert plan({**deep, **near}).start.startswith("uvicorn z.main:app")


def test_of_streamlit_no_page_is_started():
    page = "import streamlit as st\n"
    found = plan({"stocks.py": page, "pages/1_A.py": page, "a/x.py": page, "requirements.txt": "streamlit\n"})
    assert found.start.startswith("streamlit run stocks.py ")


def test_a_program_of_a_package_is_installed():
    found = plan({"pyproject.toml": '[project]\nname="a"\n[project.scripts]\na="a:m"\n[build-system]\n'})
    assert found.install_app == "/venv/bin/python -m pip install --no-deps ."


class TestCompiled:
    """What is older than the Python that it is for has no file for it."""

    @pytest.mark.parametrize(
        ("files", "building"),
        [
            ({"requirements.txt": "psycopg2-binary==2.9.3\n"}, "build-essential libpq-dev"),
            ({"requirements.txt": "psycopg2-binary==2.9.5\n"}, ""),
            ({"requirements.txt": "psycopg2-binary==2.9.3\n", ".python-version": "3.10"}, ""),
            ({"requirements.txt": "psycopg2-binary==2.9.9\n", ".python-version": "3.13"}, "build-essential libpq-dev"),
            ({"requirements.txt": "psycopg2-binary>=2.9.3\n"}, ""),
            ({"requirements.txt": "Zope.Interface == 5.4.0  # old\n"}, "build-essential"),
            ({"pyproject.toml": '[project]\ndependencies=["greenlet[test]==1.1.2"]\n'}, "build-essential"),
            (
                {
                    "pyproject.toml": "[tool.poetry]\n",
                    "poetry.lock": '[[package]]\nname = "lxml"\nversion = "4.8.0"\n',
                },
                "build-essential libxml2-dev libxslt1-dev",
            ),
        ],
    )
    def test_with_what_it_needs(self, files, building):
        found = plan({"main.py": "", **files})
        assert " ".join(found.build_packages) == building
        assert any("is compiled" in note for note in found.notes) == bool(building)


class TestInstall:
    @pytest.mark.parametrize(
        ("files", "manager", "command"),
        [
            ({"pdm.lock": "", "pyproject.toml": ""}, "pdm", "pdm sync --prod --no-self"),
            ({"Pipfile": "", "Pipfile.lock": "{}"}, "pipenv", "pipenv install --deploy --ignore-pipfile"),
            (
                {"requirements/production.txt": "flask\n"},
                "pip",
                "/venv/bin/python -m pip install -r requirements/production.txt",
            ),
            (
                {"pyproject.toml": '[project]\nname="a"\ndependencies=["a>=1", "b[c]"]\n'},
                "pip",
                "/venv/bin/python -m pip install 'a>=1' 'b[c]'",
            ),
        ],
    )
    def test_managers(self, files, manager, command):
        found = plan({"main.py": "", **files})
        assert (found.package_manager, found.install) == (manager, command)

    @pytest.mark.parametrize(
        "where",
        [
            "[tool.uv.sources]\nacme-lib = {workspace = true}\n",
            "[tool.uv.sources]\nacme-lib = {path = 'lib'}\n",
            "[tool.uv.sources]\nacme-lib = {git = 'https://a.test/b'}\n",
            "[[tool.uv.index]]\nurl = 'https://a.test/simple'\n",
            "[tool.uv]\nextra-index-url = ['https://a.test/simple']\n",
        ],
    )
    def test_what_uv_has_from_elsewhere_never_comes_from_a_registry(self, where):
        project = f'[project]\nname="a"\ndependencies=["fastapi", "acme-lib"]\n{where}'
        found = plan({"main.py": "", "pyproject.toml": project, "setup.py": ""})
        assert (found.package_manager, found.install) == ("uv", "uv sync --no-dev --no-editable")
        assert (found.manifests, found.install_app) == ((), ""), "what it names may be anywhere in the source"

    def test_a_file_of_requirements_may_not_name_it_either(self):
        files = {"main.py": "", "pyproject.toml": "[tool.uv.sources]\nacme-lib = {path = 'lib'}\n"}
        with pytest.raises(NoPlan, match="fetched from a public registry") as error:
            plan({**files, "requirements.txt": "fastapi\nAcme_Lib==1.0\n"})
        assert error.value.quoted == "Acme_Lib"
        by_owner = Overrides(install_command="pip install .")
        assert detect(MemoryFiles({**files, "requirements.txt": "acme-lib\n"}), by_owner).install == "pip install ."
        assert (
            plan({**files, "requirements.txt": "fastapi\nacme-lib @ https://a.test/b.whl\n"}).package_manager == "pip"
        )

    def test_the_sources_of_pdm_are_read_by_pdm(self):
        project = '[project]\nname="a"\ndependencies=["b"]\n[[tool.pdm.source]]\nurl="https://a.test"\nname="a"\n'
        assert plan({"main.py": "", "pyproject.toml": project}).install == "pdm install --prod --no-self"

    @pytest.mark.parametrize("where", ["setup.cfg", "setup.py"])
    def test_what_only_its_build_knows_is_installed_by_it(self, where):
        found = plan({"main.py": "", "pyproject.toml": "[build-system]\nrequires=['setuptools']\n", where: ""})
        assert (found.install, found.install_app, found.manifests) == ("/venv/bin/python -m pip install .", "", ())

    def test_the_only_file_of_requirements_is_the_one(self):
        assert plan({"main.py": "", "requirements/common.txt": "", "requirements/dev.txt": ""}).install.endswith(
            "common.txt"
        )
        for name in ("requirements/dev.txt", "requirements-app.txt"):
            found = plan({"main.py": "", name: "flask\n"})
            assert found.install.endswith(f"-r {name}") and name in found.notes[0]
        found = plan({"main.py": "", "requirements/a.txt": "", "requirements/b.txt": ""})
        assert not found.install and "Nothing is installed of requirements/a.txt, requirements/b.txt" in found.notes[0]
        assert not plan({"main.py": "", "pyproject.toml": "[project]\n", "requirements-dev.txt": "pytest\n"}).install

    def test_files_that_are_named_by_files(self):
        files = {"requirements.txt": "-r requirements/base.txt\n", "requirements/base.txt": "psycopg2\n", "main.py": ""}
        found = plan(files)
        assert found.manifests == ("requirements.txt", "requirements/base.txt")
        assert "libpq5" in found.run_packages
        assert plan({**files, "requirements/base.txt": "-e ../x\n"}).manifests == ()

    @pytest.mark.parametrize(
        ("line", "build", "run"),
        [
            ("psycopg2==2.9", "libpq-dev", "libpq5"),
            ("mysqlclient", "default-libmysqlclient-dev", "libmariadb3"),
            ("pycairo", "libcairo2-dev", "libcairo2"),
            ("pydub", None, "ffmpeg"),
            ("opencv-python", None, "libgl1"),
            ("WeasyPrint", None, "libpango-1.0-0"),
            ("pdf2image", None, "poppler-utils"),
        ],
    )
    def test_packages_of_debian(self, line, build, run):
        found = plan({"main.py": "", "requirements.txt": f"{line}\n"})
        assert run in found.run_packages
        assert build is None or build in found.build_packages

    @pytest.mark.parametrize("line", ["psycopg2-binary", "psycopg[binary]", "lxml", "Pillow", "# psycopg2"])
    def test_wheels_that_hold_all_need_none(self, line):
        found = plan({"main.py": "", "requirements.txt": f"{line}\n"})
        assert (found.build_packages, found.run_packages) == ((), ())

    def test_a_browser_is_fetched(self):
        found = plan({"main.py": "", "requirements.txt": "playwright\n"})
        assert found.install_app == "playwright install chromium" and "libnss3" in found.run_packages


class TestDjango:
    def test_without_a_database_nothing_is_migrated(self):
        found = plan({**DJANGO, "shop/settings.py": "STATIC_ROOT = 'static'\n"})
        assert (found.release, "migrate" in found.start) == ("", False)

    def test_migrations_are_a_release_command_that_can_be_left_out(self):
        found = plan(DJANGO)
        assert found.release == "python manage.py migrate --noinput"
        assert "set the release command to “true”" in " ".join(found.notes)
        assert plan(DJANGO, release_command="true").release == "true"
        assert plan({**DJANGO, "Procfile": "web: x\n"}).release == "", "who says how to start says all of it"

    def test_a_database_inside_the_app_is_changed_where_the_app_runs(self):
        settings = "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3'}}"
        found = plan({**DJANGO, "shop/settings.py": settings})
        assert found.release == ""
        assert found.start.startswith("python manage.py migrate --noinput && exec gunicorn shop.wsgi")
        assert "lost with each deployment" in " ".join(found.notes)

    def test_below_a_folder(self):
        files = {f"site/{name}" if name != "requirements.txt" else name: text for name, text in DJANGO.items()}
        found = plan(files)
        assert found.start == "gunicorn shop.wsgi:application --bind 0.0.0.0:$PORT --chdir site"
        assert "python site/manage.py collectstatic" in found.build

    def test_channels_are_served_by_uvicorn(self):
        files = {**DJANGO, "requirements.txt": "django\nchannels\n", "shop/asgi.py": "import django"}
        assert plan(files).start == "uvicorn shop.asgi:application --host 0.0.0.0 --port $PORT"

    def test_assets_of_node(self):
        package = '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}'
        found = plan({**DJANGO, "package.json": package, "package-lock.json": "{}"})
        assert (found.runtime, found.tools, found.run_tools) == ("python", {"node": "22"}, ())
        assert found.install.endswith(" && npm ci")
        assert found.build.startswith("npm run build && ") and found.build.endswith("collectstatic --noinput")


def test_a_celery_app_alone_is_a_worker():
    files = {"tasks.py": "from celery import Celery\napp = Celery('x')\n", "requirements.txt": "celery\n"}
    found = plan(files)
    assert (found.start, found.port) == ("celery -A tasks:app worker --loglevel info", 0)
    beside = plan({**files, "main.py": "from flask import Flask\napp = Flask('x')\n"})
    assert beside.port and "add the process 'celery -A tasks:app worker'" in " ".join(beside.notes)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({".tool-versions": "uv 0.7\npython 3.9.23\n"}, "3.9"),
        ({"mise.toml": '[tools]\npython = "3.12"\n'}, "3.12"),
        ({"mise.toml": '[tools]\npython = ["3.13", "3.11"]\n'}, "3.13"),
        ({"mise.toml": '[tools]\npython = "latest"\n'}, "3.11"),
        ({"Pipfile": '[requires]\npython_version = "3.10"\n'}, "3.10"),
        ({".python-version": "# ours\n3.12.1\n"}, "3.12"),
    ],
)
def test_versions(files, version):
    found = plan({"main.py": "", **files})
    assert found.version == version and "no image" not in " ".join(found.notes)


@pytest.mark.parametrize(
    ("files", "wanted", "version"),
    [
        ({"runtime.txt": "python-2.7.18\n"}, "python-2.7.18", "3.11"),
        ({"runtime.txt": "python-2.7.18\n", "pyproject.toml": '[project]\nrequires-python = ">=3.12"\n'},
         "python-2.7.18", "3.12"),
        ({".python-version": "pypy3.10-7.3\n"}, "pypy3.10-7.3", "3.10"),
        ({".python-version": "3.13t\n"}, "3.13t", "3.13"),
        ({".python-version": "3.15\n"}, "3.15", "3.11"),
        ({".python-version": "3.15\n", ".tool-versions": "python 3.12.1\n"}, "3.15", "3.12"),
        ({"Pipfile": '[requires]\npython_version = "3.6"\n'}, "3.6", "3.11"),
        ({".python-version": "ours\n"}, "", "3.11"),
        ({".python-version": "3\n"}, "", "3.11"),
    ],
)  # fmt: skip
def test_a_version_that_can_not_be_had_is_said(files, wanted, version):
    found = plan({"main.py": "", **files})
    note = [f"There is no image of Python {wanted}; {version} is used."] if wanted else []
    assert (found.version, [each for each in found.notes if "no image" in each]) == (version, note)
    assert "no image" not in " ".join(plan({"main.py": "", **files}, version="3.13").notes)


def test_tools_of_python_beside_a_node_app_do_not_hide_it():
    files = {"pyproject.toml": "[tool.ruff]\n", "package.json": '{"scripts": {"start": "node x.js"}}'}
    assert plan(files).runtime == "node"
    with pytest.raises(NoPlan, match="Python app"):
        plan({"pyproject.toml": "[tool.ruff]\n"})


class TestSites:
    @pytest.mark.parametrize(
        ("files", "build", "output"),
        [
            ({"mkdocs.yml": "site_name: A\n"}, "mkdocs build", "site"),
            (
                {"mkdocs.yml": "site_dir: 'out/docs'\n", "requirements.txt": "mkdocs-material\n"},
                "mkdocs build",
                "out/docs",
            ),
            ({"mkdocs.yml": "site_dir: ../../etc\n"}, "mkdocs build", "site"),
            (
                {"docs/conf.py": "", "requirements.txt": "sphinx\n", "pyproject.toml": ""},
                "sphinx-build -b html docs _site",
                "_site",
            ),
            (
                {"pelicanconf.py": "", "requirements.txt": "pelican[markdown]\n"},
                "pelican content --output output --settings pelicanconf.py",
                "output",
            ),
        ],
    )
    def test_of_texts(self, files, build, output):
        found = plan(files)
        assert (found.runtime, found.language, found.build, found.output) == ("static", "python", build, output)
        assert found.start == ""

    def test_its_program_is_installed_where_nothing_asks_for_it(self):
        found = plan({"mkdocs.yml": "theme:\n  name: material\n"})
        assert found.install.endswith("install mkdocs && /venv/bin/python -m pip install mkdocs-material")

    def test_beside_an_app_it_is_for_its_manual(self):
        assert plan({"mkdocs.yml": "", "main.py": "", "requirements.txt": "mkdocs\n"}).start == "python main.py"
        for package in ('{"scripts": {"start": "node x.js"}}', '{"main": "x.js", "dependencies": {"express": "4"}}'):
            assert plan(
                {"mkdocs.yml": "", "package.json": package, "x.js": "", "requirements.txt": "mkdocs"}
            ).runtime == ("node")
        found = plan({"mkdocs.yml": "", "index.html": ""})
        assert (found.runtime, found.build) == ("static", "")

    def test_one_that_is_wanted_needs_no_start(self):
        wanted = Overrides(site=True, output="out", build_command="make html")
        found = detect(MemoryFiles({"requirements.txt": "docutils\n", "main.py": ""}), wanted)
        assert (found.runtime, found.language, found.output, found.build) == ("static", "python", "out", "make html")

    def test_its_image_is_built_by_python(self):
        text = dockerfile.generate(plan({"mkdocs.yml": ""}), "python:1", "caddy:1", has_variables=False)
        assert "FROM python:1 AS build" in text and "RUN python3 -m venv /venv" in text
        assert "COPY --from=build /app/site /srv" in text and "NODE" not in text


@pytest.mark.parametrize(
    ("manage", "wsgi", "before"),
    [
        (
            "config.settings.local",
            "config.settings.production",
            "DJANGO_SETTINGS_MODULE=${DJANGO_SETTINGS_MODULE:-config.settings.production} ",
        ),
        ("shop.settings", "shop.settings", ""),
        ("shop.settings", "", ""),
    ],
)
def test_commands_of_django_run_with_the_settings_of_its_server(manage, wsgi, before):
    line = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\n'
    files = {
        "manage.py": line.format(manage),
        "config/wsgi.py": "from django.core.wsgi import x\n" + (line.format(wsgi) if wsgi else ""),
        "config/settings.py": "STATIC_ROOT = 1\nDATABASES = env('X')\n",
        "requirements.txt": "django\ngunicorn\n",
    }
    found = plan(files)
    assert found.build == f"SECRET_KEY=build {before}python manage.py collectstatic --noinput"
    assert found.release == f"{before}python manage.py migrate --noinput"


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"src/main.py": ""}, "uvicorn main:app --host 0.0.0.0 --port $PORT --app-dir src"),
        ({"src/main.py": "", "src/__init__.py": ""}, "uvicorn src.main:app --host 0.0.0.0 --port $PORT"),
    ],
)
def test_a_source_folder_that_is_a_package_is_named_as_one(files, start):
    app = {name: "app = FastAPI()\n" if name.endswith("main.py") else "" for name in files}
    assert plan({**app, "requirements.txt": "fastapi\nuvicorn\n"}).start == start


def test_the_top_of_a_workspace_that_serves_by_itself_is_the_app():
    project = (
        '[project]\nname="t"\ndependencies=["fastapi", "uvicorn"]\n[tool.uv.workspace]\nmembers=["backend", "lib"]\n'
    )
    files = {
        "pyproject.toml": project,
        "uv.lock": "",
        "backend/pyproject.toml": '[project]\nname="a"\n',
        "backend/main.py": "app = FastAPI()\n",
        "lib/pyproject.toml": '[project]\nname="l"\n[project.scripts]\nl="l:main"\n',
    }
    assert plan(files).start.startswith("uvicorn backend.main:app ")


def test_a_template_at_the_top_is_no_business_of_a_folder():
    files = {"pyproject.toml": "[{{x}}", "web/index.html": "x"}
    assert detect(MemoryFiles(files), Overrides(), "web").runtime == "static"
