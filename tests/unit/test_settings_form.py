"""What the dashboard's form of an app's settings sends, and what it does not take."""

from typing import Any

import pytest

from tests import typescript

BEGIN = "import { bodyOf, EMPTY, faults, filled } from './apps/settings'\n"


def made(expression: str, given: Any = None) -> Any:
    return typescript.call(f"{BEGIN} export default given => {expression}", given)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {}),
        (
            {"processes": "worker: python w.py --at 10:00\n\nbeat: x"},
            {"processes": {"worker": "python w.py --at 10:00", "beat": "x"}},
        ),
        ({"processes": "worker:"}, {"processes": {"worker": ""}}),
        ({"aptPackages": " libpq-dev,\n ffmpeg "}, {"aptPackages": ["libpq-dev", "ffmpeg"]}),
        ({"volumes": "a:/a, b:/b:shared ,"}, {"volumes": ["a:/a", "b:/b:shared"]}),
        ({"portOverride": 3000, "watchMinutes": 0}, {"portOverride": 3000, "watchMinutes": 0}),
        ({"buildArgs": "A=1\nB='two words'"}, {"buildArgs": {"A": "1", "B": "two words"}}),
        ({"staticSite": False, "submodules": True}, {"staticSite": False, "submodules": True}),
    ],
)
def test_only_what_says_something_is_sent(fields, sent):
    found = made("{ const fields = { ...EMPTY, ...given }; return bodyOf(fields, filled(fields)) }", fields)
    assert found == sent
    assert made("faults({ ...EMPTY, ...given })", fields) == {}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"processes": "worker: x\npython other.py"}, {"processes": "Line 2: a name, a colon and its command"}),
        ({"processes": ": x"}, {"processes": "Line 1: a name, a colon and its command"}),
        ({"processes": "a: x\nb: y\na: z"}, {"processes": "Line 3: a is there twice"}),
    ],
)
def test_a_line_that_says_nothing_is_not_dropped(fields, told):
    """Sent without it, a process that was there would be gone."""
    assert made("faults({ ...EMPTY, ...given })", fields) == told


def test_build_arguments_that_can_not_be_read_name_their_line():
    assert made("faults({ ...EMPTY, buildArgs: 'A=1\\nB=\\'x' })")["buildArgs"].startswith("Line 2: ")
