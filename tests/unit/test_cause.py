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
        ("  Building wheel for foo (pyproject.toml): started\n  error: subprocess-exited-with-error\n  × Building wheel for foo (pyproject.toml) did not run successfully.\n  │ exit code: 1\n  ╰─> [12 lines of output]\n      Traceback (most recent call last):\n        File \"<string>\", line 1\n      ModuleNotFoundError: No module named 'distutils'\n      [end of output]\n  note: This error originates from a subprocess, and is likely not a problem with pip.\n  ERROR: Failed building wheel for foo\nERROR: Failed to build installable wheels for some pyproject.toml based projects (foo)",
         "ModuleNotFoundError: No module named 'distutils'"),
        ("✓ 3 modules transformed.\n✗ Build failed in 120ms\nerror during build:\nsrc/App.tsx (2:9): \"Foo\" is not exported by \"src/foo.ts\", imported by \"src/App.tsx\".\nfile: /app/src/App.tsx:2:9\n    at getRollupError (file:///app/node_modules/rollup/dist/es/shared/parseAst.js:397:41)",
         'src/App.tsx (2:9): "Foo" is not exported by "src/foo.ts", imported by "src/App.tsx".'),
        ("   Linting and checking validity of types ...\n\nFailed to compile.\n\n./src/app/page.tsx\n5:10  Error: 'useState' is defined but never used.  @typescript-eslint/no-unused-vars\n12:3  Warning: Using `<img>` could result in slower LCP  @next/next/no-img-element\n\ninfo  - Need to disable some ESLint rules? Learn more here: https://nextjs.example/docs",
         "5:10 Error: 'useState' is defined but never used. @typescript-eslint/no-unused-vars"),
        ("<--- Last few GCs --->\n[20:0x5] 30000 ms: Mark-Compact\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n 1: 0xb8ced1 node::OOMErrorHandler\nAborted (core dumped)",
         "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"),
        ("rails aborted!\nDon't know how to build task 'assets:precompile' (See the list of available tasks with `rails --tasks`)\n\n(See full trace by running task with --trace)",
         "Don't know how to build task 'assets:precompile' (See the list of available tasks with `rails --tasks`)"),
        ("rails aborted!\nsomething odd went wrong\nTasks: TOP => environment\n(See full trace by running task with --trace)\n", "Tasks: TOP => environment"),
        ("Your lock file does not contain a compatible set of packages. Please run composer update.\n\n  Problem 1\n    - laravel/horizon is locked to version v5.21 and an update of this package was not requested.\n    - laravel/horizon v5.21 requires ext-pcntl * -> it is missing from your system. Install or enable PHP's pcntl extension.",
         "- laravel/horizon v5.21 requires ext-pcntl * -> it is missing from your system. Install or enable PHP's pcntl extension."),
        ("Your lock file does not contain a compatible set of packages. Please run composer update.\n\n  Problem 1\n    - laravel/framework is locked to version v11.0 and an update of this package was not requested.\n    - laravel/framework v11.0 requires php ^8.2 -> your php version (8.1.2) does not satisfy that requirement.",
         "- laravel/framework v11.0 requires php ^8.2 -> your php version (8.1.2) does not satisfy that requirement."),
        ("Your Pipfile.lock (abc) is out of date. Expected: (def).\nUsage: pipenv install [OPTIONS] [PACKAGES]...\nERROR:: Aborting deploy", "Your Pipfile.lock (abc) is out of date. Expected: (def)."),
        ("error next@15.0.0: The engine \"node\" is incompatible with this module. Expected version \">=18.18.0\". Got \"16.20.2\"\nerror Found incompatible module.\ninfo Visit https://yarnpkg.example for documentation about this command.",
         'error next@15.0.0: The engine "node" is incompatible with this module. Expected version ">=18.18.0". Got "16.20.2"'),
        ("npm error code 128\nnpm error An unknown git error occurred\nnpm error command git --no-replace-objects ls-remote ssh://git@github.com/me/private.git\nnpm error git@github.com: Permission denied (publickey).\nnpm error fatal: Could not read from remote repository.\nnpm error A complete log of this run can be found in: /root/.npm/_logs/x.log",
         "npm error git@github.com: Permission denied (publickey)."),
        ("FAILURE: Build failed with an exception.\n\n* What went wrong:\nCould not determine the dependencies of task ':compileJava'.\n> Could not resolve all dependencies for configuration ':compileClasspath'.\n   > Failed to calculate the value of task ':compileJava' property 'javaCompiler'.\n      > Cannot find a Java installation on your machine matching: {languageVersion=21}. Toolchain download repositories have not been configured.",
         "> Cannot find a Java installation on your machine matching: {languageVersion=21}. Toolchain download repositories have not been configured."),
        ("* What went wrong:\nExecution failed for task ':compileJava'.\n> Could not resolve all files for configuration ':compileClasspath'.\n   > Could not find com.example:left:1.0.\n     Searched in the following locations:", "> Could not find com.example:left:1.0."),
        ("Your bundle only supports platforms [\"arm64-darwin-22\"] but your local platform is\nx86_64-linux. Add the current platform to the lockfile with\n`bundle lock --add-platform x86_64-linux` and try again.",
         'Your bundle only supports platforms ["arm64-darwin-22"] but your local platform is'),
        ("thread 'main' panicked at src/main.rs:8:38:\ncalled `Result::unwrap()` on an `Err` value: NotPresent\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace", "called `Result::unwrap()` on an `Err` value: NotPresent"),
        ("error: failed to run custom build command for `openssl-sys v0.9.100`\nCaused by:\n  process didn't exit successfully: `/root/.cache/target/build-script-main` (exit status: 101)\n  --- stderr\n  thread 'main' (71) panicked at openssl-sys/build/find_normal.rs:190:5:\n\n\n  Could not find directory of OpenSSL installation, and this `-sys` crate cannot",
         "Could not find directory of OpenSSL installation, and this `-sys` crate cannot"),
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
