"""Nx: how it builds a project, and where that leaves what is served or started."""

import posixpath
import re
from dataclasses import replace

from better_paas.builders.files import exists, read_json, table
from better_paas.builders.node.frameworks import Made
from better_paas.builders.node.source import Source

_FOLDER = re.compile(r"[\w.@-]++(?>/[\w.@-]++)*+")
# What makes a program of Node; the first ones make one file of it.
_BUNDLED = re.compile(r"@(?:nx|nrwl)/(?:webpack|esbuild|rspack|node|rollup):")
_COMPILED = re.compile(r"@(?:nx|nrwl)/js:")


def build(source: Source) -> str:
    """Nx knows how to build a project that has no script for it; "" where there is no Nx."""
    if not exists(source.top, "nx.json"):
        return ""
    name = read_json(source.files, "project.json").get("name") or source.package.get("name")
    name = name or source.folder.rpartition("/")[2]
    return f"nx build {name}" if isinstance(name, str) and re.fullmatch(r"[\w@/.-]+", name) else ""


def placed(source: Source, made: Made | None) -> Made | None:
    """With what is made where the project's settings put it: below the top, by a path from the project's folder."""
    target = table(read_json(source.files, "project.json"), "targets", "build") if source.folder else {}
    path, executor = table(target, "options").get("outputPath"), str(target.get("executor") or "")
    path = table(target, "options", "outputPath").get("base") if isinstance(path, dict) else path
    if not isinstance(path, str) or not _FOLDER.fullmatch(path) or ".." in path:
        return made
    folder = posixpath.relpath(path, source.folder)
    if "angular" in executor:
        return Made(
            "Angular", output=f"{folder}/browser" if executor.endswith(":application") else folder, single_page=True
        )
    if _BUNDLED.match(executor) or _COMPILED.match(executor):
        entry = "main.js" if _BUNDLED.match(executor) else "src/main.js"
        return replace(made or Made(""), output="", start=f"node {folder}/{entry}")
    if made and made.output:
        return replace(made, output=folder)
    return replace(made, start=f"next start {folder}") if made and made.name == "Next.js" else made
