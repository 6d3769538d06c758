"""Rust: a cargo package or workspace with one program."""

import re
from typing import Any

from better_paas.builders import procfile
from better_paas.builders.files import Files, read_toml, table
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_BINARY = "/app/bin/app"


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if there is no Cargo.toml. Errors: NoPlan if it is not clear which program to run."""
    if files.read("Cargo.toml") is None:
        return None
    manifest = read_toml(files, "Cargo.toml")
    name = _program(files, manifest) if not overrides.build_command else ""
    locked = " --locked" if files.read("Cargo.lock") is not None else ""
    build = overrides.build_command or (
        f"cargo build --release{locked} --bin {name} && mkdir -p /app/bin"
        f" && cp $CARGO_TARGET_DIR/release/{name} {_BINARY}"
    )
    notes = () if locked else ("There is no Cargo.lock: versions may change from build to build.",)
    dependencies = table(manifest, "dependencies")
    known = {"axum": "axum", "actix-web": "Actix Web", "rocket": "Rocket", "warp": "warp"}
    return BuildPlan(
        runtime="rust",
        version=_version(files, manifest),
        framework=next((label for key, label in known.items() if key in dependencies), ""),
        install=overrides.install_command,
        build=build,
        start=procfile.start(files, overrides, _BINARY),
        notes=notes,
    )


def _program(files: Files, manifest: dict[str, Any]) -> str:
    names = set(files.names())
    programs = [str(entry.get("name")) for entry in manifest.get("bin") or [] if isinstance(entry, dict)]
    if "src/main.rs" in names:
        programs.insert(0, str(table(manifest, "package").get("name")))
    if not programs:
        members = [name.rpartition("/src/main.rs")[0] for name in names if name.endswith("/src/main.rs")]
        programs = [
            str(table(read_toml(files, f"{member}/Cargo.toml"), "package").get("name")) for member in sorted(members)
        ]
    default = table(manifest, "package").get("default-run")
    chosen = str(default) if default else programs[0] if len(programs) == 1 or "src/main.rs" in names else ""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", chosen):
        raise NoPlan(
            "it is not clear which program of this Rust source to run",
            "Set default-run in Cargo.toml, or a build command that puts the program at "
            f"{_BINARY}. Programs: {', '.join(programs) or 'none'}.",
        )
    return chosen


def _version(files: Files, manifest: dict[str, Any]) -> str:
    """From rust-toolchain(.toml) or `rust-version`; "" for the newest."""
    text = (files.read("rust-toolchain.toml") or "") + (files.read("rust-toolchain") or "")
    found = re.search(r"\b(1\.\d+)", text) or re.search(
        r"\b(1\.\d+)", str(table(manifest, "package").get("rust-version") or "")
    )
    return found[1] if found else ""
