"""Which Python an app wants."""

import re

from better_paas.builders import versions
from better_paas.builders.files import Files, read_toml, table

DEFAULT = "3.11"
# Those that there are images of.
_OFFERED = tuple(f"3.{minor}" for minor in range(7, 15))


def wanted(*places: Files) -> tuple[str, str]:
    """(`3.N`, note): of .python-version, runtime.txt, mise.toml, .tool-versions, the Pipfile, or pyproject.toml.

    places: where those may lie, the app's own folder first.
    """
    for files in places:
        texts = (
            versions.own_file(".python-version", files),
            versions.own_file("runtime.txt", files),
            versions.pinned("python", files),
            _of_pipfile(files),
        )
        for text in texts:
            if match := re.search(r"3\.(\d{1,2})", text):
                return f"3.{match[1]}", ""
    bound = next((found for files in places if (found := _of_project(files))), "")
    chosen = versions.nearest(bound, _OFFERED, DEFAULT)
    return chosen or DEFAULT, "" if chosen else f"There is no image of Python {bound}; {DEFAULT} is used."


def _of_pipfile(files: Files) -> str:
    asked = table(read_toml(files, "Pipfile"), "requires")
    return str(asked.get("python_full_version") or asked.get("python_version") or "")


def _of_project(files: Files) -> str:
    """The range that it asks for."""
    project = read_toml(files, "pyproject.toml")
    bound = table(project, "project").get("requires-python")
    bound = bound or table(project, "tool", "poetry", "dependencies").get("python")
    if isinstance(bound, dict):
        bound = bound.get("version")
    return bound.strip()[:200] if isinstance(bound, str) else ""
