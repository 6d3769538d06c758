"""The embedded runtime's pure parts: what commands are run with, and what is built."""

from pathlib import Path

import pytest

from better_paas.builders.plan import BuildPlan, NoPlan
from better_paas.runtime.process.recipes import recipe
from better_paas.runtime.process.sandbox import Means, Place, command, harmless, seen

PLACE = Place(
    Path("/d/app"),
    Path("/d/tools"),
    Path("/d/venv"),
    Path("/d/site"),
    Path("/d/tmp"),
    210_001,
    mounts=((Path("/d/v"), "/data/x", False),),
)
ROOT, PERSON, BARE = Means("/usr/bin/bwrap", True), Means("/usr/bin/bwrap", False), Means("", False)


def joined(means: Means, memory: int = 0) -> str:
    return " ".join(command(means, PLACE, ["/bin/sh", "-c", "x"], memory))


def test_as_root_the_app_becomes_a_user_of_its_own_inside_its_sandbox():
    text = joined(ROOT, 1000)
    assert text.startswith("/usr/bin/bwrap --unshare-pid ")
    assert "--unshare-user" not in text
    assert text.index("/usr/bin/setpriv --reuid=210001") > text.index("--chdir /app")
    assert text.index("/usr/bin/prlimit") > text.index("--bounding-set=-all")
    assert text.endswith("--data=1000 --nproc=512 -- /bin/sh -c x")


def test_else_a_namespace_of_users_makes_the_sandbox():
    text = joined(PERSON)
    assert "--unshare-user" in text
    assert "setpriv" not in text
    # There all apps are the same user: a limit of processes would be one of all together.
    assert "--nproc" not in text


def test_what_is_built_can_not_be_written_to_and_folders_on_the_way_are_open():
    text = joined(ROOT)
    assert "--ro-bind /d/app /app" in text
    assert "--perms 0755 --dir /data --ro-bind /d/v /data/x" in text
    building = Place(PLACE.app, PLACE.tools, PLACE.venv, PLACE.site, PLACE.temporary, 1, writable=True)
    assert "--bind /d/app /app" in " ".join(command(ROOT, building, ["x"], 0))


def test_without_a_sandbox_paths_of_images_become_those_of_the_machine():
    assert joined(BARE) == "/usr/bin/setpriv --pdeathsig=KILL /usr/bin/prlimit --nofile=4096 -- /bin/sh -c x"
    assert seen(BARE, PLACE, "/venv/bin/python -m pip") == "/d/venv/bin/python -m pip"
    assert seen(PERSON, PLACE, "/venv/bin/python") == "/venv/bin/python"


def test_python_gets_its_environment_and_its_manager():
    plan = BuildPlan("python", package_manager="uv", install="uv sync", build="python b.py", start="python a.py")
    made = recipe(plan, "/usr/bin/python3", "")
    assert made.install[0] == ["/usr/bin/python3", "-m", "venv", "/venv/"]
    assert made.install[-2:] == [
        ["/tools/manager/bin/python", "-m", "pip", "install", "uv"], ["/bin/sh", "-c", "uv sync"],
    ]  # fmt: skip
    assert (made.build, made.start) == ([["/bin/sh", "-c", "python b.py"]], ["/bin/sh", "-c", "python a.py"])


def test_a_site_is_served_by_the_ingress_s_own_program():
    made = recipe(BuildPlan("static", install="npm ci", build="npm run build", output="dist"), "", "/x/caddy")
    assert made.start[:2] == ["/x/caddy", "run"]
    build, check = made.build
    assert build == ["/bin/sh", "-c", "npm run build"]
    assert check[2].startswith("test -f dist/index.html ||"), "a build that leaves no page has failed"


@pytest.mark.parametrize("runtime", ["dockerfile", "go", "ruby"])
def test_all_else_needs_an_engine(runtime):
    with pytest.raises(NoPlan, match="without a Docker engine"):
        recipe(BuildPlan(runtime, start="x"), "", "")


def test_what_an_app_sets_does_not_reach_the_programs_that_make_its_sandbox():
    wanted = {
        "KEY": "x",
        "LD_PRELOAD": "/app/x.so",
        "LD_LIBRARY_PATH": "/app",
        "GLIBC_TUNABLES": "x",
        "LOCPATH": "/app",
    }
    assert harmless(wanted) == {"KEY": "x"}
    assert all(
        word.startswith("/") for word in (command(ROOT, PLACE, ["x"], 0)[0], "/usr/bin/setpriv", "/usr/bin/prlimit")
    )


def test_folders_that_hold_people_s_files_are_not_shown_for_a_program_in_them():
    at_home = Place(
        PLACE.app,
        PLACE.tools,
        PLACE.venv,
        PLACE.site,
        PLACE.temporary,
        1,
        programs=(Path.home() / ".local/bin", Path.home() / "bin", Path("/x/node/bin")),
    )
    bound = command(PERSON, at_home, ["x"], 0)
    assert str(Path.home() / ".local/bin") in bound
    assert str(Path.home() / "bin") in bound
    assert "/x/node" in bound
    assert not {str(Path.home()), str(Path.home() / ".local")} & {
        bound[i + 1] for i, word in enumerate(bound) if "bind" in word
    }
