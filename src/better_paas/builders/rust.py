"""Rust: a cargo package or workspace with one program."""

import posixpath
import re
from typing import Any

from better_paas.builders import packages, procfile, versions
from better_paas.builders.files import LARGEST_LOCK, Files, exists, read_toml, table
from better_paas.builders.folders import parents, with_neighbours
from better_paas.builders.globs import matches
from better_paas.builders.plan import BuildPlan, NoApp, NoPlan, Overrides

_BINARY = procfile.BINARY
_OF_FOLDER = re.compile(r"src/bin/([\w-]++)(?:\.rs|/main\.rs)")
_FOLDER = re.compile(r"[\w.-]++(?>/[\w.-]++)*+")
_CHANNEL = re.compile(r"^[ \t]*+channel[ \t]*+=[ \t]*+[\"']([^\"'\n]{1,100})", re.MULTILINE)
_LINE = re.compile(r"1\.\d{1,5}")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if there is no Cargo.toml. Errors: NoPlan if it is not clear which program to run, NoApp if there
    is none."""
    return _plan(files, "", overrides) if exists(files, "Cargo.toml") else None


def top_of(tree: Files, folder: str) -> str | None:
    """The folder whose Cargo workspace `folder` belongs to, or that has all packages it names by path; None if none."""
    if not exists(tree, f"{folder}/Cargo.toml") or not _FOLDER.fullmatch(folder):
        return None
    for parent in parents(folder):
        workspace = table(read_toml(tree.below(parent), "Cargo.toml"), "workspace")
        if matches(posixpath.relpath(folder, parent or "."), _texts(workspace.get("members"))):
            return parent
    return with_neighbours(folder, lambda place: _named(tree.below(place)))


def _named(files: Files) -> list[str]:
    """The folders of the packages that one depends on, by paths from it."""
    wanted = table(read_toml(files, "Cargo.toml"), "dependencies").values()
    return _texts([each.get("path") for each in wanted if isinstance(each, dict)])


def member(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    """The plan of one package, built from where all that it needs is. Errors: NoPlan."""
    return _plan(top, folder, overrides)


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _plan(top: Files, folder: str, overrides: Overrides) -> BuildPlan:
    files = top.below(folder)
    manifest = read_toml(files, "Cargo.toml")
    programs = _programs(files, manifest)
    if not programs and (not overrides.build_command or exists(files, "package.json")):
        raise NoApp(
            "this Rust source is a library: it has no program",
            f"Add src/main.rs, or a build command that puts the program at {_BINARY}.",
        )
    wanted = posixpath.basename(procfile.sole_program(files, overrides, "rust"))
    name = _program(files, manifest, programs, wanted) if not overrides.build_command else ""
    locked = " --locked" if exists(top, "Cargo.lock") else ""
    build = overrides.build_command or (
        f"cargo build --release{locked} --bin {name} && mkdir -p /app/bin"
        f" && cp $CARGO_TARGET_DIR/release/{name} {_BINARY}"
    )
    version, note = _version(files, top, manifest, overrides)
    unlocked = "" if locked else "There is no Cargo.lock: versions may change from build to build."
    dependencies = table(manifest, "dependencies")
    known = {"axum": "axum", "actix-web": "Actix Web", "rocket": "Rocket", "warp": "warp"}
    return BuildPlan(
        runtime="rust",
        version=version,
        framework=next((label for key, label in known.items() if key in dependencies), ""),
        install=overrides.install_command,
        build=build,
        start=procfile.start(files, overrides, _BINARY, "rust"),
        folder=folder,
        run_packages=packages.needed(packages.RUST, _locked_names(top))[1],
        notes=tuple(each for each in (unlocked, note) if each),
    )


def _programs(files: Files, manifest: dict[str, Any]) -> list[str]:
    """Names of the package's programs; where it has none, of those of the packages in it."""
    names = set(files.names())
    programs = [str(entry.get("name")) for entry in manifest.get("bin") or [] if isinstance(entry, dict)]
    if "src/main.rs" in names:
        programs.insert(0, str(table(manifest, "package").get("name")))
    programs += sorted(match[1] for name in names if (match := _OF_FOLDER.fullmatch(name)))
    if not programs:
        members = [name.rpartition("/src/main.rs")[0] for name in names if name.endswith("/src/main.rs")]
        programs = [
            str(table(read_toml(files, f"{member}/Cargo.toml"), "package").get("name")) for member in sorted(members)
        ]
    return list(dict.fromkeys(programs))


def _program(files: Files, manifest: dict[str, Any], programs: list[str], wanted: str) -> str:
    """wanted: what the Procfile starts. Errors: NoPlan if it is not clear which one it is."""
    default = wanted if wanted in programs else table(manifest, "package").get("default-run")
    chosen = str(default) if default else programs[0] if len(programs) == 1 or exists(files, "src/main.rs") else ""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", chosen):
        raise NoPlan(
            "it is not clear which program of this Rust source to run",
            f"Set default-run in Cargo.toml, or a build command that puts the program at {_BINARY}.",
            f"programs: {', '.join(programs)}" if programs else "",
        )
    return chosen


def _locked_names(top: Files) -> list[str]:
    return re.findall(r'^name = "([^"]++)"', top.head("Cargo.lock", LARGEST_LOCK) or "", re.MULTILINE)


def _version(files: Files, top: Files, manifest: dict[str, Any], overrides: Overrides) -> tuple[str, str]:
    """(version, note): of rust-toolchain(.toml), mise.toml, .tool-versions or `rust-version`; "" for the newest."""
    for text in (_channel(top), versions.pinned("rust", files, top)):
        if text:
            found = _LINE.match(text)
            is_newest = found or text.startswith("stable") or overrides.exact("rust")
            return found[0] if found else "", "" if is_newest else versions.no_image(
                "Rust", text, "the newest stable one"
            )
    found = _LINE.match(str(table(manifest, "package").get("rust-version") or ""))
    return found[0] if found else "", ""


def _channel(top: Files) -> str:
    for name in ("rust-toolchain.toml", "rust-toolchain"):
        if found := _CHANNEL.search((top.read(name) or "")[:10_000]):
            return found[1]
    # The older form has nothing else in it.
    text = versions.own_file("rust-toolchain", top)
    return text if re.fullmatch(r"[\w.-]{1,100}", text) else ""
