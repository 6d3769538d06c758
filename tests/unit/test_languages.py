"""How each language is known, and what its plan is."""

import json
import os
import subprocess
import sys
import zipfile
from typing import ClassVar

import pytest

from better_paas.builders.detect import detect
from better_paas.builders.dockerfile import generate
from better_paas.builders.files import MemoryFiles
from better_paas.builders.languages import LANGUAGES, Made
from better_paas.builders.plan import NAMES, BuildPlan, NoPlan, Overrides

MAIN_GO = "package main\nfunc main() {}\n"


def plan(files: dict[str, str], **overrides) -> BuildPlan:
    return detect(MemoryFiles(files), Overrides(**overrides))


class TestGo:
    def test_of_several_programs_of_a_procfile_none_is_chosen(self):
        files = {"go.mod": "module x", "cmd/migrate/main.go": MAIN_GO, "cmd/server/main.go": MAIN_GO}
        found = plan({**files, "Procfile": "web: bin/migrate && bin/server\n"})
        assert found.build.endswith(" ./cmd/server")

    def test_a_tool_in_a_folder_of_another_language_is_no_app(self):
        files = {"go.mod": "module x", "main.go": MAIN_GO, "web/gen.go": MAIN_GO, "web/index.html": "x"}
        assert detect(MemoryFiles(files), Overrides(), "web").runtime == "static"

    def test_what_is_partly_c_is_compiled_with_it(self):
        module = "module shop\ngo 1.21\nrequire (\n\tgithub.com/mattn/go-sqlite3 v1.14.22 // indirect\n)\n"
        found = plan({"go.mod": module, "main.go": MAIN_GO})
        assert found.build == "CGO_ENABLED=1 go build -trimpath -o /app/bin/app ."
        assert found.build_packages == ("gcc", "libc6-dev")

    def test_a_module_without_dependencies_fetches_nothing(self):
        found = plan({"go.mod": "module shop\n\ngo 1.22\n", "main.go": MAIN_GO})
        assert (found.runtime, found.version, found.install) == ("go", "1.22", "")
        assert found.build == "go build -trimpath -o /app/bin/app ."
        assert found.start == "/app/bin/app"

    def test_dependencies_are_fetched_from_the_manifests_alone(self):
        module = "module shop\ngo 1.21\ntoolchain go1.24.1\nrequire github.com/gin-gonic/gin v1.9.1\n"
        found = plan({"go.mod": module, "go.sum": "", "main.go": MAIN_GO})
        assert (found.version, found.framework, found.install) == ("1.24", "Gin", "go mod download")
        assert found.manifests == ("go.mod", "go.sum")

    def test_a_local_replacement_needs_the_whole_source(self):
        module = "module shop\nrequire a.b/c v1.0.0\nreplace a.b/c => ./c\n"
        assert plan({"go.mod": module, "main.go": MAIN_GO}).manifests == ()

    def test_one_program_in_cmd_or_the_one_that_is_called_server(self):
        assert plan({"go.mod": "module a\n", "cmd/shop/main.go": MAIN_GO}).build.endswith(" ./cmd/shop")
        both = {"go.mod": "module a\n", "cmd/server/main.go": MAIN_GO, "cmd/import/main.go": MAIN_GO}
        assert plan(both).build.endswith(" ./cmd/server")

    def test_only_what_may_be_a_program_is_read(self):
        class Counted(MemoryFiles):
            looked_into: ClassVar[list[str]] = []

            def head(self, path: str, most: int = 1) -> str | None:
                self.looked_into.append(path)
                return super().head(path, most)

        tree = {f"internal/p{number}/x.go": "package x\n" for number in range(50)}
        tree |= {f"lib{number}.go": "package lib\n" for number in range(100)}
        detect(Counted({**tree, "go.mod": "module a\n", "cmd/shop/main.go": MAIN_GO}), Overrides())
        sources = [path for path in Counted.looked_into if path.endswith(".go")]
        assert len(sources) <= 21 and not any(path.startswith("internal/") for path in sources)

    def test_several_programs_are_to_be_chosen_from(self):
        files = {"go.mod": "module a\n", "cmd/one/main.go": MAIN_GO, "cmd/two/main.go": MAIN_GO}
        with pytest.raises(NoPlan, match="no main package") as refused:
            plan(files)
        assert refused.value.quoted == "programs: cmd/one, cmd/two"


class TestRust:
    def test_a_package_with_one_program(self):
        found = plan({"Cargo.toml": '[package]\nname = "shop"\nrust-version = "1.63"\n', "src/main.rs": ""})
        assert (found.runtime, found.version) == ("rust", "1.63")
        assert "cargo build --release --bin shop" in found.build
        assert "There is no Cargo.lock" in found.notes[0]

    def test_default_run_and_the_lock_file_are_kept_to(self):
        manifest = '[package]\nname = "shop"\ndefault-run = "web"\n[[bin]]\nname = "web"\n[[bin]]\nname = "job"\n'
        found = plan({"Cargo.toml": manifest, "Cargo.lock": ""})
        assert "--locked --bin web" in found.build

    def test_which_program_is_asked_for(self):
        with pytest.raises(NoPlan, match="which program"):
            plan({"Cargo.toml": '[package]\nname = "a"\n[[bin]]\nname = "x"\n[[bin]]\nname = "y"\n'})

    def test_a_name_that_is_no_name_is_not_run(self):
        with pytest.raises(NoPlan):
            plan({"Cargo.toml": '[package]\nname = "a; rm -rf /"\n', "src/main.rs": ""})


class TestPhp:
    def test_pages_of_its_own(self):
        found = plan({"index.php": "<?php"})
        assert (found.runtime, found.output, found.install) == ("php", ".", "")
        assert found.start.startswith("apache2 -DFOREGROUND")

    def test_laravel_is_served_from_public(self):
        composer = json.dumps({"require": {"php": "^8.2", "laravel/framework": "^11"}})
        found = plan({"composer.json": composer, "public/index.php": "", "package.json": "{}", "artisan": ""})
        assert (found.framework, found.output, found.version) == ("Laravel", "public", "")
        assert "composer install --no-dev" in found.install

    @pytest.mark.parametrize(
        ("wanted", "version"),
        [
            ("~8.3.0", "8.3"), ("^8.1", ""), ("~8.1", ""), (">=8.1 <8.4", "8.3"), ("8.1.*", "8.1"), ("^7.4|^8.0", ""),
            (">=8.0,<8.2", "8.1"), (">=8.5", "8.5"),
        ],
    )  # fmt: skip
    def test_a_version_that_fits(self, wanted, version):
        found = plan({"composer.json": json.dumps({"require": {"php": wanted}}), "index.php": ""})
        assert found.version == version and "no image" not in " ".join(found.notes)

    @pytest.mark.parametrize("wanted", ["^7.4", ">=5.6 <8.0"])
    def test_a_version_that_can_not_be_had_is_said(self, wanted):
        found = plan({"composer.json": json.dumps({"require": {"php": wanted}}), "index.php": ""})
        assert f"There is no image of PHP {wanted}; 8.4 is used." in found.notes

    FILES: ClassVar = {"composer.json": '{"require": {"a/b": "1"}}', "composer.lock": "{}", "index.php": ""}

    def test_packages_are_installed_from_the_manifests_alone(self):
        found = plan({**self.FILES, "symfony.lock": "", "auth.json": "{}"})
        assert found.manifests == ("composer.json", "composer.lock", "symfony.lock", "auth.json")
        assert "--no-scripts --no-autoloader" in found.install
        assert found.install_app.endswith("--optimize-autoloader") and "--no-scripts" not in found.install_app
        text = generate(found, "php:1", "", has_variables=False)
        assert text.index("--no-autoloader") < text.index("COPY source/") < text.index("--optimize-autoloader")
        own = plan(self.FILES, install_command="composer install")
        assert (own.install, own.install_app, own.manifests) == ("composer install", "", ())

    @pytest.mark.parametrize(
        ("composer", "is_alone"),
        [
            ({"repositories": [{"type": "composer", "url": "https://satis.example"}, {"packagist.org": False}]}, True),
            ({"repositories": {"mine": {"type": "vcs", "url": "git@git.example:a/b.git"}, "packagist": False}}, True),
            ({"repositories": [{"type": "path", "url": "packages/*"}]}, False),
            ({"repositories": {"mine": {"type": "artifact", "url": "./zips"}}}, False),
            ({"repositories": [{"type": "package", "package": {"dist": {"url": "x.zip"}}}]}, False),
            ({"repositories": 5}, True),
            ({"extra": {"patches": {"a/b": {"mend": "patches/b.patch"}}}}, False),
            ({"extra": {"merge-plugin": {"include": ["modules/*/composer.json"]}}}, False),
            ({"scripts": {"post-install-cmd": "x", "post-autoload-dump": "x", "test": "phpunit"}}, True),
            ({"scripts": {"pre-install-cmd": "./get.sh"}}, False),
        ],
    )
    def test_what_is_in_the_repository_itself_needs_the_whole_source(self, composer, is_alone):
        found = plan({**self.FILES, "composer.json": json.dumps({"require": {"a/b": "1"}, **composer})})
        assert (bool(found.manifests), bool(found.install_app)) == (is_alone, is_alone)
        assert found.install.endswith("--no-scripts --no-autoloader" if is_alone else "--optimize-autoloader")

    @pytest.mark.parametrize("files", [{"vendor/composer/installed.json": "{}"}, {"composer.lock": None}])
    def test_packages_that_are_there_or_not_locked_need_it_too(self, files):
        files = {name: text for name, text in {**self.FILES, **files}.items() if text is not None}
        assert (plan(files).manifests, plan(files).install_app) == ((), "")


class TestRuby:
    def test_rails_with_assets(self):
        files = {
            "Gemfile": "gem 'rails'\ngem 'puma'\nruby '3.3.1'\n",
            "Gemfile.lock": "",
            "Rakefile": "",
            "config.ru": "",
        }
        found = plan({**files, "package.json": "{}"})
        assert (found.framework, found.version) == ("Rails", "3.3")
        assert found.start == "bundle exec rails server -b 0.0.0.0 -p $PORT"
        assert "assets:precompile" in found.build
        assert found.manifests == ("Gemfile", "Gemfile.lock")

    @pytest.mark.parametrize(("locked", "compiles"), [("propshaft", True), ("sprockets", True), ("puma", False)])
    def test_an_api_has_no_assets_to_compile(self, locked, compiles):
        lock = f"GEM\n  specs:\n    railties (8.0.0)\n    {locked} (1.0)\n"
        found = plan({"Gemfile": "gem 'rails'\n", "Gemfile.lock": lock, "Rakefile": "", "config.ru": ""})
        assert ("assets:precompile" in found.build) == compiles

    def test_assets_are_compiled_for_production(self):
        text = generate(plan({"Gemfile": "gem 'rails'\n", "Rakefile": ""}), "base:1", "", False)
        assert "RAILS_ENV=production" in text[: text.index("assets:precompile")]

    def test_rack_with_and_without_puma(self):
        assert plan({"Gemfile": "gem 'puma'\n", "config.ru": ""}).start == "bundle exec puma -b tcp://0.0.0.0:$PORT"
        assert plan({"config.ru": ""}).start == "rackup -o 0.0.0.0 -p $PORT"

    def test_a_program_without_gems(self):
        assert plan({"app.rb": ""}).start == "ruby app.rb"

    def test_nothing_says_how_to_start_it(self):
        with pytest.raises(NoPlan, match="nothing says how to start"):
            plan({"Gemfile": "gem 'x'\n"})


class TestJava:
    def test_maven_with_spring(self):
        pom = "<project><java.version>21</java.version><groupId>org.springframework.boot</groupId></project>"
        found = plan({"pom.xml": pom, "mvnw": ""})
        assert (found.runtime, found.version, found.framework, found.package_manager) == (
            "java", "21", "Spring Boot", "maven",
        )  # fmt: skip
        assert found.build.startswith("sh ./mvnw -q -B -DskipTests package")
        assert "-jar /app/app.jar" in found.start

    def test_gradle_needs_its_wrapper(self):
        with pytest.raises(NoPlan, match="no wrapper"):
            plan({"build.gradle.kts": "JavaLanguageVersion.of(17)"})
        found = plan({"build.gradle.kts": "JavaLanguageVersion.of(17)", "gradlew": ""})
        assert (found.version, found.package_manager) == ("17", "gradle")

    @pytest.mark.parametrize(
        ("jars", "program"),
        [
            (["target/shop.jar!", "target/shop-sources.jar!", "target/original-shop.jar!"], "target/shop.jar"),
            (["core/target/core.jar", "api/target/api.jar!", "api/target/api-javadoc.jar!"], "api/target/api.jar"),
            (["build/libs/shop.jar!", "build/libs/shop-plain.jar!"], "build/libs/shop.jar"),
            (["api/build/libs/api.jar!", "core/build/libs/core.jar"], "api/build/libs/api.jar"),
            (["target/quarkus-app/quarkus-run.jar!", "target/shop.jar"], "target/quarkus-app/quarkus-run.jar"),
            (["build/quarkus-app/quarkus-run.jar!", "build/libs/shop.jar"], "build/quarkus-app/quarkus-run.jar"),
            (["target/my shop.jar!"], "target/my shop.jar"),
            (["target/shop.jar"], ""),
            ([], ""),
        ],
    )
    def test_the_jar_that_is_a_program_is_linked_to(self, tmp_path, jars, program):
        """jars: in the order in which they are made; with `!` a manifest that names a class to start."""
        for age, name in enumerate(jars):
            path = tmp_path / "app" / name.rstrip("!")
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(path, "w") as jar:
                jar.writestr(
                    "META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n" + "Main-Class: a.B\n" * name.endswith("!")
                )
            os.utime(path, (age, age))
        (tmp_path / "app").mkdir(exist_ok=True)
        tool = tmp_path / "jar"
        tool.write_text(f"#!{sys.executable}\nimport sys, zipfile\nzipfile.ZipFile(sys.argv[2]).extract(sys.argv[3])\n")
        tool.chmod(0o755)
        files = {"build.gradle": "", "gradlew": ""} if "build/" in " ".join(jars) else {"pom.xml": ""}
        take = plan(files).build.partition(" && ")[2]
        take = take.replace("/tmp", f"{tmp_path}").replace("/app/", f"{tmp_path}/app/")
        done = subprocess.run(
            ["/bin/sh", "-c", take],
            cwd=tmp_path / "app",
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        link = tmp_path / "app/app.jar"
        assert (done.returncode == 0) == bool(program), done.stderr
        assert (link.resolve() == tmp_path / "app" / program) if program else "Main-Class" in done.stderr

    @pytest.mark.parametrize(
        ("command", "build"),
        [
            ("java -cp target/classes:target/dependency/* Main", "mvn -q -B -DskipTests package"),
            ("java -jar target/shop.jar", "mvn -q -B -DskipTests package"),
        ],
    )
    def test_a_command_that_needs_no_such_jar(self, command, build):
        found = plan({"pom.xml": "", "Procfile": f"web: {command}\n"})
        assert (found.build, found.start) == (build, command)
        found = plan({"pom.xml": "", "Procfile": f"web: {command}\nworker: java -jar app.jar work\n"})
        assert found.build.startswith(f"{build} && ls -t ")

    def test_a_folder_that_gradle_installs_into_is_made(self):
        files = {"build.gradle.kts": "", "gradlew": "", "Procfile": "web: ./build/install/shop/bin/shop\n"}
        found = plan(files)
        assert found.build == "sh ./gradlew --no-daemon -q assemble installDist"
        assert found.start == "./build/install/shop/bin/shop"

    def test_one_file(self):
        found = plan({"Main.java": "class Main {}"})
        assert (found.build, found.start) == ("javac -d /app/classes *.java", "java -cp /app/classes Main")


class TestElixir:
    def test_without_dependencies(self):
        found = plan({"mix.exs": "[app: :shop, deps: []]", ".tool-versions": "elixir 1.16.2-otp-26\n"})
        assert (found.version, found.install, found.start) == ("1.16", "", "/app/release/bin/shop start")

    def test_phoenix(self):
        project = 'app: :shop, deps: [{:phoenix, "~> 1.7"}], aliases: ["assets.deploy": []]'
        found = plan({"mix.exs": project})
        assert found.framework == "Phoenix"
        assert "mix deps.get" in found.install
        assert found.build.startswith("mix assets.deploy && mix release")

    @pytest.mark.parametrize(
        ("project", "is_alone"),
        [
            ("elixirc_paths: [], deps: [{:phoenix, 1}]", True),
            ('deps: [{:phoenix, 1}, {:own, path: "libs/own"}]', False),
            ("deps: [{:phoenix, 1}, {:other, in_umbrella: true}]", False),
            ('apps_path: "apps", deps: [{:phoenix, 1}]', False),
            ('version: File.read!("VERSION"), deps: [{:phoenix, 1}]', False),
            ('deps: [{:phoenix, 1}], aliases: ["deps.get": ["deps.get", "cmd ./x"]]', False),
            ('deps: [{:phoenix, 1}], aliases: [setup: ["deps.get"]]', True),
        ],
    )
    def test_packages_are_fetched_from_the_manifests_alone(self, project, is_alone):
        files = {"mix.exs": f"app: :shop, {project}", "mix.lock": "%{}"}
        assert plan(files).manifests == (("mix.exs", "mix.lock") if is_alone else ())
        assert plan({"mix.exs": files["mix.exs"]}).manifests == ()
        assert plan(files, install_command="mix deps.get").manifests == ()

    def test_hex_is_there_behind_the_step_that_puts_it_there(self):
        language = LANGUAGES["elixir"]
        assert not language.build_environment["MIX_HOME"].startswith(language.cache)


class TestDotnet:
    PROJECT = '<Project Sdk="Microsoft.NET.Sdk.Web"><TargetFramework>net8.0</TargetFramework></Project>'

    def test_a_web_project(self):
        found = plan({"Shop.csproj": self.PROJECT})
        assert (found.runtime, found.version, found.framework) == ("dotnet", "8.0", "ASP.NET Core")
        assert found.start == "ASPNETCORE_URLS=http://0.0.0.0:$PORT dotnet /app/published/Shop.dll"

    def test_the_web_project_among_others(self):
        found = plan({"src/Shop/Shop.csproj": self.PROJECT, "src/Lib/Lib.csproj": "<Project/>"})
        assert found.build == "dotnet publish src/Shop/Shop.csproj -c Release -o /app/published"

    @pytest.mark.parametrize(
        ("project", "others", "version", "option", "note"),
        [
            ("<TargetFramework>net9.0</TargetFramework>", {}, "9.0", "", ""),
            ("<TargetFrameworks>net8.0;net9.0</TargetFrameworks>", {}, "9.0", " -f net9.0", ""),
            ("<TargetFrameworks>net9.0;net9.0-android</TargetFrameworks>", {}, "9.0", " -f net9.0", ""),
            ("", {"Directory.Build.props": "<TargetFramework>net9.0</TargetFramework>"}, "9.0", "", ""),
            (
                "<TargetFramework>net7.0</TargetFramework>",
                {"src/Directory.Build.props": "<TargetFramework>net9.0</TargetFramework>"}, "7.0", "", "",
            ),
            ("", {"global.json": '{"sdk": {"version": "9.0.100"}}'}, "9.0", "", ""),
            (
                "<TargetFramework>net8.0</TargetFramework>", {"global.json": '{"sdk": {"version": "9.0.100"}}'},
                "9.0", "", "It is built for .NET 8.0, and runs on 9.0, which global.json asks for.",
            ),
            (
                "<TargetFrameworks>net8.0;net10.0</TargetFrameworks>", {"global.json": '{"sdk": {"version": "8.0.1"}}'},
                "8.0", " -f net8.0", "",
            ),
            ("<TargetFramework>net9.0</TargetFramework>", {"global.json": '{"sdk": {"version": "8.0.1"}}'}, "9.0", "", ""),
            (
                "<TargetFramework>netcoreapp2.1</TargetFramework>", {}, "", "",
                "There is no image of .NET 2.1; 8.0 is used.",
            ),
            ("<TargetFramework>net48</TargetFramework>", {}, "", "", "There is no image of .NET net48; 8.0 is used."),
        ],
    )  # fmt: skip
    def test_versions(self, project, others, version, option, note):
        found = plan({"src/Web/Web.csproj": f'<Project Sdk="Microsoft.NET.Sdk.Web">{project}</Project>', **others})
        assert (found.version, found.notes) == (version, (note,) if note else ())
        assert found.build == f"dotnet publish src/Web/Web.csproj -c Release{option} -o /app/published"
        assert found.environment == ({"DOTNET_ROLL_FORWARD": "Major"} if note else {})

    def test_two_servers_are_to_be_chosen_from(self):
        with pytest.raises(NoPlan, match="several"):
            plan({"a/A.csproj": self.PROJECT, "b/B.csproj": self.PROJECT})


class TestBunAndDeno:
    def test_bun_by_its_lock_file(self):
        package = json.dumps({"scripts": {"start": "bun server.ts"}, "dependencies": {"hono": "4"}})
        found = plan({"package.json": package, "bun.lock": "{}"})
        assert (found.runtime, found.framework, found.start) == ("bun", "Hono", "bun run start")
        assert found.install == "bun install --frozen-lockfile"
        assert plan({"bunfig.toml": "", "index.ts": ""}).start == "bun index.ts"

    def test_deno_by_its_configuration(self):
        assert plan({"deno.json": '{"tasks": {"start": "deno run x.ts"}}'}).start == "deno task start"
        found = plan({"deno.json": "{}", "main.ts": ""})
        assert (found.runtime, found.build) == ("deno", "deno cache main.ts")
        assert found.start.endswith("--allow-all main.ts") and (found.install, found.manifests) == ("", ())

    @pytest.mark.parametrize(
        ("settings", "files", "manifests"),
        [
            ({"imports": {"a": "npm:a@1", "@/": "./src/"}}, {"deno.lock": "{}"}, ("deno.json", "deno.lock")),
            ({"imports": {"a": "jsr:@a/b@1", "$x/": "https://deno.land/x/x@1/"}}, {".npmrc": ""}, ("deno.json", ".npmrc")),
            ({}, {"package.json": '{"dependencies": {"a": "1"}}'}, ("deno.json", "package.json")),
            ({}, {"package.json": "{}"}, ()),
            ({}, {"package.json": '{"dependencies": {"a": "file:../a"}}'}, ()),
            ({"imports": {"a": "npm:a@1", "b": "https://host.example/b.ts"}}, {}, ()),
            ({"imports": {"a": "npm:a@1"}, "workspace": ["./b"]}, {}, ()),
            ({"imports": {"a": "npm:a@1"}, "lock": {"path": "x.lock"}}, {}, ()),
            ({"imports": {"a": "npm:a@1"}, "lock": {"frozen": True}}, {}, ("deno.json",)),
            ({"importMap": "map.json"}, {"package.json": '{"dependencies": {"a": "1"}}'}, ()),
            ({"imports": {"a": "npm:a@1"}}, {".deno-version": "1.46.3"}, ()),
        ],
    )  # fmt: skip
    def test_deno_installs_what_its_manifests_name(self, settings, files, manifests):
        found = plan({"deno.json": json.dumps(settings), "main.ts": "", **files})
        assert (found.install, found.manifests) == ("deno install" if manifests else "", manifests)
        assert found.build == "deno cache main.ts"

    def test_deno_installs_nothing_where_its_owner_says_how_or_wants_the_first(self):
        files = {"deno.json": '{"imports": {"a": "npm:a@1"}}', "main.ts": ""}
        assert plan(files, install_command="deno cache x.ts").manifests == ()
        assert plan(files, version="1.46").install == plan(files, tools={"deno": "1"}).install == ""


GO = {"go.mod": "module shop\n", "main.go": MAIN_GO}
RUST = {"Cargo.toml": '[package]\nname = "shop"\n', "src/main.rs": "", "Cargo.lock": ""}
DOTNET = {"Shop.csproj": TestDotnet.PROJECT}
DOTNET_START = "ASPNETCORE_URLS=http://0.0.0.0:$PORT dotnet /app/published/Shop.dll"
ELIXIR = {"mix.exs": 'app: :shop, {:phoenix, "1.7"}'}


class TestProcesses:
    FILES = {"requirements.txt": "flask\n", "app.py": "", "worker.py": ""}

    def test_a_procfile_with_all_kinds(self):
        text = "web: gunicorn app:app\nworker: python worker.py\nclock: python clock.py\nrelease: python migrate.py\n"
        found = plan({**self.FILES, "Procfile": text})
        assert found.start == "gunicorn app:app"
        assert found.processes == {"worker": "python worker.py", "clock": "python clock.py"}
        assert (found.release, found.port) == ("python migrate.py", 8080)

    def test_only_a_worker_serves_no_requests(self):
        found = plan({**self.FILES, "Procfile": "worker: python worker.py\n"})
        assert (found.start, found.port, found.processes) == ("python worker.py", 0, {})
        assert "serves no requests" in found.summary

    def test_what_the_owner_says_wins(self):
        text = "web: gunicorn app:app\nworker: python worker.py\n"
        found = plan({**self.FILES, "Procfile": text}, processes={"worker": "", "clock": "python c.py"}, kind="worker")
        assert (found.processes, found.port) == ({"clock": "python c.py"}, 0)

    def test_a_procfile_alone_says_which_language(self):
        assert plan({"Procfile": "web: python serve.py\n", "serve.py": ""}).runtime == "python"
        assert plan({"Procfile": "web: ruby serve.rb\n", "serve.rb": ""}).runtime == "ruby"

    def test_a_name_that_could_not_be_a_container_s(self):
        with pytest.raises(NoPlan, match="can't have this name") as told:
            plan({**self.FILES, "Procfile": "web: x\nMy_Worker: y\n"})
        assert told.value.quoted == "My_Worker"

    @pytest.mark.parametrize("name", ["main", "once"])
    def test_a_name_that_the_runtime_calls_its_own(self, name):
        with pytest.raises(NoPlan, match="can't have this name"):
            plan({**self.FILES, "Procfile": f"web: x\n{name}: y\n"})

    @pytest.mark.parametrize(
        ("files", "line", "start"),
        [
            (GO, "bin/shop", "/app/bin/app"),
            (GO, "./bin/shop -port $PORT", "/app/bin/app -port $PORT"),
            (GO, "MODE=fast exec /app/bin/shop serve", "MODE=fast exec /app/bin/app serve"),
            (GO, "bin/migrate && bin/shop", "/app/bin/app"),
            (GO, "/app/bin/app serve", "/app/bin/app serve"),
            ({**GO, "bin/start.sh": ""}, "bin/start.sh", "bin/start.sh"),
            (GO, "/usr/bin/env x", "/usr/bin/env x"),
            (RUST, "./target/release/shop --port $PORT", "/app/bin/app --port $PORT"),
            (RUST, "ROCKET_PORT=$PORT target/release/shop", "ROCKET_PORT=$PORT /app/bin/app"),
            (DOTNET, "cd bin/publish/; ./Shop --urls http://*:$PORT", DOTNET_START),
            (DOTNET, "cd $HOME/heroku_output && ./Shop", DOTNET_START),
            (ELIXIR, "mix phx.server", "/app/release/bin/shop start"),
            (ELIXIR, "elixir --sname a -S mix phx.server", "/app/release/bin/shop start"),
            (ELIXIR, "_build/prod/rel/shop/bin/shop start", "/app/release/bin/shop start"),
            (ELIXIR, "/app/release/bin/shop start", "/app/release/bin/shop start"),
        ],
    )
    def test_a_program_that_another_build_leaves(self, files, line, start):
        found = plan({**files, "Procfile": f"web: {line}\n"})
        note = f"“{line}” of the Procfile is for another build: “{start}” is run."
        assert found.start == start
        assert [each for each in found.notes if "Procfile" in each] == ([note] if start != line else [])

    def test_whoever_builds_by_himself_knows_what_is_there(self):
        found = plan({**GO, "Procfile": "web: bin/shop\n"}, build_command="go build -o bin/shop .")
        assert found.start == "bin/shop"
        assert plan({**GO, "Procfile": "web: bin/shop\n"}, start_command="bin/x").notes == ()

    def test_the_program_that_the_procfile_starts_is_built(self):
        two = {"go.mod": "module a\n", "cmd/api/main.go": MAIN_GO, "cmd/shop/main.go": MAIN_GO}
        assert plan({**two, "Procfile": "web: bin/shop\n"}).build.endswith(" ./cmd/shop")
        bins = '[package]\nname = "a"\n[[bin]]\nname = "x"\n[[bin]]\nname = "y"\n'
        assert "--bin y " in plan({"Cargo.toml": bins, "Procfile": "web: ./target/release/y\n"}).build

    def test_the_same_program_in_other_lines(self):
        lines = "web: bin/shop serve\nworker: bin/shop work\nclock: bin/clock\nrelease: bin/shop migrate\n"
        found = plan({**GO, "Procfile": lines})
        assert found.processes == {"worker": "/app/bin/app work", "clock": "bin/clock"}
        assert found.release == "/app/bin/app migrate"
        assert "“bin/clock”, which “clock” of the Procfile starts, is not in the image." in found.notes

    @pytest.mark.parametrize(
        ("line", "output"),
        [
            ("vendor/bin/heroku-php-apache2 web/", "web"),
            ("heroku-php-nginx -C nginx.conf --verbose web/", "web"),
            ("heroku-php-apache2 -C apache.conf", "public"),
            ("heroku-php-apache2", "public"),
            ("heroku-php-apache2 ../other", "public"),
            ("heroku-php-apache2 .", "."),
        ],
    )
    def test_the_servers_of_php_at_heroku(self, line, output):
        files = {"composer.json": '{"require": {"laravel/framework": "11"}}', "public/index.php": ""}
        found = plan({**files, "Procfile": f"web: {line}\n"})
        assert (found.start, found.release) == (plan(files).start, "php artisan migrate --force")
        assert found.output == output
        noted = [each for each in found.notes if "server" in each]
        assert bool(noted) == ("-C" in line or ".." in line)
        found = plan({"index.php": "", "Procfile": f"web: php up.php && {line}\n"})
        assert found.start == "php up.php && exec apache2 -DFOREGROUND -f /etc/better-paas-apache.conf"

    def test_more_processes_than_there_may_be(self):
        lines = "".join(f"worker{number}: y\n" for number in range(11))
        with pytest.raises(NoPlan, match="at most 10 processes"):
            plan({**self.FILES, "Procfile": f"web: x\n{lines}"})


@pytest.mark.parametrize("runtime", sorted(set(LANGUAGES) - {"python", "node", "static", "run"}))
def test_every_language_gets_a_dockerfile_that_runs_as_nobody(runtime):
    text = generate(BuildPlan(runtime, build="make it", start="run it", mounts=("/data",)), "base:1", "run:1", False)
    assert "USER 10001:10001\n" in text
    assert text.index("mkdir -p /app /data && chown 10001:10001 /app /data") < text.index("USER 10001")
    assert text.rstrip().endswith('CMD ["/bin/sh", "-c", "exec run it"]')
    assert runtime in NAMES


def test_a_variable_in_front_of_a_command_is_no_program():
    text = generate(BuildPlan("ruby", start="A=1 ruby x.rb"), "base:1", "", False)
    assert 'CMD ["/bin/sh", "-c", "A=1 ruby x.rb"]' in text


def test_a_base_that_is_made_here_serves_what_it_can():
    go = Made("1.19", serves_older=True)
    assert go.serves("") and go.serves("1.19") and go.serves("1.16")
    assert not go.serves("1.22")
    assert not Made("3.1").serves("3.0")


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"pom.xml": "<p/>", "system.properties": "java.runtime.version=1.8\n"}, "8"),
        ({"pom.xml": "<maven.compiler.source>1.8</maven.compiler.source>"}, "8"),
        ({"pom.xml": "<p/>", ".java-version": "temurin-17.0.9\n"}, "17"),
        ({"build.gradle": "sourceCompatibility = JavaVersion.VERSION_1_8\n", "gradlew": ""}, "8"),
        ({"build.gradle": "sourceCompatibility = '17'\n", "gradlew": ""}, "17"),
        ({"settings.gradle.kts": "", "app/build.gradle.kts": "kotlin { jvmToolchain(21) }", "gradlew": ""}, "21"),
        ({"Gemfile": "", "app.rb": "", "Gemfile.lock": "RUBY VERSION\n   ruby 3.2.1p31\n"}, "3.2"),
        ({"Gemfile": "ruby '3.3.1'\n", "app.rb": ""}, "3.3"),
        ({"Gemfile": "ruby '~> 3.2.0'\n", "app.rb": ""}, "3.2"),
        ({"Gemfile": "ruby '>= 2.7', '< 3.4'\n", "app.rb": ""}, "3.3"),
        ({"Gemfile": "", "app.rb": "", "mise.toml": '[tools]\nruby = "3.3.0"\n'}, "3.3"),
        ({"deno.json": "{}", "main.ts": "", ".deno-version": "2.2.2\n"}, "2.2.2"),
        (
            {"go.mod": "module a\ngo 1.21\n", "main.go": "package main\n", "mise.toml": '[tools]\ngo = "1.25.3"\n'},
            "1.25",
        ),
        ({"Cargo.toml": '[package]\nname="a"\n', "src/main.rs": "", ".tool-versions": "rust 1.88.0\n"}, "1.88"),
        ({"mix.exs": "app: :a", "mise.toml": '[tools]\nelixir = {version = "1.16.2-otp-26"}\n'}, "1.16"),
    ],
)
def test_versions_from_where_each_language_keeps_them(files, version):
    assert plan(files).version == version


COMPOSER = {"composer.json": '{"require": {"php": "^8.1"}}', "composer.lock": "{}", "index.php": ""}
NODE = {"package.json": '{"scripts": {"start": "node x.js"}}'}


@pytest.mark.parametrize(
    ("files", "version", "note"),
    [
        ({**RUST, "rust-toolchain.toml": '[toolchain]\nchannel = "1.80.1"\n'}, "1.80", ""),
        (
            {**RUST, "rust-toolchain.toml": '[toolchain]\nchannel = "nightly-2025-01-01"\n'}, "",
            "There is no image of Rust nightly-2025-01-01; the newest stable one is used.",
        ),
        ({**RUST, "rust-toolchain": "beta\n"}, "", "There is no image of Rust beta; the newest stable one is used."),
        ({**RUST, "rust-toolchain": "stable\n"}, "", ""),
        ({"index.php": "", ".tool-versions": "php 7.4.33\n"}, "", "There is no image of PHP 7.4.33; 8.4 is used."),
        ({"index.php": "", ".tool-versions": "php 8.2.1\n"}, "8.2", ""),
        ({**COMPOSER, ".tool-versions": "php 8.2.1\n"}, "8.2", ""),
        ({"app.rb": "", ".ruby-version": "jruby-9.4.8.0\n"}, "", "There is no image of Ruby jruby-9.4.8.0; 3.4 is used."),
        ({"app.rb": "", ".ruby-version": "ruby-3.3.6\n"}, "3.3", ""),
        ({**NODE, ".nvmrc": "14.21\n"}, "22", "There is no image of Node 14.21; 22 is used."),
        ({**NODE, ".nvmrc": "lts/fermium\n"}, "22", "There is no image of Node lts/fermium; 22 is used."),
        ({**NODE, ".nvmrc": "lts/*\n"}, "24", ""),
        (
            {"app.rb": "", "Gemfile": "gem 'execjs'\n", "Gemfile.lock": "", ".nvmrc": "14"}, "",
            "There is no image of Node 14; 22 is used.",
        ),
    ],
)  # fmt: skip
def test_a_version_that_can_not_be_had_is_said(files, version, note):
    found = plan(files)
    assert (found.version, found.notes) == (version, (note,) if note else ())
    if found.runtime != "ruby" or "Gemfile" not in files:
        assert plan(files, version="9.9").notes == (), "the owner knows better"


class TestSecondLanguages:
    ASSETS = {"package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}'}

    def test_laravel(self):
        composer = {"require": {"php": "^8.2", "laravel/framework": "^11", "ext-gd": "*", "ext-rare": "*"}}
        found = plan(
            {**self.ASSETS, "composer.json": json.dumps(composer), "public/index.php": "", "package-lock.json": "{}"}
        )
        assert found.tools == {"composer": "2", "node": "22"} and found.run_tools == ()
        assert found.install.endswith("&& npm ci") and found.build.startswith("npm run build && mkdir -p storage/")
        assert "gd" in found.extensions and "pdo_pgsql" in found.extensions
        assert "The PHP extension rare is not known here" in " ".join(found.notes)
        assert found.release == "php artisan migrate --force"

    def test_laravel_with_its_database_inside(self):
        files = {
            "composer.json": '{"require": {"laravel/framework": "11"}}',
            "public/index.php": "",
            "config/database.php": "'default' => env('DB_CONNECTION', 'sqlite'),",
        }
        assert plan(files).release == "" and "php artisan migrate --force; php artisan optimize" in plan(files).start

    def test_extensions_that_locked_packages_need(self):
        lock = {"packages": [{"name": "a/b", "require": {"ext-intl": "*", "php": "8"}}]}
        found = plan({"composer.json": '{"require": {"a/b": "1"}}', "composer.lock": json.dumps(lock), "index.php": ""})
        assert found.extensions == ("intl",)

    def test_rails(self):
        files = {
            **self.ASSETS,
            "Gemfile": "gem 'rails'\ngem 'pg'\n",
            "Gemfile.lock": "",
            "Rakefile": "",
            "db/schema.rb": "",
        }
        found = plan(files)
        assert found.tools == {"node": "22"} and found.run_tools == ()
        assert found.build == "SECRET_KEY_BASE=build bundle exec rails assets:precompile", (
            "which runs the script itself"
        )
        assert found.release == "bundle exec rails db:migrate"
        assert "libpq5" in found.run_packages

    def test_ruby_that_runs_scripts(self):
        found = plan({"Gemfile": "gem 'execjs'\n", "app.rb": ""})
        assert (found.tools, found.run_tools) == ({"node": "22"}, ("node",))

    def test_phoenix(self):
        found = plan({"mix.exs": "app: :shop {:phoenix, 1}", "assets/package.json": '{"dependencies": {"a": "1"}}'})
        assert found.tools == {"node": "22"}
        assert found.install.endswith("&& (cd assets && npm install)")
