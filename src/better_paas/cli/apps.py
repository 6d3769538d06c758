"""`paas logs`, `build-logs`, `stop`, `start`, `delete`, `domains`."""

import argparse
import json
import sys
from typing import Any

from better_paas.cli import output
from better_paas.cli.errors import USAGE, CliError
from better_paas.cli.follow import follow
from better_paas.cli.session import api_of, app_named, approved, find_app
from better_paas.kit.plain import one_line, plain


def logs(options: argparse.Namespace) -> int:
    """What the app writes."""
    api = api_of(options)
    app = app_named(api, options.app)
    if not app["activeDeployId"]:
        name = one_line(app["name"])
        raise CliError(f"{name} has not been live yet, so it wrote nothing", f"See paas build-logs {name}")
    if not options.follow:
        found = api.get("/api/apps/runtime-logs", id=app["id"], lines=options.lines)["logs"]
        if options.json:
            output.as_json(found)
        for line in found if not options.json else ():
            output.say(plain(line))
        return 0
    for _, _, lines in api.events("/api/apps/runtime-logs/stream", id=app["id"], lines=options.lines):
        for line in lines:
            output.say(json.dumps(line) if options.json else plain(f"{line['timestamp']} {line['message']}"))
    return 0


def build_logs(options: argparse.Namespace) -> int:
    """The log of a deployment: the app's newest, or one that is named."""
    api = api_of(options)
    app = app_named(api, options.app)
    deployment_id = options.deployment or (app["latestDeployment"] or {}).get("id")
    if not deployment_id:
        raise CliError(f"{one_line(app['name'])} has no deployment yet", "paas deploy")
    if options.follow:
        ended = follow(api, app["name"], deployment_id, quiet=options.json)
        if options.json:
            output.as_json(ended)
        return 0 if ended["status"] == "success" else 1
    offset = 0
    kept: list[Any] = []
    while (page := api.get("/api/deployments/logs", id=deployment_id, offset=offset))["logs"]:
        offset = page["next"]
        for line in page["logs"] if not options.json else ():
            output.log_line(line)
        kept += page["logs"] if options.json else []
    if options.json:
        output.as_json(kept)
    return 0


def stop(options: argparse.Namespace) -> int:
    """Stop an app; its visitors see a page that says so."""
    return _act(options, "/api/apps/stop", "Stopped {name}. Start it again: paas start {name}")


def start(options: argparse.Namespace) -> int:
    """Start a stopped app."""
    return _act(options, "/api/apps/start", "Started {name}: {url}")


def delete(options: argparse.Namespace) -> int:
    """Put an app into the trash."""
    api = api_of(options)
    app = app_named(api, options.app)
    if not options.yes:
        if not sys.stdin.isatty():
            raise CliError("deleting has to be confirmed", "Add --yes.", USAGE)
        if input(f"Delete {one_line(app['name'])}? Type its name: ").strip() != app["name"]:
            raise CliError("nothing was deleted")
    return _act(options, "/api/apps/delete", "{name} is in the trash. Bring it back: paas restore {name}")


def trash(options: argparse.Namespace) -> int:
    """Deleted apps that can be restored."""
    found = api_of(options).get("/api/apps/trash")
    if options.json:
        output.as_json(found)
        return 0
    for app in found:
        size = sum(volume["size"] or 0 for volume in app["volumes"])
        kept = f", {len(app['volumes'])} volumes ({size // 2**20} MiB)" if app["volumes"] else ""
        output.say(f"{one_line(app['name'])}  deleted {app['deletedAt'][:10]}, kept until {app['purgeAt'][:10]}{kept}")
    if not found:
        output.say("The trash is empty.")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Bring a deleted app back as it was."""
    api = api_of(options)
    found = find_app(api.get("/api/apps/trash"), options.app)
    if found is None:
        raise CliError(f"no app '{options.app}' is in the trash", "paas trash shows what is.")
    app = approved(api, options.wait, lambda: api.post("/api/apps/restore", id=found["id"]))
    if options.json:
        output.as_json(app)
    else:
        output.say(f"{one_line(app['name'])} is back: {one_line(app['url'] or app['status'])}")
    return 0


def _act(options: argparse.Namespace, path: str, text: str) -> int:
    api = api_of(options)
    app = app_named(api, options.app)
    answer = approved(api, options.wait, lambda: api.post(path, id=app["id"]))
    if options.json:
        output.as_json(answer)
    else:
        output.say(text.format(name=one_line(app["name"]), url=one_line(app["url"])))
    return 0


def domains(options: argparse.Namespace) -> int:
    """List, add or remove domains."""
    api = api_of(options)
    app = app_named(api, options.app)
    if options.action:
        if not options.domain:
            raise CliError("which domain?", f"paas domains {options.app} {options.action} shop.example.com", USAGE)
        if options.action == "remove" and options.domain not in app["domains"]:
            raise CliError(
                f"{one_line(app['name'])} has no domain {one_line(options.domain)}", "paas domains lists them."
            )
        path = f"/api/apps/domains/{options.action}"
        app = approved(api, options.wait, lambda: api.post(path, id=app["id"], domain=options.domain))
    names = [*app["domains"], app["defaultHost"]]
    if options.json:
        output.as_json(names)
        return 0
    for name in names:
        output.say(one_line(name))
    if options.action == "add":
        info = api.get("/api/server/info")
        output.tell(f"Point the DNS record of {one_line(options.domain)} at {info['publicIp'] or 'this server'}.")
    return 0
