"""`paas status`, `apps`, `open`, `version`."""

import argparse
import webbrowser
from typing import Any

import better_paas
from better_paas.cli import config, output
from better_paas.cli.client import Api
from better_paas.cli.errors import ApiError
from better_paas.cli.session import api_of, app_named
from better_paas.kit.plain import one_line


def status(options: argparse.Namespace) -> int:
    """The connection, and all apps."""
    instance = config.current(options.instance)
    api = Api(instance.url, instance.token)
    own, apps = _self(api), api.get("/api/apps")
    if options.json:
        output.as_json({"url": instance.url, "agent": own, "apps": [_short(app) for app in apps]})
        return 0
    output.say(f"Connected to {instance.url}")
    if own is None:
        output.say("Signed in with the admin token")
    else:
        profile = one_line(own["profile"]) or "custom"
        output.say(f"Agent:   {one_line(own['name'])} ({profile}), expires {output.until(own['expiresAt'])}")
    output.say()
    _table(apps)
    return 0


def apps(options: argparse.Namespace) -> int:
    """All apps."""
    found = api_of(options).get("/api/apps")
    if options.json:
        output.as_json(found)
    else:
        _table(found)
    return 0


def _self(api: Api) -> dict[str, Any] | None:
    try:
        return dict(api.get("/api/agents/self"))
    except ApiError as error:
        if error.status != 400:
            raise
        return None  # the admin token is no agent's


def _short(app: dict[str, Any]) -> dict[str, Any]:
    return {name: app[name] for name in ("name", "status", "id", "url")}


def _table(found: list[dict[str, Any]]) -> None:
    if not found:
        output.say("No apps yet. Deploy one: paas deploy, or paas deploy https://github.com/owner/name")
        return
    output.table(
        ("NAME", "STATUS", "ID", "URL"), [[app[name] for name in ("name", "status", "id", "url")] for app in found]
    )


def open_app(options: argparse.Namespace) -> int:
    """The app, or the dashboard, in the browser."""
    api = api_of(options)
    address = app_named(api, options.app)["url"] if options.app else api.url
    # Others than these could start a program here.
    if address.startswith(("https://", "http://")) and not options.json and webbrowser.open(address):
        output.say(f"Opened {one_line(address)}")
    elif options.json:
        output.as_json({"url": address})
    else:
        output.say(one_line(address))
    return 0


def version(options: argparse.Namespace) -> int:
    """The version of this program."""
    if options.json:
        output.as_json({"version": better_paas.__version__})
    else:
        output.say(f"paas {better_paas.__version__}")
    return 0
