"""What a repository says of itself: in better-paas.toml, and in files that were written for others."""

from collections.abc import Callable
from dataclasses import replace

from better_paas.builders.files import Files
from better_paas.builders.plan import NoPlan, Overrides
from better_paas.builders.said import builders, hosts, own, sites
from better_paas.builders.said.wish import Said

# The nearer to building comes first: its wishes win over those below.
_FOREIGN: dict[str, Callable[[Files], Said]] = {
    "railpack.json": builders.railpack,
    "nixpacks.toml": builders.nixpacks,
    "railway.json": hosts.railway,
    "railway.toml": hosts.railway,
    "render.yaml": hosts.render,
    "fly.toml": hosts.fly,
    "heroku.yml": hosts.heroku,
    "app.json": hosts.app_json,
    "netlify.toml": hosts.netlify,
    "Aptfile": builders.aptfile,
    "Staticfile": sites.staticfile,
    "Caddyfile": sites.caddyfile,
}


def wishes(files: Files) -> Said:
    """Our file's before all others'. Errors: NoPlan, for what is wrong in our file; others are passed over then."""
    wanted, notes = own.read(files).overrides, []
    present = {name for name in files.names() if "/" not in name}
    for name, read in _FOREIGN.items():
        if name not in present or (name == "railway.toml" and "railway.json" in present):
            continue
        try:
            said = read(files)
        except NoPlan as error:
            notes.append(f"{name} is not read: {error}")
            continue
        asked, missing = _without_missing(said.overrides, files)
        wanted = wanted.over(asked)
        notes += [*said.notes, *(f"{name}: there is no {path}" for path in missing)]
    return Said(wanted, tuple(notes))


def _without_missing(asked: Overrides, files: Files) -> tuple[Overrides, list[str]]:
    """Paths in files for others may be meant from elsewhere."""
    path = asked.dockerfile_path
    if path and files.read(path) is None:
        return replace(asked, dockerfile_path=""), [path]
    return asked, []
