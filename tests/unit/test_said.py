"""What a repository says of itself: our file, and those that were written for others."""

import json
import re

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
health-status = "200,401"

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
        assert (found.processes, found.environment, found.health_path, found.health_status) == (
            {"worker": "python worker.py"},
            {"MODE": "fast"},
            "/up",
            "200,401",
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
            ("variables = 'x'\n", "variables"),
        ],
    )
    def test_what_is_wrong_is_named(self, text, named):
        with pytest.raises(NoPlan) as error:
            plan({**APP, "better-paas.toml": text})
        assert error.value.quoted == named

    @pytest.mark.parametrize(
        ("text", "why", "quoted"),
        [
            ("[run.processes]\nMain = 'x'\n", "run.processes .* can't have this name", "Main"),
            ("[run.processes]\nw = 1\n", "run.processes .* is a text", "w"),
            ("[run.processes]\n" + "".join(f"w{n} = 'x'\n" for n in range(11)), "processes .* at most 10", ""),
            ("[variables]\nPORT = '1'\n", "variables .* the platform sets this", "PORT"),
            ('[variables]\nA = "1\\n2"\n', "variables .* is one line", "A"),
            ("[variables]\nB = '1'\n'a b' = '1'\n", "variables .* a variable's name has", "a b"),
            ("[build.args]\nA = 1\n", "build.args .* is a text", "A"),
            ("[run]\nhealth = '@169.254.169.254/x'\n", "run.health .* no path of a URL", "@169.254.169.254/x"),
            ("[run]\nhealth = 'healthz'\n", "run.health .* no path of a URL", "healthz"),
            ("[run]\nhealth-status = '200-'\n", "run.health-status .* no statuses", "200-"),
            ("[build]\nversion = '3;x'\n", "build.version .* no version", "3;x"),
        ],
    )
    def test_why_it_is_wrong_is_said(self, text, why, quoted):
        with pytest.raises(NoPlan, match=why) as error:
            plan({**APP, "better-paas.toml": text})
        assert error.value.quoted == quoted and error.value.hint

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

    @pytest.mark.parametrize(
        ("commands", "install", "build"),
        [
            (["...", "x"], "npm install && x", "npm run build && x"),
            (["x", "..."], "x && npm install", "x && npm run build"),
            (["x", "...", "y"], "x && npm install && y", "x && npm run build && y"),
            (["..."], "npm install", "npm run build"),
            (["x"], "x", "x"),
            (["x ..."], "x ...", "x ..."),
        ],
    )
    def test_what_was_found_has_a_place_in_commands(self, commands, install, build):
        expected = install.replace("npm install", plan(SITE).install), build
        steps = {"install": {"commands": commands}, "build": {"commands": commands}}
        found = plan({**SITE, "railpack.json": json.dumps({"steps": steps})})
        assert (found.install, found.build) == expected
        phases = "".join(f"[phases.{name}]\ncmds = {commands}\n" for name in steps)
        found = plan({**SITE, "nixpacks.toml": phases})
        assert (found.install, found.build) == expected
        joined = " && ".join(commands)
        found = plan({**SITE, "better-paas.toml": f"[build]\ninstall = '{joined}'\ncommand = '{joined}'\n"})
        assert (found.install, found.build) == expected
        found = plan(SITE, install_command=joined, build_command=joined)
        assert (found.install, found.build) == expected

    def test_what_goes_on_from_an_install_may_read_all_files(self):
        files = {"pyproject.toml": "[project]\nname='x'\n[build-system]\nrequires=[]\n", "uv.lock": "", "main.py": ""}
        found, usual = plan(files, install_command="... && python after.py"), plan(files)
        assert usual.manifests and usual.install_app
        assert found.install == f"{usual.install} && {usual.install_app} && python after.py"
        assert (found.manifests, found.install_app) == ((), "")
        assert plan(files, install_command="...", build_command="...") == usual

    def test_what_was_found_has_the_assets_in_it(self):
        files = {"composer.json": "{}", "index.php": "", **SITE}
        found = plan(files, build_command="... && x", install_command="... && y")
        assert (found.build, found.install) == (f"{plan(files).build} && x", f"{plan(files).install} && y")

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

    def test_packages_of_every_phase_of_nixpacks(self):
        text = "providers=['python']\n[phases.setup]\naptPkgs=['a1']\n[phases.install]\naptPkgs=['...', 'b1']\ncmds=['x']\npaths=[]\n[phases.build]\naptPkgs=['c1', 'a1']\n[start]\ncmd='x'\nrunImage='y'\n"
        found = wishes(MemoryFiles({"nixpacks.toml": text}))
        assert found.overrides.packages == found.overrides.run_packages == ("a1", "b1", "c1")
        assert found.notes == (
            "nixpacks.toml: not read: providers",
            "nixpacks.toml phases.install: not read: paths",
            "nixpacks.toml start: not read: runImage",
        )

    def test_what_of_railpack_is_not_read_is_named(self):
        text = {
            "provider": "python",
            "buildAptPackages": ["...", "make"],
            "steps": {"build": {"commands": [{"src": ".", "dest": "."}, {"cmd": "x"}], "inputs": []}},
            "deploy": {"base": {}, "aptPackages": ["...", "curl"]},
        }
        found = wishes(MemoryFiles({"railpack.json": json.dumps(text)}))
        assert (found.overrides.packages, found.overrides.run_packages) == (("make",), ("curl",))
        assert found.overrides.build_command == "x"
        assert found.notes == (
            "railpack.json: not read: provider",
            "railpack.json steps.build: not read: inputs",
            "railpack.json steps.build.commands: not read: src, dest",
            "railpack.json deploy: not read: base",
        )

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

    def test_processes_of_heroku_that_are_tables(self):
        text = "run:\n  web: serve\n  worker:\n    command:\n      - a\n      - b\n    image: web\n  clock:\n    command:\n      - c\n    image: clock\n  idle:\n    image: web\nrelease:\n  image: worker\n  command: [m]\n"
        found = wishes(MemoryFiles({"heroku.yml": text}))
        assert found.overrides.processes == {"worker": "a && b", "clock": "c"}
        assert found.notes == (
            "heroku.yml run: not read: idle",
            "heroku.yml: not read: run.clock.image",
            "heroku.yml: not read: release.image",
        )

    def test_netlify(self):
        text = "[build]\nignore='x'\ncommand='make'\npublish='out'\n[build.environment]\nA='1'\n"
        found = wishes(MemoryFiles({"netlify.toml": text}))
        assert (found.overrides.build_command, found.overrides.output) == ("make", "out")
        assert found.notes == ("netlify.toml build: not read: ignore",)

    def test_what_is_said_of_another_folder_is_no_wish(self):
        found = wishes(MemoryFiles({"netlify.toml": "[build]\nbase='site'\ncommand='make'\n"}))
        assert (found.overrides.build_command, found.notes) == ("", ("netlify.toml: not read: build of site",))
        service = "  - type: web\n    name: {}\n    rootDir: {}\n    startCommand: {}\n"
        text = "services:\n" + service.format("api", "server", "gunicorn") + service.format("site", "./", "serve")
        found = wishes(MemoryFiles({"render.yaml": text}))
        assert (found.overrides.start_command, found.notes) == ("serve", ("render.yaml services: not read: api",))

    @pytest.mark.parametrize(
        ("files", "name", "value", "version"),
        [
            (APP, "PYTHON_VERSION", "3.12.4", "3.12"),
            ({**APP, ".python-version": "3.10"}, "PYTHON_VERSION", "3.12.4", "3.12"),
            (NODE, "NODE_VERSION", "20.11", "20"),
            (SITE, "NODE_VERSION", "20", "20"),
            (APP, "NODE_VERSION", "20", "3.11"),
            ({"app.rb": ""}, "RUBY_VERSION", "3.2.1", "3.2"),
            ({"index.php": "", "composer.json": '{"require": {"php": "^8.1"}}'}, "PHP_VERSION", "8.3", "8.3"),
            ({"go.mod": "module a\ngo 1.21\n", "main.go": "package main\n"}, "GO_VERSION", "1.24.2", "1.24"),
            ({"mix.exs": "app: :a"}, "ELIXIR_VERSION", "1.17.3", "1.17"),
        ],
    )
    def test_versions_for_the_builders_of_hosts(self, files, name, value, version):
        netlify = f"[build.environment]\n{name} = '{value}'\nA = '1'\n"
        render = f"services:\n  - type: web\n    envVars:\n      - key: {name}\n        value: {value}\n"
        found = plan({**files, "netlify.toml": netlify})
        assert (found.version, found.environment, found.tools) == (version, {"A": "1"}, {})
        assert plan({**files, "render.yaml": render}).version == version
        assert plan({**files, "netlify.toml": netlify}, version="9.9").version == "9.9"

    def test_a_version_of_hosts_that_can_not_be_had(self):
        found = plan({**NODE, "netlify.toml": "[build.environment]\nNODE_VERSION = '12'\n"})
        assert (found.version, found.notes) == ("22", ("There is no image of Node 12; 22 is used.",))

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

    def test_variables_of_render(self):
        keys = "".join(
            f"      - key: {key}\n        {line}\n"
            for key, line in {
                "ZIP": "value: 0123",
                "ZERO": "value: 0",
                "LESS": "value: -5",
                "VERSION": "value: 1.10",
                "EMPTY": "value: ''",
                "KEY": "generateValue: true",
                "SECRET": "sync: false",
                "PORT": "sync: false",
            }.items()
        )
        text = f"services:\n  - type: web\n    envVars:\n{keys}      - key: DB\n        fromDatabase:\n          name: x\n      - fromGroup: shared\n"
        found = wishes(MemoryFiles({"render.yaml": text}))
        assert found.overrides.environment == {
            "ZIP": "0123",
            "ZERO": "0",
            "LESS": "-5",
            "VERSION": "1.10",
            "EMPTY": "",
        }
        assert found.notes == (
            "render.yaml envVars: not read: fromGroup",
            "render.yaml asks for variables that have to be set: KEY, SECRET, DB",
        )

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

    @pytest.mark.parametrize(
        ("file", "text", "note"),
        [
            ("Aptfile", "libpq-dev=15\nmake\n", "Aptfile: not read: libpq-dev=15"),
            (
                "fly.toml",
                "[processes]\napp='s'\nqueue_worker='t'\n",
                "processes not used: .*can't have.*“queue_worker”",
            ),
            ("heroku.yml", "run:\n  web: s\n  queue_worker: t\n", "processes not used: .*“queue_worker”"),
            (
                "render.yaml",
                "services:\n  - type: web\n    staticPublishPath: ../dist\n",
                "output not used: .*“../dist”",
            ),
            ("Staticfile", "root: my site\n", "Staticfile: output not used: .*“my site”"),
            ("netlify.toml", "[build]\npublish='$X'\n", "netlify.toml: output not used"),
            ("nixpacks.toml", "[phases.setup]\naptPkgs=['-y']\n", "nixpacks.toml: packages not used"),
            ("railpack.json", '{"deploy": {"aptPackages": ["A"]}}', "railpack.json: run packages not used"),
            (
                "railway.json",
                '{"deploy": {"healthcheckPath": "@169.254.169.254/"}}',
                "railway.json: health path not used",
            ),
            ("railway.toml", "[deploy]\nhealthcheckPath='healthz'\n", "railway.toml: health path not used"),
            ("render.yaml", "services:\n  - type: web\n    healthCheckPath: up\n", "render.yaml: health path not used"),
            ("fly.toml", "[[http_service.checks]]\npath='@1.2.3.4/'\n", "fly.toml: health path not used"),
        ],
    )
    def test_what_can_t_be_in_files_of_others_stops_nothing(self, file, text, note):
        usual = plan({**APP, "index.html": ""})
        found = plan({**APP, "index.html": "", file: text})
        assert re.search(note, "\n".join(found.notes))
        assert (found.health_path, found.processes) == ("", {})
        assert found.run_packages == tuple(sorted({*usual.run_packages, *(["make"] if file == "Aptfile" else [])}))

    def test_what_is_too_much_together_is_not_used(self):
        others = {f"w{number}": "x" for number in range(6)}
        fly = "[processes]\napp='s'\n" + "".join(f"v{number}='y'\n" for number in range(5))
        found = plan({**APP, "fly.toml": fly}, processes=others)
        assert found.processes == others and "at most 10 processes" in found.notes[-1]
        procfile = "web: s\n" + "".join(f"{name}: x\n" for name in others)
        found = plan({**APP, "fly.toml": fly, "Procfile": procfile})
        assert found.processes == others and "at most 10 processes" in found.notes[-1]

    def test_what_is_wanted_already_is_not_asked_of_them(self):
        found = plan(
            {**APP, "better-paas.toml": "[run]\nhealth='/up'\n", "fly.toml": "[[http_service.checks]]\npath='x'\n"}
        )
        assert (found.health_path, found.notes) == ("/up", ())

    def test_notes_are_one_line_without_credentials(self):
        found = wishes(
            MemoryFiles({"railway.json": json.dumps({"a\nb\x1b[2J": 1, "deploy": {"healthcheckPath": "\n"}})})
        )
        assert all(note.isprintable() for note in found.notes) and len(found.notes) == 1


class TestOwnDockerfile:
    FILES = {**APP, "Dockerfile": "FROM debian\n"}

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("better-paas.toml", "[variables]\nA='1'\n[run]\nstart='s'\nhealth='/up'\nhealth-status='204'\n"),
            ("fly.toml", "[env]\nA='1'\n[processes]\napp='s'\n[[http_service.checks]]\npath='/up'\n"),
            ("app.json", '{"env": {"A": "1"}}'),
        ],
    )
    def test_it_gets_what_the_repository_says_of_running(self, file, text):
        found = plan({**self.FILES, file: text})
        assert (found.runtime, found.environment) == ("dockerfile", {"A": "1"})
        if file != "app.json":
            assert (found.start, found.health_path) == ("s", "/up")

    def test_what_says_how_to_build_without_it_is_passed_over(self):
        found = plan({**self.FILES, "nixpacks.toml": "[start]\ncmd='x'\n[variables]\nA='1'\n"})
        assert (found.start, found.environment) == ("", {})
        assert found.notes == ("nixpacks.toml is not read: there is a Dockerfile",)
        assert plan({**self.FILES, "nixpacks.toml": "[start]\ncmd='x'\n"}, build_method="plan").start == "x"


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
        ("a: 0123\nb: 0\nc: -12\nd: -0\n", {"a": "0123", "b": 0, "c": -12, "d": "-0"}),
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
