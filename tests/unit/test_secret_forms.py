"""Which variables are marked as secrets by themselves: the server, the CLI and the dashboard agree."""

import json
from pathlib import Path

import pytest

from better_paas.kit.secret_forms import looks_secret
from tests import typescript

CASES = json.loads((Path(__file__).parents[1] / "secret_names.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['name']}={case['value'][:30]}")
def test_what_looks_secret(case):
    assert looks_secret(case["name"], case["value"]) is case["secret"]


def test_the_dashboard_agrees():
    program = """import { looksSecret } from './apps/secretForms'
    export default cases => cases.filter(({ name, value, secret }) => looksSecret(name, value) !== secret)"""
    assert typescript.call(program, CASES) == []
