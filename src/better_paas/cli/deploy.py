"""`paas deploy`, `redeploy`, `rollback`."""

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from better_paas.cli import output
from better_paas.cli.client import Api
from better_paas.cli.errors import USAGE, CliError
from better_paas.cli.follow import follow, result
from better_paas.cli.pack import pack
from better_paas.cli.session import api_of, app_named, approved, find_app, project_named
from better_paas.cli.variables import assignments, set_variables
from better_paas.kit.plain import one_line

_REPOSITORY = re.compile(r"(https?|ssh)://.+|[\w.-]+@[\w.-]+:.+|sample:.+|[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_BAR = 30
# Settings that are made of what is given several times.
_REPEATED = ("domains", "aptPackages", "runAptPackages", "buildArgs", "buildSecrets")


def deploy(options: argparse.Namespace) -> int:
    """Bring a repository or this directory live."""
    api = api_of(options)
    folder = _folder(options.source)
    if folder is not None and options.branch:
        raise CliError("a directory has no branch to choose", "Leave --branch out, or deploy the repository.", USAGE)
    name = options.name or _name_of(options.source, folder)
    existing = find_app(api.get("/api/apps"), name)
    if folder is not None:
        answer = _upload(api, folder, name, existing, options)
    elif existing is None:
        fields = {**_settings(api, options), "name": name, "gitRepo": options.source, "branch": options.branch or ""}
        answer = approved(api, options.wait, lambda: api.once("/api/deploy", **fields))
    else:
        answer = _again(api, existing, options)
    return _watch(api, answer, options)


def _upload(
    api: Api, folder: Path, name: str, existing: dict[str, Any] | None, options: argparse.Namespace
) -> dict[str, Any]:
    config = _settings(api, options)
    if existing is None:
        config["name"] = name
    elif not str(existing["gitRepo"]).startswith("upload://"):
        raise CliError(
            f"{name} is deployed from {one_line(existing['gitRepo'])}", "Choose another name: paas deploy . --name NAME"
        )
    else:
        config = {**_beside(existing, config), "id": existing["id"]}
        _set_variables(api, existing, config, options)
    with tempfile.NamedTemporaryFile(prefix="paas-", suffix=".tar.gz") as archive:
        packed = pack(folder, archive.file)
        archive.flush()
        for left in packed.left_out[:5]:
            output.tell(f"Left out: {one_line(left)} is a link to what is not packed")
        if not options.json:
            output.say(f"Packed {packed.files} file{'' if packed.files == 1 else 's'}, {_readable(packed.bytes)}")
        path = Path(archive.name)
        return dict(approved(api, options.wait, lambda: api.upload("/api/deploy/upload", config, path, _progress)))


def _again(api: Api, app: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    if _address(app["gitRepo"]) != _address(options.source):
        raise CliError(
            f"{one_line(app['name'])} is deployed from {one_line(app['gitRepo'])}", "Choose another name with --name."
        )
    changes = _beside(app, _settings(api, options))
    _set_variables(api, app, changes, options)
    if options.branch and options.branch != app["branch"]:
        changes["branch"] = options.branch
    if changes:
        approved(api, options.wait, lambda: api.post("/api/apps/update", id=app["id"], **changes))
    return dict(approved(api, options.wait, lambda: api.once("/api/apps/redeploy", id=app["id"])))


def _beside(app: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """What may be repeated comes beside what an app that is there has, and takes nothing of it away.

    With the version that was read, so that what others add meanwhile is not lost either.
    """
    added = {name: value for name, value in settings.items() if name in _REPEATED}
    merged = {
        name: {**app[name], **value} if isinstance(value, dict) else list(dict.fromkeys([*app[name], *value]))
        for name, value in added.items()
    }
    return {**settings, **merged, **({"version": app["version"]} if added else {})}


def _set_variables(api: Api, app: dict[str, Any], settings: dict[str, Any], options: argparse.Namespace) -> None:
    """Those of the settings, taken out of them: an app that is there keeps its others."""
    if wanted := settings.pop("envVars", None):
        set_variables(api, app, wanted, [], [], options.wait)


def redeploy(options: argparse.Namespace) -> int:
    """Build the newest version of an app."""
    api = api_of(options)
    app = app_named(api, options.app)
    answer = approved(api, options.wait, lambda: api.once("/api/apps/redeploy", id=app["id"], noCache=options.no_cache))
    return _watch(api, answer, options)


def rollback(options: argparse.Namespace) -> int:
    """Bring back the version before, or one that is named."""
    api = api_of(options)
    app = app_named(api, options.app)
    wanted = options.deployment or ""
    answer = approved(api, options.wait, lambda: api.once("/api/apps/rollback", id=app["id"], deploymentId=wanted))
    if not options.json:
        output.say(f"Going back from deployment {one_line(answer['from'] or 'none')} to {one_line(answer['to'])}")
    return _watch(api, answer, options)


def deployments(options: argparse.Namespace) -> int:
    """The newest deployments of an app, or of all."""
    api = api_of(options)
    app_id = app_named(api, options.app)["id"] if options.app else None
    found = api.get("/api/deployments/history", appId=app_id, limit=options.limit)
    if options.json:
        output.as_json(found)
        return 0
    rows = [
        (entry["id"], entry["appName"], entry["status"], entry["trigger"], entry["commit"][:8],
         one_line(entry["commitMsg"])[:40], output.ago(entry["createdAt"]))
        for entry in found
    ]  # fmt: skip
    output.table(("ID", "APP", "STATUS", "TRIGGER", "COMMIT", "MESSAGE", "WHEN"), rows)
    return 0


def _watch(api: Api, answer: dict[str, Any], options: argparse.Namespace) -> int:
    deployment_id, name = answer["deploymentId"], one_line(answer["name"])
    if not options.follow:
        if options.json:
            output.as_json(answer)
        else:
            output.say(f"Deploying {name} ({deployment_id}). Watch it: paas build-logs {name} -f")
        return 0
    return result(api, answer["id"], follow(api, name, deployment_id, quiet=options.json), options.json)


def _settings(api: Api, options: argparse.Namespace) -> dict[str, Any]:
    """What was said on the command line; the rest is left to the server."""
    fields: dict[str, Any] = {
        "rootDir": options.root, "installCommand": options.install, "buildCommand": options.build,
        "startCommand": options.start, "portOverride": options.port, "healthPath": options.health,
        "memory": options.memory, "cpus": options.cpus, "domains": options.domain,
        "runtimeVersion": options.language_version, "aptPackages": options.apt, "runAptPackages": options.run_apt,
        "outputDir": options.output, "staticSite": options.static, "singlePage": options.single_page,
        "submodules": options.submodules, "buildSecrets": options.build_secret,
        "buildMethod": "plan" if options.ignore_dockerfile else None,
    }  # fmt: skip
    if options.build_arg:
        fields["buildArgs"] = assignments(options.build_arg)
    if options.project:
        fields["projectId"] = project_named(api, options.project)
    if options.env:
        fields["envVars"] = assignments(options.env)
    # An empty text or 0 takes a setting back.
    return {name: value for name, value in fields.items() if value is not None}


def _folder(source: str) -> Path | None:
    """The directory that is meant, or None for a repository. Errors: CliError."""
    folder = Path(source).expanduser()
    # What is here wins: shop/web is a directory before it is a repository of somebody's.
    if source.startswith((".", "/", "~")) or folder.is_dir() or not _REPOSITORY.fullmatch(source):
        if not folder.is_dir():
            raise CliError(
                f"'{source}' is neither a repository nor a directory",
                "paas deploy . or paas deploy https://github.com/owner/name",
                USAGE,
            )
        return folder
    return None


def _name_of(source: str, folder: Path | None) -> str:
    last = folder.resolve().name if folder else re.split(r"[/:]", source.rstrip("/"))[-1].removesuffix(".git")
    name = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40]
    if not name:
        raise CliError("the app needs a name", "--name NAME", USAGE)
    return name


def _address(text: str) -> str:
    text = text if "://" in text or ":" in text else f"https://github.com/{text}"
    return text.rstrip("/").removesuffix(".git")


def _readable(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _progress(sent: int, size: int) -> None:
    if not sys.stderr.isatty():
        return
    full = _BAR * sent // max(1, size)
    end = "\n" if sent >= size else ""
    line = f"\rUploading [{'█' * full}{' ' * (_BAR - full)}] {_readable(sent)} of {_readable(size)}"
    print(line, end=end, file=sys.stderr, flush=True)
