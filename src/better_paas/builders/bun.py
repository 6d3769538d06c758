"""Bun: a package with Bun's lock file."""

from better_paas.builders import procfile
from better_paas.builders.files import Files, read_json, table
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_FRAMEWORKS = {"elysia": "Elysia", "hono": "Hono"}
_ENTRIES = ("server.ts", "index.ts", "src/index.ts", "app.ts", "server.js", "index.js", "src/index.js")


def detect(files: Files, overrides: Overrides) -> BuildPlan | None:
    """A plan, or None if this is not for Bun. Errors: NoPlan if nothing says how to start it."""
    names = set(files.names())
    package = read_json(files, "package.json")
    named = str(package.get("packageManager") or "").startswith("bun@")
    if not {"bun.lock", "bun.lockb", "bunfig.toml"} & names and not named:
        return None
    scripts = table(package, "scripts")
    entry = next((name for name in _ENTRIES if name in names), "")
    start = "bun run start" if "start" in scripts else f"bun {entry}" if entry else ""
    chosen = procfile.start(files, overrides, start)
    if not chosen:
        raise NoPlan("this is for Bun, but nothing says how to start it", "Add a 'start' script to package.json.")
    needs = bool(table(package, "dependencies") or table(package, "devDependencies"))
    locked = bool({"bun.lock", "bun.lockb"} & names)
    install = ("bun install --frozen-lockfile" if locked else "bun install") if needs else ""
    return BuildPlan(
        runtime="bun",
        framework=next((name for key, name in _FRAMEWORKS.items() if key in table(package, "dependencies")), ""),
        install=overrides.install_command or install,
        build=overrides.build_command or ("bun run build" if "build" in scripts else ""),
        start=chosen,
    )
