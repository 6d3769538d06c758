""".NET: one web project, published; alone, or with projects beside it that it refers to."""

import contextlib
import posixpath
import re
from dataclasses import dataclass
from typing import Any

from better_paas.builders import procfile, versions
from better_paas.builders.files import Files, exists, read_json, table
from better_paas.builders.folders import parents, with_neighbours, within
from better_paas.builders.languages import LANGUAGES
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_WEB = 'Sdk="Microsoft.NET.Sdk.Web"'
_FRAMEWORKS = re.compile(r"<TargetFramework(s?)(?>\s[^<>]*+)?+>([^<]{1,500})<")
_FRAMEWORK = re.compile(r"net(?:coreapp)?(\d{1,3}\.\d{1,3})")
# The first that its registry has below the name of those that came later.
_OLDEST = (3, 1)
_REFERENCE = re.compile(r"<ProjectReference\s++Include\s*+=\s*+[\"']([^\"'<>]++)")
# Neither properties of MSBuild nor patterns.
_PLAIN = re.compile(r"[\w. /-]++")
_FOLDER = re.compile(r"[\w.-]++(?>/[\w.-]++)*+")
_MOST_PROJECTS = 200
# What MSBuild and NuGet look for in all folders above a project.
_SETTINGS = (
    "Directory.Build.props",
    "Directory.Build.targets",
    "Directory.Packages.props",
    "nuget.config",
    "NuGet.config",
    "NuGet.Config",
)


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if there is no project file. Errors: NoPlan if it is not clear which one to run."""
    return _plan(files, "", overrides) if _projects(files) else None


def top_of(tree: Files, folder: str) -> str | None:
    """The folder that has all projects that those in `folder` refer to, and their settings; None if that is itself."""
    if not _FOLDER.fullmatch(folder) or not _projects(tree.below(folder)):
        return None
    top = with_neighbours(folder, lambda place: _referred(tree.below(place)))
    settled = [above for above in parents(folder) if any(exists(tree.below(above), name) for name in _SETTINGS)]
    if top is None and not settled:
        return None
    return posixpath.commonpath([folder if top is None else top, *settled])


def member(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    """The plan of what is in a folder, built from where all that it needs is. Errors: NoPlan."""
    return _plan(top, folder, overrides)


def _projects(files: Files) -> list[str]:
    return [name for name in files.names() if name.endswith((".csproj", ".fsproj"))]


def _referred(files: Files) -> list[str]:
    """Folders of projects that those of a folder refer to, by paths from it."""
    texts = {name: files.head(name) or "" for name in _projects(files)[:_MOST_PROJECTS]}
    paths = [
        posixpath.normpath(posixpath.join(name.rpartition("/")[0], path.strip().replace("\\", "/")))
        for name, text in texts.items()
        for path in _REFERENCE.findall(text)
    ]
    return [posixpath.dirname(path) for path in paths if _PLAIN.fullmatch(path)]


def _plan(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    files = top.below(folder)
    projects = _projects(files)
    web = [name for name in projects if _WEB in (files.head(name) or "")] or projects
    if len(web) > 1 and not overrides.build_command:
        raise NoPlan(
            "there are several .NET projects that could be the server",
            "Set the root directory to one of them, or a build command.",
            f"projects: {', '.join(web[:6])}",
        )
    chosen = web[0]
    text = files.head(chosen) or ""
    name = re.search(r"<AssemblyName>([A-Za-z0-9._-]+)</AssemblyName>", text)
    assembly = name[1] if name else chosen.rpartition("/")[2].rpartition(".")[0]
    if not re.fullmatch(r"[A-Za-z0-9._/-]+", chosen) or not re.fullmatch(r"[A-Za-z0-9._-]+", assembly):
        raise NoPlan("the project's path has characters that can't be used in a command", "Set a build command.")
    target = _target(top, posixpath.join(folder, chosen), overrides)
    start = f"ASPNETCORE_URLS=http://0.0.0.0:$PORT dotnet /app/published/{assembly}.dll"
    return BuildPlan(
        runtime="dotnet",
        version=target.version,
        framework="ASP.NET Core" if _WEB in text else "",
        install=within(folder, overrides.install_command),
        build=overrides.build_command or f"dotnet publish {chosen} -c Release{target.option} -o /app/published",
        start=procfile.start(files, overrides, start, "dotnet"),
        folder=folder,
        # A program runs on the version that it is built for alone, unless it is told to.
        environment={"DOTNET_ROLL_FORWARD": "Major"} if target.note else {},
        notes=(target.note,) if target.note else (),
    )


@dataclass(frozen=True)
class _Target:
    """version: of the SDK, "" for the usual one. option: which of several the project is built for.

    note: where it is built for another version than the SDK's.
    """

    version: str = ""
    option: str = ""
    note: str = ""


def _target(files: Files, project: str, overrides: Overrides) -> _Target:
    pinned = (posixpath.join(folder, "global.json") for folder in parents(project))
    nearest = next((path for path in pinned if exists(files, path)), "global.json")
    pin: dict[str, Any] = {}
    with contextlib.suppress(NoPlan):  # .NET itself says what is wrong with it
        pin = read_json(files, nearest)
    sdk = versions.parts(str(table(pin, "sdk").get("version") or ""))
    is_list, wanted = _frameworks(files, project)
    # Without those that are for one system alone, where there is another.
    listed = sorted(wanted, key=lambda name: "-" not in name)
    known = {found[1]: name for name in listed if (found := _FRAMEWORK.match(name))}
    older = [version for version in known if not sdk or _numbers(version) <= _numbers(sdk)]
    built = max(older or known, key=_numbers, default="")
    option = f" -f {known[built]}" if is_list and built else ""
    usual = LANGUAGES["dotnet"].newest
    unfit = next((version for version in (sdk, built) if version and _numbers(version) < _OLDEST), "")
    unfit = unfit or (wanted[0] if wanted and not known else "")
    if overrides.exact("dotnet"):
        return _Target(option=option)
    if unfit:
        return _Target(option=option, note=versions.no_image(".NET", unfit, usual))
    if sdk and built and _numbers(sdk) > _numbers(built):
        note = f"It is built for .NET {built}, and runs on {sdk}, which global.json asks for."
        return _Target(sdk, option, note)
    return _Target(built or sdk, option)


def _frameworks(files: Files, project: str) -> tuple[bool, list[str]]:
    """(whether they are a list, what the project is built for): it says so, or the properties nearest to it do."""
    nearest = (posixpath.join(folder, "Directory.Build.props") for folder in parents(project))
    properties = next((text for path in nearest if (text := files.head(path)) is not None), "")
    for text in (files.head(project) or "", properties):
        if found := _FRAMEWORKS.search(text):
            names = [name.strip() for name in found[2].split(";")]
            # What other properties make of it is not known here.
            return bool(found[1]), [name for name in names if re.fullmatch(r"[A-Za-z0-9.-]{1,50}", name)]
    return False, []


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
