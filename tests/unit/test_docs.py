"""Nothing is undocumented, and no link leads nowhere."""

import importlib.util
import re
import tomllib
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
    for file, make in made.PAGES.items():
        assert (ROOT / "docs/reference" / file).read_text() == make(), "run packaging/reference.py"


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


def test_every_tool_and_command_of_the_client_is_documented():
    from better_paas.mcp.tools import TOOLS

    tools = (ROOT / "docs/reference/mcp.md").read_text()
    assert all(f"`{tool.name}`" in tools and tool.description for tool in TOOLS)
    client = (ROOT / "docs/reference/paas.md").read_text()
    for name in ("connect", "setup", "status", "env", "mcp", "disconnect", "version", "help", "deploy", "doctor"):
        assert f"`paas {name}`" in client


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_lock_files_hold_what_the_project_names():
    """A dependency that is not locked is there on the machine of whoever added it, and nowhere else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    server = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["server"]
    groups = project["dependency-groups"]
    runtime, everything = ((ROOT / f"requirements{part}.lock").read_text() for part in ("", "-dev"))
    for requirement in server + groups["build"]:
        assert f"\n{requirement} " in f"\n{runtime}", f"{requirement}: run packaging/lock"
    for requirement in server + groups["build"] + groups["dev"]:
        assert f"\n{requirement} " in f"\n{everything}", f"{requirement}: run packaging/lock"
