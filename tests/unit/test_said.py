"""What a repository says of itself: our file, and those that were written for others."""

import json

import pytest
from jsonschema import Draft202012Validator

from better_paas.builders import relaxed
from better_paas.builders.detect import detect
from better_paas.builders.files import MemoryFiles
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides
from better_paas.builders.said import own, wishes

APP = {"main.py": "", "requirements.txt": "psycopg2-binary\n"}
NODE = {"package.json": '{"scripts": {"start": "node x.js"}}'}
SITE = {"package.json": '{"scripts": {"build": "vite build"}, "dependencies": {"vite": "5"}}'}


def plan(files: dict[str, str], **overrides) -> BuildPlan:
    return detect(MemoryFiles(files), Overrides(**overrides))


OURS = """
[build]
version = "3.13"
packages = ["libxml2-dev"]
command = "make"

[run]
start = "python other.py"
release = "python migrate.py"
packages = ["libxml2"]
port = 9000
health = "/up"

[run.processes]
worker = "python worker.py"

[variables]
MODE = "fast"
"""


class TestOurFile:
    def test_it_says_all_that_settings_say(self):
        found = plan({**APP, "better-paas.toml": OURS})
        assert (found.version, found.build, found.start, found.release, found.port) == (
            "3.13",
            "make",
            "python other.py",
            "python migrate.py",
            9000,
        )
        assert (found.build_packages, found.run_packages) == (("libxml2-dev",), ("libxml2",))
        assert (found.processes, found.environment, found.health_path) == (
            {"worker": "python worker.py"},
            {"MODE": "fast"},
            "/up",
        )

    def test_settings_win_over_it_and_it_over_others(self):
        files = {
            **APP,
            "better-paas.toml": "[run]\nstart='ours'\n",
            "railway.json": '{"deploy": {"startCommand": "theirs"}}',
        }
        assert plan(files, start_command="settings").start == "settings"
        assert plan(files).start == "ours"
        del files["better-paas.toml"]
        assert plan({**files, "Procfile": "web: procfile\n"}).start == "theirs"

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("[build]\ncomand = 'x'\n", "build.comand"),
            ("[builds]\n", "builds"),
            ("[run]\nport = 'x'\n", "run.port"),
            ("[run]\nport = 70000\n", "run.port"),
            ("[build]\nmethod = 'magic'\n", "build.method"),
            ("[build]\npackages = 'x'\n", "build.packages"),
            ("[run.processes]\nMain = 'x'\n", "run.processes"),
            ("[variables]\nPORT = '1'\n", "variables"),
            ('[variables]\nA = "1\\n2"\n', "variables"),
        ],
    )
    def test_what_is_wrong_is_named(self, text, named):
        with pytest.raises(NoPlan) as error:
            plan({**APP, "better-paas.toml": text})
        assert error.value.quoted == named

    @pytest.mark.parametrize("name", ["libpq-dev; id", "-y", "$(id)", "LIBPQ"])
    def test_packages_are_names_and_nothing_else(self, name):
        with pytest.raises(NoPlan, match="no name of a Debian package"):
            plan({**APP, "better-paas.toml": f"[build]\npackages = [{name!r}]\n"})

    @pytest.mark.parametrize("folder", ["../x", "/etc/../..", "a b", "$X"])
    def test_a_site_is_below_the_app(self, folder):
        with pytest.raises(NoPlan, match="no folder that a site can be in"):
            plan({**SITE, "better-paas.toml": f"[build]\noutput = {folder!r}\n"})

    def test_the_schema_takes_what_the_reader_takes(self):
        import tomllib

        schema = Draft202012Validator(own.schema())
        assert schema.is_valid(tomllib.loads(OURS))
        assert not schema.is_valid({"build": {"comand": "x"}})
        assert not schema.is_valid({"run": {"port": 0}})

    def test_every_key_is_a_wish(self):
        assert {key.field for key in own.KEYS} <= set(Overrides.__dataclass_fields__)


class TestOtherFiles:
    def test_a_command_that_goes_on_from_ours(self):
        files = {**SITE, "railpack.json": '{"steps": {"build": {"commands": ["...", "node after.js"]}}} // more'}
        assert plan(files).build == "npm run build && node after.js"

    def test_railpack(self):
        text = {
            "packages": {"python": "latest", "node": "20.1.0", "jq": "1"},
            "buildAptPackages": ["make"],
            "deploy": {"startCommand": "node y.js", "aptPackages": ["curl"], "variables": {"A": "1"}},
            "caches": {},
        }
        found = plan({**NODE, "railpack.json": json.dumps(text)})
        assert (found.start, found.version, found.environment) == ("node y.js", "20", {"A": "1"})
        assert {"make", "python3"} <= set(found.build_packages)
        assert {"curl", "python3"} <= set(found.run_packages)
        assert found.notes[-2:] == ("railpack.json: not read: caches", "railpack.json packages: not read: jq")

    def test_nixpacks(self):
        text = "[phases.setup]\naptPkgs=['...', 'ffmpeg']\nnixPkgs=['x']\n[phases.build]\ncmds=['make']\n[start]\ncmd='python z.py'\n"
        found = plan({**APP, "nixpacks.toml": text})
        assert (found.build, found.start, found.run_packages) == ("make", "python z.py", ("ffmpeg",))
        assert "phases.setup: not read: nixPkgs" in found.notes[-1]

    def test_heroku(self):
        text = "build:\n  docker:\n    web: docker/Dockerfile\n  config:\n    MODE: x\nrun:\n  web: serve\n  worker: work\nrelease:\n  command:\n    - migrate\n"
        found = plan({**APP, "heroku.yml": text, "docker/Dockerfile": "FROM debian\n"})
        assert (found.runtime, found.dockerfile_path, found.build_args) == (
            "dockerfile",
            "docker/Dockerfile",
            {"MODE": "x"},
        )
        assert (found.start, found.processes, found.release) == ("serve", {"worker": "work"}, "migrate")
        assert "there is no docker/Dockerfile" in " ".join(plan({**APP, "heroku.yml": text}).notes)

    def test_app_json(self):
        text = {"env": {"A": "1", "B": {"value": "2"}, "C": {"description": "a key"}}, "addons": []}
        found = plan({**APP, "app.json": json.dumps(text)})
        assert found.environment == {"A": "1", "B": "2"}
        assert "have to be set: C" in found.notes[-1] and "not read: addons" in found.notes[-2]
        assert wishes(MemoryFiles({"app.json": '{"expo": {"name": "x"}}'})).notes == ()

    def test_render(self):
        text = (
            "services:\n  - type: worker\n    name: jobs\n  - type: web\n    name: shop\n    startCommand: serve\n"
            "    healthCheckPath: /up\n    envVars:\n      - key: A\n        value: 1\n      - key: S\n        sync: false\n"
        )
        found = plan({**APP, "render.yaml": text})
        assert (found.start, found.health_path, found.environment) == ("serve", "/up", {"A": "1"})
        assert "not read: jobs" in " ".join(found.notes)

    def test_fly(self):
        text = "app='x'\n[http_service]\ninternal_port=3000\n[deploy]\nrelease_command='m'\n[env]\nPORT='3000'\nA='1'\n[processes]\napp='s'\nw='t'\n[mounts]\n"
        found = plan({**APP, "fly.toml": text})
        assert (found.port, found.release, found.start, found.processes) == (3000, "m", "s", {"w": "t"})
        assert found.environment == {"A": "1"}
        assert found.notes[-1] == "fly.toml: not read: mounts"

    def test_sites(self):
        assert plan({"Staticfile": "root: pages\npushstate: enabled\n", "pages/index.html": ""}).output == "pages"
        assert plan({**SITE, "Staticfile": "index_fallback: false\n"}).single_page is False
        caddyfile = ":80 {\n\troot * /app/site\n\ttry_files {path} /index.html\n\tfile_server\n}\n"
        found = plan({**SITE, "Caddyfile": caddyfile})
        assert (found.output, found.single_page) == ("site", True)

    def test_a_broken_file_of_others_stops_nothing(self):
        found = plan({**APP, "railway.json": "{", "fly.toml": "=", "render.yaml": "a: &b\n"})
        assert found.start == "python main.py"
        assert len([note for note in found.notes if "is not read" in note]) == 3


class TestWishes:
    def test_a_server_s_build_can_be_served_as_files(self):
        found = plan(
            {**NODE, "package.json": '{"scripts": {"start": "node x.js", "build": "make"}}'}, site=True, output="public"
        )
        assert (found.runtime, found.output, found.start) == ("static", "public", "")

    def test_a_dockerfile_can_be_passed_over(self):
        assert plan({**APP, "Dockerfile": "FROM x\n"}).runtime == "dockerfile"
        assert plan({**APP, "Dockerfile": "FROM x\n"}, build_method="plan").runtime == "python"

    def test_plans_of_older_versions_are_read(self):
        old = {"runtime": "node", "manifests": ["a"], "notes": [], "start": "x", "port": 80, "cache_scope": "p"}
        assert BuildPlan.from_dict(old).context is None, "it was built from the app's own folder"
        made = plan(APP, packages=("make",))
        assert BuildPlan.from_dict(json.loads(json.dumps(made.as_dict()))) == made


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, 'b': \"x // y\", /* c */ d: [1, 2,],}", {"a": 1, "b": "x // y", "d": [1, 2]}),
        ('{"a": -1.5e3, "b": true} // end', {"a": -1500.0, "b": True}),
        ("{\"a\": ',]'}", {"a": ",]"}),
    ],
)
def test_json_as_people_write_it(text, value):
    assert relaxed.loads(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb:\n  - x\n  - 'y # z' # note\nc: [1, two]\n", {"a": 1, "b": ["x", "y # z"], "c": [1, "two"]}),
        ("a:\n- b: 1\n  c: true\n- b: 2\n", {"a": [{"b": 1, "c": True}, {"b": 2}]}),
        ("a: |\n  x\n  y\nb: >-\n  p\n  q\n", {"a": "x\ny", "b": "p q"}),
        ("# nothing\n---\nurl: http://x:1/y\n", {"url": "http://x:1/y"}),
        ("", {}),
    ],
)
def test_the_yaml_of_settings(text, value):
    assert relaxed.yaml(text) == value


@pytest.mark.parametrize("text", ["a: *b", "a: !x y", "a: {b: 1}", "a: 1\n  b: 2\n", "- " * 100])
def test_yaml_that_is_more_than_that_is_refused(text):
    with pytest.raises(ValueError):
        relaxed.yaml(text)


def test_a_site_s_folder_may_begin_with_a_dot():
    files = {".site/index.html": "", "index.html": ""}
    assert plan(files, output=".site").output == ".site"
    assert plan(files, output="./").output == "."


def test_a_site_can_be_no_site():
    with pytest.raises(NoPlan, match="how to start"):
        plan(SITE, site=False)
