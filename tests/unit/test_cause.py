"""What is said of a build that failed."""

import pytest

from better_paas.runtime.cause import Heard

GO = "executor failed running [/bin/sh -c go build -o /out .]: exit code: 2"


@pytest.mark.parametrize(
    ("lines", "failure", "told"),
    [
        (
            ["[2/4] RUN go build -o /out .", "# shop", "./main.go:2:14: undefined: x"],
            GO,
            "./main.go:2:14: undefined: x ('go build -o /out .' ended with code 2)",
        ),
        (
            ["ERROR: No matching distribution found for nothing", "[notice] A new release of pip is available"],
            'process "/bin/sh -c pip install ." did not complete successfully: exit code: 1',
            "ERROR: No matching distribution found for nothing ('pip install .' ended with code 1)",
        ),
        (
            ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'x'", "Removing intermediate container"],
            "The command '/bin/sh -c python make.py' returned a non-zero code: 1",
            "ModuleNotFoundError: No module named 'x' ('python make.py' ended with code 1)",
        ),
        (
            [
                "src/App.tsx(3,5): error TS2304: Cannot find name 'y'.",
                "npm error code ELIFECYCLE",
                "npm error",
                "npm error A complete log of this run can be found in: /root/.npm/_logs/x.log",
            ],
            "executor failed running [/bin/sh -c npm run build]: exit code: 1",
            "src/App.tsx(3,5): error TS2304: Cannot find name 'y'. ('npm run build' ended with code 1)",
        ),
        (["\x1b[31mall is lost\x1b[0m"], GO, "all is lost ('go build -o /out .' ended with code 2)"),
        ([], GO, "'go build -o /out .' ended with code 2"),
        (["error: of before"], "no such file: main.go", "no such file: main.go"),
    ],
)  # fmt: skip
def test_the_cause_stands_first(lines, failure, told):
    said = []
    heard = Heard(said.append)
    for line in lines:
        heard(line)
    assert heard.explain(failure) == told
    assert said == lines


def test_it_is_cut():
    heard = Heard(lambda line: None)
    heard("error: " + "x" * 100_000)
    assert len(heard.explain(GO)) < 400
