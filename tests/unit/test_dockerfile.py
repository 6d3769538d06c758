"""Generated Dockerfiles, and what is added to those of repositories."""

import json
import re

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
    assert "COPY source/requirements.txt ./" in text
    assert text.splitlines()[-1] == 'CMD ["/bin/sh", "-c", "exec python app.py"]'


@given(st.text(alphabet=st.characters(blacklist_characters="\0"), min_size=1, max_size=60))
def test_no_command_breaks_out_of_its_instruction(command):
    text = python(start=command, build=command, install="true")
    assert set(instructions(text)) <= {"FROM", "WORKDIR", "ENV", "RUN", "COPY", "USER", "CMD"}
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


def test_variables_are_mounted_for_the_build_command_alone():
    plan = BuildPlan(
        runtime="node", version="22", package_manager="npm", install="npm ci", build="npm run build", start="node x"
    )
    text = dockerfile.generate(plan, "node", "", has_variables=True)
    assert text.count("better-paas-variables") == 2
    assert "npm ci" in text


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


def test_bases_are_found_without_own_stages():
    text = "ARG X=1\nFROM --platform=linux/amd64 node:22 AS build\nFROM build AS second\nFROM scratch\nFROM $X\nFROM node:22\n"
    assert dockerfile.base_images(text) == ["node:22"]


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
