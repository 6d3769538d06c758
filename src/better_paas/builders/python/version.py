"""Which Python an app wants."""

import re

from better_paas.builders import versions
from better_paas.builders.files import Files, read_toml, table

DEFAULT = "3.11"


def wanted(*places: Files) -> str:
    """`3.N`: of .python-version, runtime.txt, mise.toml, .tool-versions, the Pipfile, or a bound in pyproject.toml.

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
                return f"3.{match[1]}"
    return next((found for files in places if (found := _of_project(files))), DEFAULT)


def _of_pipfile(files: Files) -> str:
    asked = table(read_toml(files, "Pipfile"), "requires")
    return str(asked.get("python_full_version") or asked.get("python_version") or "")


def _of_project(files: Files) -> str:
    project = read_toml(files, "pyproject.toml")
    bound = str(table(project, "project").get("requires-python") or "")
    poetry = table(project, "tool", "poetry", "dependencies").get("python")
    bound = (bound or (poetry if isinstance(poetry, str) else ""))[:200]
    default = int(DEFAULT.split(".")[1])
    match = re.search(r"3\.(\d{1,2})", bound)
    if match is None:
        return ""
    before = bound[: match.start()].rstrip()
    lower = int(match[1]) + (1 if before.endswith(">") else 0)
    if before.endswith("==") or lower > default:
        return f"3.{lower}"
    if upper := re.search(r"<\s*3\.(\d{1,2})", bound):
        return f"3.{min(default, int(upper[1]) - 1)}"
    return ""
