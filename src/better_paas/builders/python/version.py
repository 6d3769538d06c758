"""Which Python an app wants."""

import re
from collections.abc import Iterator

from better_paas.builders import versions
from better_paas.builders.files import Files, read_toml, table
from better_paas.builders.plan import Overrides

DEFAULT = "3.11"
# Those that there are images of.
_OFFERED = tuple(f"3.{minor}" for minor in range(7, 15))


# Programs that are no CPython, in the words of pyenv, and CPython without its lock.
_OTHERS = re.compile(r"(?:pypy|graalpy|jython|ironpython|micropython|pyston|stackless|(?:ana|mini)conda|miniforge)")
_UNLOCKED = re.compile(r"3\.\d{1,2}t\b")
_FIRST_NUMBER = re.compile(r"(?:c?python[-@]?|v)?(\d{1,9})")


def wanted(overrides: Overrides, *places: Files) -> tuple[str, str]:
    """(`3.N`, note): of .python-version, runtime.txt, mise.toml, .tool-versions, the Pipfile, or pyproject.toml.

    places: where those may lie, the app's own folder first.
    """
    if exact := versions.parts(overrides.exact("python")):
        return exact, ""
    unfit = ""
    for text in _texts(overrides, places):
        match = re.search(r"3\.(\d{1,2})", text)
        line = f"3.{match[1]}" if match else ""
        is_other = bool(_OTHERS.match(text) or _UNLOCKED.search(text))
        if line in _OFFERED:
            unfit = unfit or (text if is_other else "")
            return line, versions.no_image("Python", unfit, line) if unfit else ""
        number = _FIRST_NUMBER.match(text)
        if line or is_other or (number and number[1] != "3"):
            unfit = unfit or text
    bound = next((found for files in places if (found := _of_project(files))), "")
    chosen = versions.nearest(bound, _OFFERED, DEFAULT)
    if not unfit and not chosen:
        unfit = bound
    chosen = chosen or DEFAULT
    return chosen, versions.no_image("Python", unfit, chosen) if unfit else ""


def _texts(overrides: Overrides, places: tuple[Files, ...]) -> Iterator[str]:
    yield overrides.versions.get("python", "")
    for files in places:
        yield versions.own_file(".python-version", files)
        yield versions.own_file("runtime.txt", files)
        yield versions.pinned("python", files)
        yield _of_pipfile(files)


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
