"""Workspaces of npm, pnpm, Yarn and Bun: who belongs to one, and what of it an app needs."""

import posixpath
import re
from typing import Any

from better_paas.builders.files import Files, exists, read_json, table
from better_paas.builders.folders import parents
from better_paas.builders.globs import matches
from better_paas.builders.node.managers import Manager, out_of_step
from better_paas.builders.plan import NoPlan

_MOST_PATTERNS = 50
_MOST_MEMBERS = 5000
_LONGEST_LOCK = 8 * 2**20
_PACKAGES = re.compile(r"['\"]?packages['\"]?[ \t]*+:(.*)")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*")
_ITEM = re.compile(r"""'([^'\n]*+)'|"([^"\n]*+)"|([^\s,\[\]'"-][^\s,\[\]]*+)""")
# Folders of the repository are parts of commands and of COPY lines.
_FOLDER = re.compile(r"[\w@.-]++(?>/[\w@.-]++)*+")


def patterns(top: Files) -> list[str]:
    """Of the folders that are members; [] where there is no workspace."""
    named = read_json(top, "package.json").get("workspaces")
    if isinstance(named, dict):
        named = named.get("packages")
    if not isinstance(named, list):
        named = _listed(top.read("pnpm-workspace.yaml") or "")
    return [str(pattern) for pattern in named][:_MOST_PATTERNS]


def _listed(settings: str) -> list[str]:
    """`packages` of a pnpm-workspace.yaml, in either style of lists, whatever else stands there."""
    inside, lines = False, list[str]()
    for line in settings.splitlines():
        key = _PACKAGES.match(line)
        # A list ends with the next key.
        inside = bool(key) or (inside and line[:1] in ("", " ", "\t", "-", "#", "]"))
        if inside:
            lines.append(_COMMENT.sub("", key[1] if key else line))
    return ["".join(found) for found in _ITEM.findall("\n".join(lines))]


def top_of(tree: Files, folder: str) -> str | None:
    """The folder whose workspace `folder` belongs to; None if it belongs to none."""
    is_package, is_project = (exists(tree, f"{folder}/{name}") for name in ("package.json", "project.json"))
    if not _FOLDER.fullmatch(folder) or not (is_package or is_project):
        return None
    for parent in parents(folder):
        if not is_package and exists(tree.below(parent), "nx.json"):
            return parent
        if matches(folder[len(parent) :].lstrip("/"), patterns(tree.below(parent))):
            return parent
    return None


def members(top: Files) -> dict[str, str]:
    """Folders of the members, by the packages' names."""
    wanted = patterns(top)
    found: dict[str, str] = {}
    manifests = [path for path in top.names() if path.endswith("/package.json")]
    for path in manifests[:_MOST_MEMBERS]:
        folder = path.rpartition("/")[0]
        if _FOLDER.fullmatch(folder) and matches(folder, wanted):
            label = read_json(top, path).get("name")
            found.setdefault(label if isinstance(label, str) else folder, folder)
    return found


def needed(top: Files, folder: str, known: dict[str, str], manager: Manager) -> list[str]:
    """Folders of the members that the one in `folder` is built from, each behind what it needs itself."""
    lock = (top.head(manager.lock, _LONGEST_LOCK) or "") if manager.lock else ""
    order: list[str] = []
    seen: set[str] = set()
    # Without recursion: a chain of packages may be as long as a stranger likes.
    waiting = [(folder, False)]
    while waiting:
        current, is_done = waiting.pop()
        if is_done:
            order.append(current)
        elif current not in seen:
            seen.add(current)
            waiting.append((current, True))
            waiting += [
                (known[name], False)
                for name, wanted in _dependencies(top, current).items()
                if name in known and not _is_namesake(top, current, known[name], wanted, manager, lock)
            ]
    return order[:-1]


def _is_namesake(top: Files, folder: str, member: str, wanted: str, manager: Manager, lock: str) -> bool:
    """Whether the member in `folder` wants a registry's package that is only called as the one in `member` is.

    The lock says so: pnpm's names each link, the others' take a member wherever it fits.
    """
    if not lock or wanted.startswith(_LINKS):
        return False
    if manager.name == "pnpm":
        # What links there are stands before the packages.
        is_seen = "\npackages:" in lock
        return is_seen and f"link:{posixpath.relpath(member, folder or '.')}" not in lock
    version = str(read_json(top, f"{member}/package.json").get("version") or "")
    return wanted[:1] in "^~" and wanted[1:2].isdigit() and not _means_member(wanted, version)


_KINDS = ("dependencies", "devDependencies", "optionalDependencies")


def _dependencies(top: Files, folder: str, kinds: tuple[str, ...] = _KINDS) -> dict[str, str]:
    package = read_json(top, f"{folder}/package.json".lstrip("/"))
    return {name: str(value) for kind in kinds for name, value in table(package, kind).items()}


def refuse_strangers(top: Files, folder: str, known: dict[str, str], manager: Manager) -> None:
    """A package of this repository is never taken from a registry, where anyone may publish its name. Errors: NoPlan.

    folder: of the member that is installed, "" for the top. A lock that is in step says where each comes from. Without
    one, only a range that the member itself fits is sure to mean it.
    """
    if manager.lock and not out_of_step(manager, top, read_json(top, "package.json")):
        return
    for place in installed(top, folder, known, manager):
        # Peers are installed as well.
        for name, wanted in _dependencies(top, place, (*_KINDS, "peerDependencies")).items():
            if name in known and not _fits(wanted, read_json(top, f"{known[name]}/package.json"), manager):
                raise NoPlan(
                    "a package of this workspace would be fetched from a public registry",
                    "Ask for it as 'workspace:*' or by its version, commit the lock file, or set an install command.",
                    f"{place or 'the top'} wants {name} {wanted}",
                )


_LINKS = ("workspace:", "file:", "link:", "portal:")


def _fits(wanted: str, member: dict[str, Any], manager: Manager) -> bool:
    if wanted.startswith(_LINKS):
        return True
    if manager.name == "pnpm":
        return False  # it links members only where that is said
    return _means_member(wanted, str(member.get("version") or ""))


def _means_member(wanted: str, version: str) -> bool:
    return wanted in ("*", "", version) or (
        wanted[:1] in "^~"
        and bool(version)
        and wanted[1:].split(".")[0] == version.split(".")[0] != "0"
        and _numbers(version) >= _numbers(wanted[1:])
    )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d{1,9}", version.partition("-")[0])[:3]]


def installed(top: Files, folder: str, known: dict[str, str], manager: Manager) -> list[str]:
    """Folders of what is installed, hooks and all, for the member in `folder` or, with "", for the top; "" is the top.

    Not all managers can install one member without the others.
    """
    apart = folder in known.values() and manager.name in ("pnpm", "npm")
    return ["", *([*needed(top, folder, known, manager), folder] if apart else known.values())]


def install_command(command: str, manager: Manager, folder: str) -> str:
    """With nothing but what the member and the top need, where the manager can do that."""
    if not command:
        return ""
    if manager.name == "pnpm":
        return f"{command} --filter . --filter '{{./{folder}}}...'"
    if manager.name == "npm":
        return f"{command} --workspace={folder} --include-workspace-root"
    return command


def build_command(top: Files, folder: str, others: list[str], own: str, manager: Manager) -> str:
    """Members first that have something to build, then the app's own command."""
    steps = [
        f"(cd {posixpath.relpath(other, folder)} && {manager.runs('build')})"
        for other in others
        if "build" in table(read_json(top, f"{other}/package.json"), "scripts")
    ]
    return " && ".join([*steps, *([own] if own else [])])
