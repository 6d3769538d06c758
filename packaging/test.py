"""`./test`: all checks, or those that need no engine."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import machine
from machine import SetupFailed, call, say, step

HELP = """Usage: ./test [unit | all | postgres] [pytest arguments]
       ./test fuzz [targets] [--seconds N] [--keep FOLDER] [--replay FILE]

  ./test        everything: style, types, import rules, unit tests, the real engine, ingress, Git and browser.
                As root on Debian 12 it installs what it needs, a Docker engine and Chromium among it.
                The tests of the state, the jobs and the API are run on SQLite and on PostgreSQL.
  ./test postgres  the same with all servers' state in PostgreSQL.
  ./test unit   style, types, import rules and the unit tests; takes minutes.
  ./test fuzz   a coverage-guided fuzzer at each reader of strangers' text (tests/fuzz/targets.py), 60 s each. What it
                finds is printed with how to read it again; put it into tests/fuzz/corpus/<target>/, which all tests read.
"""

BIN = machine.VENV / "bin"


def main() -> None:
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("--help", "-h", "help"):
        print(HELP)
        return
    if arguments and arguments[0] == "fuzz":
        fuzz(arguments[1:])
    what = arguments.pop(0) if arguments and arguments[0] in ("unit", "all", "postgres") else "all"
    started = time.monotonic()
    try:
        machine.install_programs()
        machine.ensure_environment("requirements-dev.lock")
        # Its tools check the dashboard, and some of its modules are called by the unit tests.
        machine.install_node_packages(machine.DASHBOARD, "Getting the dashboard's packages")
        with ThreadPoolExecutor(1) as beside:
            checked = beside.submit(checks)
            if what != "unit":
                prepare_machine()
            checked.result()
    except SetupFailed as error:
        print(f"\n{error}", file=sys.stderr)
        raise SystemExit(1) from None
    environment = {**machine.os.environ, **machine.node_environment()}
    # One more than there are cores where the tests are run: most of the time they wait for the engine.
    side_by_side = ["-n", "3", "--dist", "loadscope", "--max-worker-restart", "0"]
    # Playwright keeps an event loop of its own, which others' tests must not meet; a network that the engine makes
    # cuts the browser's connections; and while the engine is restarted, or its builds are limited, nothing else can run.
    most, rest = [*side_by_side, "-m", "not browser and not alone"], ["-m", "browser or alone"]
    runs = {
        "unit": [[*side_by_side, "tests/unit", "tests/fuzz"]],
        "all": [["--state", "both", *most], rest],
        "postgres": [["--state", "postgres", *most], ["--state", "postgres", *rest]],
    }
    code = 0
    for selected in runs[what]:
        step(f"Tests: {' '.join(selected)}")
        done = subprocess.run([BIN / "pytest", *selected, *arguments], cwd=machine.ROOT, env=environment, check=False)
        code = code or done.returncode
    say(f"Took {time.monotonic() - started:.0f} s")
    raise SystemExit(code)


def fuzz(arguments: list[str]) -> None:
    """Never returns."""
    try:
        machine.install_programs()
        machine.ensure_environment("requirements-dev.lock")
    except SetupFailed as error:
        print(f"\n{error}", file=sys.stderr)
        raise SystemExit(1) from None
    done = subprocess.run([BIN / "python", "-m", "tests.fuzz.run", *arguments], cwd=machine.ROOT, check=False)
    raise SystemExit(done.returncode)


def checks() -> None:
    step("Style, types and import rules")
    call(BIN / "ruff", "check", "--quiet", ".")
    call(BIN / "ruff", "format", "--check", "--quiet", ".")
    call(BIN / "mypy")
    call(BIN / "lint-imports")
    tools = machine.DASHBOARD / "node_modules" / ".bin"
    call(tools / "biome", "check", "--error-on-warnings", cwd=machine.DASHBOARD, environment=machine.node_environment())
    step("Unit tests of the dashboard")
    call(tools / "vitest", "run", cwd=machine.DASHBOARD, environment=machine.node_environment())


def prepare_machine() -> None:
    wanted = {
        "debootstrap": "debootstrap",
        machine.DEBIAN_KEYS: "debian-archive-keyring",
        "chromium": "chromium",
        "curl": "curl",
        "/usr/lib/postgresql/15/bin/initdb": "postgresql-15",
        "bwrap": "bubblewrap",
        f"/usr/lib/{machine.os.uname().machine}-linux-gnu/faketime/libfaketime.so.1": "libfaketime",
        "/usr/sbin/sshd": "openssh-server",
        # What the browser tests drive Chromium with is linked against it.
        f"/usr/lib/{machine.os.uname().machine}-linux-gnu/libatomic.so.1": "libatomic1",
        "/usr/lib/git-core/git-http-backend": "git",
    }
    machine.install_packages(wanted)
    machine.ensure_engine()
    machine.build_dashboard()
    step("Types of the dashboard")
    tool = machine.DASHBOARD / "node_modules" / ".bin" / "tsc"
    call(tool, "--noEmit", cwd=machine.DASHBOARD, environment=machine.node_environment())
    machine.install_node_packages(machine.ROOT / "tests" / "conformance", "Getting the conformance suite of MCP")
    step("Base images")
    bundle = machine.host_ca_bundle()
    environment = machine.node_environment() | ({"BUILD_CA_FILE": str(bundle)} if bundle else {})
    call(BIN / "better-paas", "images", "bootstrap", "--if-needed", environment=environment, show=True)


main()
