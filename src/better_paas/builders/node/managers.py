"""npm, pnpm, Yarn and Bun: which one, in which version, and how it installs."""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from better_paas.builders import versions
from better_paas.builders.files import Files, read_json, read_lock, table
from better_paas.builders.folders import all_above

LOCKS = {
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
}
_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", "bunfig.toml", "pnpm-workspace.yaml", ".pnpmfile.cjs")
# Folders of the top that are read beside patches of packages and Prisma's schemas: Yarn's own releases and plugins.
_FOLDERS = ("patches/", ".yarn/releases/", ".yarn/plugins/", ".yarn/patches/", ".yarn/cache/")
_FOLDER = re.compile(r"[\w@.-]++(?>/[\w@.-]++)*+")
_HOOKS = ("preinstall", "install", "postinstall", "prepare")
_KINDS = ("dependencies", "devDependencies", "optionalDependencies")
# Hooks that find all that they need among the files above, or do without.
_HARMLESS_HOOK = re.compile(
    r"(husky|prisma generate|patch-package|lefthook|simple-git-hooks|is-ci|echo)\b"
    r"(?!.*--(?:schema|config|patch-dir))[\w \-./:\"']*+"
)
# By what the build begins with: hooks that need no sources, and write types of what sources they find. Both end well
# where there are none, and the build writes the same once more; one that begins otherwise may need what was written.
_MADE_BY_BUILD = {
    "nuxt": ("nuxt prepare", "nuxi prepare"),
    "nuxi": ("nuxt prepare", "nuxi prepare"),
    "vite": ("svelte-kit sync",),
}
# The formats that locks are written in, and the versions that write them: a newer one would change the lock.
_PNPM_FORMATS = {"5": ("7", "6"), "6": ("8",), "9": ("9", "10", "11")}
_BERRY_FORMATS = {"4": "2", "5": "3", "6": "3"}
_PNPM, _BERRY = "10", "4"


@dataclass(frozen=True)
class Manager:
    """package: what npm installs it from, in its version; "" where it is there. lock: its file, or "".

    plug_and_play: packages stay in archives, which only programs that it starts can read.
    """

    name: str
    package: str = ""
    lock: str = ""
    plug_and_play: bool = False

    def runs(self, script: str) -> str:
        return f"yarn {script}" if self.name == "yarn" else f"{self.name} run {script}"

    def executes(self, program: str) -> str:
        """A program of a dependency: found by PATH, but for archives."""
        return f"yarn {program}" if self.plug_and_play else program

    def adds(self, package: str) -> str:
        """One more package for the build, also at the top of a workspace."""
        if self.name == "yarn":
            return f"yarn add --dev {'' if self.package.startswith('@') else '-W '}{package}"
        commands = {
            "npm": "npm install --no-save",
            "pnpm": "pnpm add --save-dev --ignore-workspace-root-check",
            "bun": "bun add --dev",
        }
        return f"{commands[self.name]} {package}"


def choose(files: Files, package: dict[str, Any]) -> Manager:
    """By `packageManager`, else by the lock, else by `engines`, else npm."""
    names = set(files.names())
    named, _, pinned = str(package.get("packageManager") or "").partition("@")
    locks = [lock for lock in LOCKS if lock in names]
    name = named if named in LOCKS.values() else ""
    name = name or next((LOCKS[lock] for lock in locks), "") or _by_settings(names, package)
    lock = next((lock for lock in locks if LOCKS[lock] == name), "")
    allowed = _writers(name, (files.head(lock, 1000) or "") if lock else "")
    version = versions.parts(pinned, 3) or _of_engines(package, name, allowed)
    version = version or versions.parts(versions.pinned(name, files), 3) or (allowed[0] if allowed else "")
    if name == "pnpm":
        return Manager(name, f"pnpm@{version or _PNPM}", lock)
    if name == "yarn":
        return _yarn(files, lock, version)
    return Manager(name, f"npm@{version}" if name == "npm" and named == "npm" and version else "", lock)


def _writers(name: str, lock: str) -> tuple[str, ...]:
    """Major versions that write a lock's format, the likeliest first; () where that is not known. lock: its head."""
    if name == "pnpm":
        written = re.match(r"lockfileVersion:\s*+['\"]?(\d)", lock)
        return _PNPM_FORMATS.get(written[1], ()) if written else ()
    if name == "yarn" and "__metadata" in lock:
        written = re.search(r"^  version: (\d)", lock, re.MULTILINE)
        return (_BERRY_FORMATS.get(written[1], _BERRY) if written else _BERRY,)
    return ("1",) if name == "yarn" and lock.strip() else ()


def _by_settings(names: set[str], package: dict[str, Any]) -> str:
    if "pnpm-workspace.yaml" in names or "package.json5" in names or "package.yaml" in names:
        return "pnpm"
    if ".yarnrc.yml" in names:
        return "yarn"
    if "bunfig.toml" in names:
        return "bun"
    engines = table(package, "engines")
    if "bun" in engines and "node" not in engines:
        return "bun"
    return next((name for name in ("pnpm", "yarn") if name in engines), "npm")


def _of_engines(package: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    """The lowest version that `engines` allows: a range says no more. Not one that could not read the lock."""
    text = table(package, "engines").get(name)
    if not isinstance(text, str) or (name == "npm" and ">" in text):
        return ""
    lowest = versions.parts(text.replace(".x", "").replace(".*", ""), 3) if "<" not in text.partition(" ")[0] else ""
    if not allowed or lowest.partition(".")[0] in allowed:
        return lowest
    return versions.nearest(text, allowed, allowed[0])


def _yarn(files: Files, lock: str, version: str) -> Manager:
    """From its second major on, Yarn has another name, and keeps packages in archives unless told not to."""
    settings = files.read(".yarnrc.yml")
    is_berry = int(version.split(".")[0]) > 1 if version else settings is not None
    if not is_berry:
        return Manager("yarn", f"yarn@{version or '1'}", lock)
    linker = re.search(r"^nodeLinker:\s*+[\"']?([a-z-]+)", settings or "", re.MULTILINE)
    return Manager(
        "yarn", f"@yarnpkg/cli-dist@{version or _BERRY}", lock, plug_and_play=not linker or linker[1] == "pnp"
    )


def install(
    manager: Manager,
    files: Files,
    package: dict[str, Any],
    members: Iterable[str] = (),
    installed: Iterable[str] = ("",),
) -> tuple[str, tuple[str, ...], list[str]]:
    """(command, the files that it needs or () for all, notes).

    members: folders of the workspace's packages. installed: of those whose hooks run, with "" for the top.
    """
    members = list(members)
    # A top that needs nothing itself may have members that do.
    needs = any(table(package, kind) for kind in _KINDS) or bool(package.get("workspaces")) or bool(members)
    notes: list[str] = []
    if not needs and not manager.lock:
        return "", (), notes
    if not manager.lock:
        notes.append("There is no lock file: versions may change from build to build.")
    command = _command(manager, files, package, notes)
    return command, _manifests(files, members, installed), notes


def _command(manager: Manager, files: Files, package: dict[str, Any], notes: list[str]) -> str:
    if not manager.lock:
        return f"{manager.name} install"
    if manager.name != "npm":
        berry = manager.package.startswith("@yarnpkg/")
        return f"{manager.name} install {'--immutable' if berry else '--frozen-lockfile'}"
    if unlocked := out_of_step(manager, files, package):
        notes.append(
            f"{manager.lock} is out of step with package.json ({', '.join(unlocked[:5])}): it is installed without the "
            "lock's guarantee. Run 'npm install' and commit the lock."
        )
        return "npm install"
    return "npm ci"


def out_of_step(manager: Manager, files: Files, package: dict[str, Any]) -> list[str]:
    """Dependencies of package.json that the lock has otherwise, or not, where npm would install them all the same."""
    if manager.name != "npm" or not manager.lock:
        return []
    locked = table(read_lock(files, manager.lock), "packages", "")
    if not locked:
        return []
    return [
        name
        for kind in _KINDS
        for name, wanted in table(package, kind).items()
        if table(locked, kind).get(name, table(locked, "optionalDependencies").get(name)) != wanted
    ]


def _manifests(files: Files, members: Iterable[str], installed: Iterable[str]) -> tuple[str, ...]:
    """What makes the step repeat when it changes; () where a hook may read anything."""
    names = files.names()
    present = set(names)
    folders = list(_FOLDERS)
    for place in installed:
        package = read_json(files, posixpath.join(place, "package.json"))
        schema = posixpath.normpath(posixpath.join(place, str(table(package, "prisma").get("schema") or "prisma")))
        # A schema may have several files, all in its folder.
        schema = posixpath.dirname(schema) if schema in present else schema
        if _may_read_anything(package) or not _FOLDER.fullmatch(schema) or ".." in schema:
            return ()
        folders += [f"{schema}/", posixpath.join(place, "patches/")]
    found = [name for name in ("package.json", "package.json5", *LOCKS, *_SETTINGS) if name in present]
    found += [f"{folder}/package.json" for folder in sorted(members)]
    # By name, and not each beside all files: a workspace may have hundreds of members, and each has some.
    there = all_above(names)
    found += [folder for folder in dict.fromkeys(folders) if folder.rstrip("/") in there]
    return tuple(found)


def _may_read_anything(package: dict[str, Any]) -> bool:
    """Whether what is run or linked when it is installed can be anywhere in the source."""
    scripts = table(package, "scripts")
    hooks = [str(command) for name, command in scripts.items() if name in _HOOKS]
    steps = [step.strip() for hook in hooks for step in re.split(r"&&|\|\|", hook)]
    prepared = _MADE_BY_BUILD.get(str(scripts.get("build") or "").partition(" ")[0], ())
    if any(step not in prepared and not _HARMLESS_HOOK.fullmatch(step) for step in steps):
        return True
    return takes_folders(package)


def wanted(package: dict[str, Any]) -> list[str]:
    """What it wants of its dependencies: ranges of versions, and addresses."""
    return [str(value) for kind in _KINDS for value in table(package, kind).values()]


def takes_folders(package: dict[str, Any]) -> bool:
    """Whether a dependency is a folder of the source."""
    return any(value.startswith(("file:", "link:", "portal:")) for value in wanted(package))
