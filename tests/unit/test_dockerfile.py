"""Generated Dockerfiles, and what is added to those of repositories."""

import json
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from better_paas.builders import dockerfile
from better_paas.builders.plan import BuildPlan


def instructions(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line and not line.startswith(" ")]


def python(**fields) -> str:
    plan = BuildPlan(runtime="python", version="3.11", package_manager="pip", **{"start": "python app.py", **fields})
    return dockerfile.generate(plan, "base", "", has_variables=False)


def test_python_runs_as_nobody_in_a_second_stage():
    text = python(install="/venv/bin/python -m pip install -r requirements.txt", manifests=("requirements.txt",))
    assert text.count("FROM base") == 2
    assert "USER 10001:10001" in text
    assert "COPY better-paas/manifests/ ./" in text
    assert text.splitlines()[-1] == 'CMD ["/bin/sh", "-c", "exec python app.py"]'


@given(st.text(alphabet=st.characters(blacklist_characters="\0"), min_size=1, max_size=60))
def test_no_command_breaks_out_of_its_instruction(command):
    text = python(start=command, build=command, install="true")
    assert set(instructions(text)) <= {"FROM", "WORKDIR", "ENV", "RUN", "COPY", "USER", "ENTRYPOINT", "CMD"}
    assert instructions(text).count("USER") == 1
    last = text.splitlines()[-1]
    assert command in json.loads(last.removeprefix("CMD "))[2]


@pytest.mark.parametrize(
    "command", ["x\nUSER root", "x \\", "x <<EOF", "`id`", "# hidden", "--mount=type=bind x", "[1]"]
)
def test_commands_that_look_like_syntax_become_data(command):
    line = next(
        line for line in python(build=command, install="true").splitlines() if json.dumps(command)[1:-1] in line
    )
    assert json.loads(line[line.index("[") :]) == ["/bin/sh", "-c", command]


def test_a_static_site_is_copied_from_its_build():
    plan = BuildPlan(
        runtime="static", version="22", package_manager="npm", install="npm ci", build="npm run build", output="dist"
    )
    text = dockerfile.generate(plan, "node", "caddy", has_variables=True)
    assert "COPY --from=build /app/dist /srv" in text
    assert "--mount=type=bind,source=better-paas/variables" in text
    assert "ARG" not in text


def test_variables_are_mounted_to_install_and_build_and_in_no_layer():
    plan = BuildPlan(
        runtime="node", version="22", package_manager="npm", install="npm ci", build="npm run build", start="node x"
    )
    text = dockerfile.generate(plan, "node", "", has_variables=True)
    steps = [line for line in text.splitlines() if "better-paas-variables" in line]
    assert [line.startswith("RUN --mount=") for line in steps] == [True, True]
    assert "npm ci" in steps[0] and "npm run build" in steps[1]
    assert "better-paas-variables" not in dockerfile.generate(plan, "node", "", has_variables=False)


@pytest.mark.parametrize("manager", ["npm", "pnpm"])
def test_what_is_compiled_for_node_fetches_no_headers(manager):
    """The image has them. An old node-gyp, as pnpm has one, knows the first name alone, of which a new npm warns."""
    plan = BuildPlan("node", version="22", package_manager=manager, manager_package=manager, install="x", start="y")
    text = dockerfile.generate(plan, "node", "", has_variables=False)
    assert "npm_package_config_node_gyp_nodedir=/usr/local" in text
    assert ("npm_config_nodedir=/usr/local" in text) == (manager == "pnpm")
    if manager == "pnpm":
        assert text.index("npm install --global pnpm") < text.index("npm_config_nodedir")


def test_packages_and_second_languages():
    plan = BuildPlan(
        "php",
        start="x",
        build_packages=("git",),
        run_packages=("libicu72",),
        extensions=("intl", "pdo_mysql"),
        tools={"node": "22", "composer": "2"},
    )
    text = dockerfile.generate(plan, "php:1", "", False, {"node": "node:22", "composer": ""})
    build, _, run = text.partition("\n\n")
    assert "--no-install-recommends git &&" in build and "--no-install-recommends libicu72 &&" in run
    assert "COPY --from=node:22 /usr/local/bin/node /usr/local/bin/node" in build
    assert "node" not in run, "assets are made once"
    assert "/usr/bin/composer" not in build, "the base has it"
    for stage in (build, run):
        assert "install libicu-dev && docker-php-ext-install -j2 intl pdo_mysql" in stage.replace(
            "-y -qq --no-install-recommends ", ""
        )
        assert "php-intl php-mysql" in stage


def test_manifests_of_any_number_are_one_layer():
    """An image may have 127 of them; a workspace has as many members as it likes."""
    manifests = tuple(f"packages/{number}/package.json" for number in range(500))
    text = dockerfile.generate(BuildPlan("node", install="npm ci", manifests=manifests, start="x"), "base", "", False)
    assert text.count("COPY") == 3


@pytest.mark.parametrize("value", ["plain", 'a "b" $HOME \\', "`id`", "# x", "ü"])
def test_variables_of_a_repository_come_as_they_are(value):
    plan = BuildPlan("node", start="node x", environment={"A": value})
    text = dockerfile.generate(plan, "base", "", False)
    line = next(line for line in text.splitlines() if line.startswith("ENV"))
    written = re.search(r' A=("(?:[^"\\]|\\.)*"|\S+)', line)[1]
    assert re.sub(r"\\(.)", r"\1", written.strip('"')) == value
    assert set(instructions(text)) <= {"FROM", "WORKDIR", "ENV", "RUN", "COPY", "USER", "ENTRYPOINT", "CMD"}


@pytest.mark.parametrize(
    ("made", "passes"),
    [
        (["dist/index.html"], True),
        (["dist/200.html"], True),
        (["dist/server/index.js", "dist/client/index.html"], False),
        (["dist/404.html", "dist/client/index.html"], False),
        ([], False),
    ],
)
def test_a_build_that_leaves_no_page_fails_with_what_it_made(made, passes, tmp_path):
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "src").mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", dockerfile.site_check("dist")], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode == 0) is passes
    if not passes:
        assert "left no index.html in dist" in done.stderr and "./src/" in done.stderr
        assert ("./dist/client" in done.stderr) is bool(made)


OWN = """# syntax comment
FROM debian AS build
RUN apt-get update \\
    && RUN_NOT=1 true
run echo lower
RUN <<EOF
RUN inside a heredoc
FROM inside too
EOF
FROM scratch
COPY --from=build /x /x
CMD ["x"]
"""


def test_the_bundle_is_mounted_into_each_run_and_nothing_else():
    text = dockerfile.with_build_ca(OWN, "trust:1")
    assert text.count("--mount=type=bind,from=trust:1,source=/,target=/run/better-paas-trust ") == 3
    assert text.count("ARG SSL_CERT_FILE=") == 2
    assert "RUN inside a heredoc" in text.splitlines()
    assert "    && RUN_NOT=1 true" in text.splitlines()
    assert "ENV" not in text


def test_mounts_go_for_the_old_builder():
    text = dockerfile.without_mounts(
        "FROM x\nRUN --mount=type=cache,target=/a --mount=type=bind,source=b pip install x\n"
    )
    assert text == "FROM x\nRUN pip install x\n"


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("/assets/index-4f2c1a9b.js", True),
        ("/assets/index-BirdYHC7.js", True),
        ("/static/css/main.7f2d01ab.css", True),
        ("/_app/chunk-DxrWnyG0.mjs", True),
        ("/contact-information.html", False),
        ("/site-navigation.js", False),
        ("/photo-4f2c1a9b.html", False),
        ("/app.4f2c.js", False),
        ("/jquery-3.7.1.min.js", False),
    ],
)
def test_only_names_that_a_build_made_are_kept_for_ever(name, hashed):
    assert (re.search(dockerfile._HASHED, name) is not None) is hashed


@pytest.mark.parametrize(
    ("base", "packages", "has_headers"),
    [
        ("better-paas/python:3.11", ("gcc", "libpq-dev"), True), ("python:3.11-slim-bookworm", ("gcc",), False),
        ("better-paas/python:3.11", (), False),
    ],
)  # fmt: skip
def test_compiling_for_python_has_its_headers_where_the_base_is_of_debian(base, packages, has_headers):
    plan = BuildPlan(runtime="python", install="pip install x", start="x", build_packages=packages)
    assert ("python3-dev" in dockerfile.generate(plan, base, "", has_variables=False)) is has_headers


@pytest.mark.parametrize(
    ("plan", "is_unset"),
    [
        (BuildPlan("node", install="npm ci", start="x"), True),
        (BuildPlan("static", install="npm ci", build="y", output="dist"), True),
        (BuildPlan("python", install="pip install -r x && npm ci", tools={"node": "22"}, start="x"), True),
        (BuildPlan("python", install="pip install -r x", start="x"), False),
    ],
)
def test_what_an_app_says_of_its_environment_takes_no_packages_from_its_build(plan, is_unset):
    """With NODE_ENV=production package managers leave out what builds the app."""
    text = dockerfile.generate(plan, "base", "caddy", has_variables=True)
    step = next(line for line in text.splitlines() if "npm ci" in line or "pip install" in line)
    assert ("unset NODE_ENV && " in step) == is_unset


def test_extensions_of_pecl():
    text = dockerfile.generate(BuildPlan("php", extensions=("gd", "imagick", "redis"), start="x"), "php:1", "", False)
    assert "docker-php-ext-install -j2 gd && pecl install imagick redis < /dev/null && docker-php-ext-enable" in text
    assert "libmagickwand-dev" in text and "php-gd php-imagick php-redis" in text
    text = dockerfile.generate(BuildPlan("php", extensions=("redis",), start="x"), "php:1", "", False)
    assert "then pecl install redis" in text
