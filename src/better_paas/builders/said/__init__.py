"""What a repository says of itself: in better-paas.toml, and in files that were written for others."""

from collections.abc import Callable
from dataclasses import replace

from better_paas.builders import procfile
from better_paas.builders.faults import faults
from better_paas.builders.files import Files
from better_paas.builders.plan import NoPlan, Overrides
from better_paas.builders.said import builders, hosts, own, sites
from better_paas.builders.said.wish import Said
from better_paas.kit.quoted import Statement, quote

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


# What says how to build without a Dockerfile: where there is one, its builder does not read it either.
_WITHOUT_DOCKERFILE = ("railpack.json", "nixpacks.toml")
_NO_WISH = Overrides()
_LONGEST_NOTE = 1_000


def wishes(files: Files, settings: Overrides = _NO_WISH) -> Said:
    """What is wanted in the end: by the app's settings, then by our file, then by others.

    Errors: NoPlan, for what is wrong in the first two; of others' files what can't be is passed over, and noted.
    """
    wanted, notes = settings.over(own.read(files)), []
    for field, fault in faults(wanted):
        if field != "output":  # which a member of a workspace may have elsewhere in it: see detect
            raise fault
    present = {name for name in files.names() if "/" not in name}
    for name, read in _FOREIGN.items():
        if name not in present or (name == "railway.toml" and "railway.json" in present):
            continue
        if name in _WITHOUT_DOCKERFILE and _has_dockerfile(files, wanted):
            notes.append(f"{name} is not read: there is a Dockerfile")
            continue
        try:
            said = read(files)
            asked, unused = _usable(said.overrides, wanted, files)
        except NoPlan as error:
            notes.append(f"{name} is not read: {error}")
            continue
        wanted = wanted.over(asked)
        notes += [*said.notes, *(f"{name}: {reason}" for reason in unused)]
    return Said(wanted, tuple(quote(note, longest=_LONGEST_NOTE) for note in notes))


def _has_dockerfile(files: Files, wanted: Overrides) -> bool:
    return wanted.build_method != "plan" and files.read(wanted.dockerfile_path or "Dockerfile") is not None


def _usable(asked: Overrides, wanted: Overrides, files: Files) -> tuple[Overrides, list[str]]:
    """(what of it can be done beside what is wanted already, why the rest can't)."""
    unused = []
    path = asked.dockerfile_path
    if path and files.read(path) is None:  # it may be meant from elsewhere
        asked, unused = replace(asked, dockerfile_path=""), [f"there is no {path}"]
    both = wanted.over(asked)
    for field, fault in faults(replace(both, processes={**procfile.beside(files), **both.processes})):
        if getattr(asked, field):
            asked = replace(asked, **{field: getattr(_NO_WISH, field)})
            unused.append(f"{field.replace('_', ' ')} not used: {Statement.of(fault)}")
    return asked, unused
