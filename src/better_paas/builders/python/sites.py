"""Sites that a Python program makes of texts: MkDocs, Sphinx, Pelican."""

import re
from dataclasses import dataclass

from better_paas.builders.files import Files

# Settings of the programs, which hold tags that only they know: they are looked into, not read.
_SITE_DIR = re.compile(r"^site_dir:[ \t]*+['\"]?([\w.-]++(?>/[\w.-]++)*+)", re.MULTILINE)
_THEME = re.compile(r"^(?:theme:[ \t]*+|[ \t]++name:[ \t]*+)['\"]?material\b", re.MULTILINE)
_CONF = ("docs/conf.py", "docs/source/conf.py", "doc/conf.py", "source/conf.py", "conf.py")


@dataclass(frozen=True)
class Site:
    """output: what the build makes. needs: packages that make it, where they are not among the requirements."""

    framework: str
    build: str
    output: str
    needs: tuple[str, ...] = ()


def find(files: Files, required: set[str]) -> Site | None:
    """Of the first program whose settings are there."""
    names = set(files.names())
    if settings := next((name for name in ("mkdocs.yml", "mkdocs.yaml") if name in names), ""):
        text = files.head(settings) or ""
        wanted = ["mkdocs", *(["mkdocs-material"] if _THEME.search(text) else [])]
        found = _SITE_DIR.search(text)
        output = found[1] if found and ".." not in found[1] else "site"
        # A theme or a plugin brings the program along.
        has_it = any(name.startswith("mkdocs") for name in required)
        return Site("MkDocs", "mkdocs build", output, () if has_it else tuple(wanted))
    conf = next((name for name in _CONF if name in names), "")
    if conf and "sphinx" in required:
        return Site("Sphinx", f"sphinx-build -b html {conf.rpartition('/')[0] or '.'} _site", "_site")
    if "pelicanconf.py" in names and "pelican" in required:
        settings = "publishconf.py" if "publishconf.py" in names else "pelicanconf.py"
        return Site("Pelican", f"pelican content --output output --settings {settings}", "output")
    return None
