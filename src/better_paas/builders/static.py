"""Static sites that need no build."""

import posixpath

from better_paas.builders.files import Files, exists
from better_paas.builders.plan import BuildPlan, Overrides

_FOLDERS = ("", "public", "dist", "site", "www", "docs", "_site", "build", "out")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan if the wanted folder, or some usual one, has an index.html."""
    wanted = posixpath.normpath(overrides.output.strip("/")) if overrides.output else ""
    folders = ("" if wanted == "." else wanted,) if wanted else _FOLDERS
    for folder in folders:
        # Asked for one by one: some of them are not among the names, being what builds usually make.
        if exists(files, f"{folder}/index.html" if folder else "index.html"):
            return BuildPlan(runtime="static", output=folder or ".")
    return None
