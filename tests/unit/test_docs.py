"""Nothing is undocumented, and no link leads nowhere."""

import importlib.util
import re
from pathlib import Path

import pytest

from better_paas import policy
from better_paas.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "packaging" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_pages_are_as_the_code_says():
    made = reference()
    assert (ROOT / "docs/reference/settings.md").read_text() == made.settings(), "run packaging/reference.py"
    assert (ROOT / "docs/reference/api.md").read_text() == made.api(), "run packaging/reference.py"


def test_every_setting_says_what_it_means():
    text = (ROOT / "docs/reference/settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`{name.upper()}`" in text


def test_every_route_says_what_it_does():
    text = (ROOT / "docs/reference/api.md").read_text()
    for action in policy.ACTIONS:
        assert f"`{action.method} {action.path}`" in text


def test_every_command_is_documented():
    from better_paas import commands

    text = (ROOT / "docs/reference/commands.md").read_text()
    for name in commands.app:
        if not name.startswith("-"):
            assert f"`better-paas {name}" in text, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
