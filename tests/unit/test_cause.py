"""What is said of a build that failed."""

import pytest

from better_paas.kit.quoted import Statement
from better_paas.runtime import complaints
from better_paas.runtime.cause import Heard
from tests import pace
from tests.unit.test_expressions import worst_cases

GO = "executor failed running [/bin/sh -c go build -o /out .]: exit code: 2"


@pytest.mark.parametrize(
    ("lines", "failure", "told"),
    [
        (
            ["[2/4] RUN go build -o /out .", "# shop", "./main.go:2:14: undefined: x"],
            GO,
            (2, "./main.go:2:14: undefined: x (go build -o /out .)"),
        ),
        (
            ["ERROR: No matching distribution found for nothing", "[notice] A new release of pip is available"],
            'process "/bin/sh -c pip install ." did not complete successfully: exit code: 1',
            (1, "ERROR: No matching distribution found for nothing (pip install .)"),
        ),
        (
            ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'x'", "Removing intermediate container"],
            "The command '/bin/sh -c python make.py' returned a non-zero code: 1",
            (1, "ModuleNotFoundError: No module named 'x' (python make.py)"),
        ),
        (
            [
                "src/App.tsx(3,5): error TS2304: Cannot find name 'y'.",
                "npm error code ELIFECYCLE",
                "npm error",
                "npm error A complete log of this run can be found in: /root/.npm/_logs/x.log",
            ],
            "executor failed running [/bin/sh -c npm run build]: exit code: 1",
            (1, "src/App.tsx(3,5): error TS2304: Cannot find name 'y'. (npm run build)"),
        ),
        (["\x1b[31mall is lost\x1b[0m"], GO, (2, "all is lost (go build -o /out .)")),
        ([], GO, (2, "go build -o /out .")),
        (["error: of before"], "no such file: main.go", (None, "no such file: main.go")),
    ],
)  # fmt: skip
def test_the_cause_stands_first(lines, failure, told):
    said = []
    heard = Heard(said.append)
    for line in lines:
        heard(line)
    code, said_of_it = told
    how = "" if code is None else f": a command ended with code {code}"
    assert heard.explain(failure) == Statement(f"the build failed{how}", said_of_it)
    assert said == lines


def test_it_is_cut():
    heard = Heard(lambda line: None)
    heard("error: " + "x" * 100_000)
    assert len(heard.explain(GO).quoted) < 200


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("npm error code E404\nnpm error 404 Not Found - GET https://registry.example/left-padd - Not found\nnpm error 404\nnpm error 404  'left-padd@*' is not in this registry.\nnpm error 404\nnpm error 404 Note that you can also install from a\nnpm error 404 tarball, folder, http url, or git folder.\nnpm error A complete log of this run can be found in: /root/.npm/_logs/1.log",
         "npm error 404 'left-padd@*' is not in this registry."),
        ("npm error code ERESOLVE\nnpm error ERESOLVE unable to resolve dependency tree\nnpm error\nnpm error While resolving: app@1.0.0\nnpm error Found: react@18.2.0\nnpm error Fix the upstream dependency conflict, or retry\nnpm error to accept an incorrect (and potentially broken) dependency resolution.",
         "npm error ERESOLVE unable to resolve dependency tree"),
        ("npm error code EUSAGE\nnpm error\nnpm error `npm ci` can only install packages when your package.json and package-lock.json are in sync. Please update your lock file.\nnpm error\nnpm error Missing: lodash@4.17.21 from lock file\nnpm error Run \"npm help ci\" for more info",
         "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync. Please update your lock file."),
        ("npm ERR! Missing script: \"build\"\nnpm ERR! \nnpm ERR! To see a list of scripts, run:\nnpm ERR!   npm run", 'npm ERR! Missing script: "build"'),
        ("node:events:497\n      throw er; // Unhandled 'error' event\n      ^\n\nError: Cannot find module '/app/build.js'\n    at emitErrorCloseNT (node:internal/streams/destroy:90:8)\n    at Module._load (node:internal/modules/cjs/loader:1023:27) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n\nNode.js v22.11.0",
         "Error: Cannot find module '/app/build.js'"),
        (" ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\" because pnpm-lock.yaml is not up to date with package.json\n\nNote that in CI environments this setting is true by default.",
         'ERR_PNPM_OUTDATED_LOCKFILE Cannot install with "frozen-lockfile" because pnpm-lock.yaml is not up to date with package.json'),
        ("> app@1.0.0 build\n> next build\n\nFailed to compile.\n\n./pages/index.tsx:3:5\nType error: Cannot find name 'y'.\n\n  1 |\n ELIFECYCLE  Command failed with exit code 1.",
         "Type error: Cannot find name 'y'."),
        ("yarn install v1.22.22\n[1/4] Resolving packages...\nerror Couldn't find package \"left-padd\" on the \"npm\" registry.\ninfo Visit https://yarnpkg.example for documentation about this command.",
         'error Couldn\'t find package "left-padd" on the "npm" registry.'),
        ("➤ YN0000: ┌ Resolution step\n➤ YN0035: │ left-padd@npm:^1: Package not found\n➤ YN0000: └ Completed\n➤ YN0000: Failed with errors in 0s",
         "➤ YN0035: │ left-padd@npm:^1: Package not found"),
        ("Collecting nothing\nERROR: Could not find a version that satisfies the requirement nothing==9 (from versions: none)\nERROR: No matching distribution found for nothing==9\n\n[notice] A new release of pip is available: 23.0 -> 25.0",
         "ERROR: Could not find a version that satisfies the requirement nothing==9 (from versions: none)"),
        ("  running build_ext\n  Error: pg_config executable not found.\n\n  pg_config is required to build psycopg2 from source.\n  [end of output]\nerror: subprocess-exited-with-error\n× python setup.py egg_info did not run successfully.\nERROR: Failed building wheel for psycopg2",
         "Error: pg_config executable not found."),
        ("  gcc -c _mysql.c\n  _mysql.c:46:10: fatal error: mysql.h: No such file or directory\n  compilation terminated.\n  error: command '/usr/bin/gcc' failed with exit code 1\nERROR: Could not build wheels for mysqlclient",
         "_mysql.c:46:10: fatal error: mysql.h: No such file or directory"),
        ("  × No solution found when resolving dependencies:\n  ╰─▶ Because nothing was not found in the package registry and your project depends on nothing, we can conclude that your project's requirements are unsatisfiable.",
         "╰─▶ Because nothing was not found in the package registry and your project depends on nothing, we can conclude that your project's requirements are un"),
        ("pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix the lock file.", "pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix the lock file."),
        ("   Compiling app v0.1.0\nerror[E0425]: cannot find value `y` in this scope\n --> src/main.rs:2:5\n\nerror: aborting due to 1 previous error\nerror: could not compile `app` (bin \"app\") due to 1 previous error",
         "error[E0425]: cannot find value `y` in this scope"),
        ("go: downloading example.com/x v1.0.0\nmain.go:4:2: no required module provides package example.com/x; to add it:\n\tgo get example.com/x", "main.go:4:2: no required module provides package example.com/x; to add it:"),
        ("[INFO] Compiling 1 source file\n[ERROR] COMPILATION ERROR : \n[ERROR] /app/src/main/java/App.java:[3,9] cannot find symbol\n[ERROR] Failed to execute goal org.apache.maven.plugins:maven-compiler-plugin\n[ERROR] -> [Help 1]\n[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.",
         "[ERROR] /app/src/main/java/App.java:[3,9] cannot find symbol"),
        ("Your requirements could not be resolved to an installable set of packages.\n\n  Problem 1\n    - Root composer.json requires ext-intl * but it is missing from your system.\n\nTo enable extensions, verify that they are enabled in your .ini files:",
         "- Root composer.json requires ext-intl * but it is missing from your system."),
        ("Fetching gem metadata\nCould not find gem 'railz' in rubygems repository or installed locally.", "Could not find gem 'railz' in rubygems repository or installed locally."),
        ("Installing pg 1.5.9 with native extensions\nGem::Ext::BuildError: ERROR: Failed to build gem native extension.\n\nAn error occurred while installing pg (1.5.9), and Bundler cannot continue.",
         "An error occurred while installing pg (1.5.9), and Bundler cannot continue."),
        ("Traceback (most recent call last):\n  File \"/app/manage.py\", line 22, in <module>\n    main()\ndjango.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.", "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty."),
        ("Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: first\nDuring handling of the above exception, another exception occurred:\nKeyError: 'DATABASE_URL'", "KeyError: 'DATABASE_URL'"),
        ("x Build failed in 1.2s\nerror during build:\n[vite]: Rollup failed to resolve import \"axios\" from \"/app/src/main.js\".\nThis is most likely unintended because it can break your application at runtime.\n    at viteWarn (file:///app/node_modules/vite/dist/node/chunks/dep.js:65839:17)",
         '[vite]: Rollup failed to resolve import "axios" from "/app/src/main.js".'),
        ("sh: 1: vite: not found", "sh: 1: vite: not found"),
    ],
)  # fmt: skip
def test_the_line_that_names_it(output, cause):
    heard = Heard(lambda line: None)
    for line in output.splitlines():
        heard(line)
    assert heard.cause().rstrip("…") == cause[: len(heard.cause().rstrip("…"))] and len(heard.cause()) >= min(
        len(cause), 150
    )


@pytest.mark.parametrize(
    "line",
    [
        "npm error network request to https://registry.example/x failed, reason: getaddrinfo EAI_AGAIN registry.example",
        "WARNING: Retrying after connection broken by 'NewConnectionError(Failed to establish a new connection: [Errno -3] Temporary failure in name resolution)'",
        "go: example.com/x@v1: Get \"https://proxy.example/x\": dial tcp: lookup proxy.example: no such host",
        "fatal: unable to access 'https://git.example/x/': Could not resolve host: git.example",
    ],
)  # fmt: skip
def test_a_network_that_can_not_be_reached_is_named_as_that(line):
    heard = Heard(lambda line: None)
    heard(line)
    heard("ERROR: No matching distribution found for x")
    told = heard.ended("install it", 1)
    assert "could not reach a server" in told.sentence and told.quoted.startswith(line[:60])


@pytest.mark.parametrize("complaint", complaints._COMPLAINTS, ids=lambda each: each.pattern.pattern[:30])
def test_no_output_takes_long_to_look_through(complaint):
    """A thousand lines, all of what the expressions like: a tenth of them in a tenth of the time."""
    for begin, endless in worst_cases(complaint.pattern.pattern, 0)[::7]:
        lines = [(begin + endless * 400)[:400]] * 100
        assert pace.seconds(lambda lines=lines: [complaint.pattern.search(line) for line in lines], 0.02) < 0.02
