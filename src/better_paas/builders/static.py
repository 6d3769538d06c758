"""Static sites that need no build."""

from better_paas.builders.files import Files
from better_paas.builders.plan import BuildPlan, Overrides

_FOLDERS = ("", "public", "dist", "site", "www", "docs")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan if some usual folder has an index.html."""
    names = set(files.names())
    for folder in _FOLDERS:
        if (f"{folder}/index.html" if folder else "index.html") in names:
            return BuildPlan(runtime="static", output=folder or ".")
    return None
