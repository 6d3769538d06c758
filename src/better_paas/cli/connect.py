"""`paas connect`, `disconnect` and `use`."""

import argparse
import getpass
import json
import os
import platform
import re
import sys
import time
import urllib.request
import webbrowser
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlsplit

from better_paas.cli import config, output
from better_paas.cli.client import Api
from better_paas.cli.config import Instance
from better_paas.cli.discovery import Found, discover
from better_paas.cli.errors import FAILED, NOT_CONNECTED, UNREACHABLE, USAGE, ApiError, CliError
from better_paas.cli.loopback import Loopback
from better_paas.kit.plain import one_line

_SECONDS = 300.0
_NOTHING_NEW_SECONDS = 1.0


def connect(options: argparse.Namespace) -> int:
    """Get a token for this machine, in the way that fits it."""
    config.instances()  # one that can't be read is told before a token is made that could not be kept
    address = options.url or _asked_for_address()
    found = discover(address, options.ui or os.environ.get("PAAS_UI_URL") or None)
    output.quiet = bool(options.json)
    output.say(f"Connecting to {found.api} …")
    if found.foreign:
        _confirm_foreign(address, found, options.yes)
    admin = options.admin_token or os.environ.get("PAAS_ADMIN_TOKEN")
    if options.device or options.browser:
        admin = options.admin_token
    name = options.name or _default_name()
    if options.legacy or admin:
        answer = _by_admin_token(found, admin, options.profile or "deployer", name)
    elif identity := _identity(found.api):
        answer = _by_identity(found, identity)
    elif options.device or (_has_no_browser() and not options.browser):
        answer = _by_device(found, name)
    else:
        answer = _by_browser(found, name, options.profile)
    instance = _keep(found.api, answer, options.instance)
    output.quiet = False
    if options.json:
        output.as_json({name: value for name, value in asdict(instance).items() if name != "token"})
    return 0


def _by_browser(found: Found, name: str, profile: str | None) -> dict[str, Any]:
    loopback = Loopback(found.api)
    address = loopback.question(found.dashboard, name, profile or "")
    output.say("Opening browser to authorize the CLI…")
    if not _open(address):
        output.say("No browser could be opened. Open this link:")
        output.say(f"  {address}")
    else:
        output.tell(output.style(f"If it does not open: {address}", "dim"))
    output.say("Waiting for authorization in the browser…")
    code = loopback.wait(_SECONDS)
    try:
        answer: dict[str, Any] = Api(found.api).post(
            "/api/connect/agent/exchange",
            code=code,
            codeVerifier=loopback.verifier,
            state=loopback.state,
            redirectUri=loopback.redirect,
        )
    except ApiError as error:
        raise CliError(f"exchange failed: {error}", error.hint, NOT_CONNECTED) from error
    return answer


def _by_device(found: Found, name: str) -> dict[str, Any]:
    api = Api(found.api)
    asked = api.post("/api/connect/device", name=name, machine=_machine())
    output.say("There is no browser here. On another device, sign in and open")
    output.say(f"  {output.style(one_line(asked['verificationUrl']), 'bold')}")
    output.say(f"  Code:  {output.style(one_line(asked['userCode']), 'bold')}")
    output.say(f"  Words: {output.style(one_line(asked['words']), 'bold')}  (the page asks which ones you see here)")
    output.say("Waiting for authorization…")
    deadline = time.monotonic() + min(float(asked["expiresIn"]), _SECONDS)
    while time.monotonic() < deadline:
        try:
            answer: dict[str, Any] = api.post("/api/connect/device/token", deviceCode=asked["deviceCode"])
        except ApiError as error:
            if error.status in (502, 503, 504):  # a proxy had no patience
                time.sleep(_NOTHING_NEW_SECONDS)
                continue
            raise CliError(str(error), error.hint, NOT_CONNECTED) from error
        if "token" in answer:
            return answer
        time.sleep(_NOTHING_NEW_SECONDS)
    raise CliError("timed out waiting for browser authorization", "Run paas connect again.", NOT_CONNECTED)


def _by_identity(found: Found, identity: str) -> dict[str, Any]:
    output.say("Using the identity of this CI job…")
    answer: dict[str, Any] = Api(found.api).post("/api/connect/identity", token=identity)
    return answer


def _by_admin_token(found: Found, admin: str | None, profile: str, name: str) -> dict[str, Any]:
    if admin == "-":
        admin = sys.stdin.readline().strip()
    if not admin:
        if not sys.stdin.isatty():
            raise CliError("there is no admin token", "Pass it on standard input: --admin-token -", USAGE)
        admin = getpass.getpass("Admin token: ").strip()
    made = Api(found.api, admin).post("/api/agents/create", name=name, profile=profile)
    return {**made, "url": found.api, "agentId": made["id"]}


def _keep(api: str, answer: dict[str, Any], wanted: str | None) -> Instance:
    if not re.fullmatch(r"[\x21-\x7e]{1,512}", str(answer.get("token", ""))):
        raise CliError("the server's answer holds no token", "Is this the address of a Better-PaaS server?")
    name = wanted or _instance_name(api)
    old = next((known for known in config.instances() if known.instance == name), None)
    instance = Instance(
        url=api,
        token=str(answer["token"]),
        profile=str(answer.get("profile", "")),
        name=str(answer.get("name", "")),
        agentId=str(answer.get("agentId", "")),
        expiresAt=answer.get("expiresAt"),
        instance=name,
    )
    try:
        config.save(instance)
    except OSError as error:
        _revoke(instance)
        raise CliError(f"the token can't be kept: {error}", "Mend that, then connect again.") from error
    if old is not None and old.token != instance.token:
        _revoke(old)  # nobody holds the old one any more
    output.say()
    output.say(output.style("Connected successfully.", "green"))
    output.say(f"  URL:     {instance.url}")
    output.say(f"  Profile: {one_line(instance.profile) or 'custom'}")
    output.say(f"  Agent:   {one_line(instance.name)}")
    output.say(f"  Config:  {config.path()}")
    output.say()
    output.say("Try: paas status")
    return instance


def _instance_name(api: str) -> str:
    """The one that this server has already; else "default", or its host beside others."""
    known = config.instances()
    same = next((instance.instance for instance in known if instance.url == api), None)
    return same or ("default" if not known else urlsplit(api).netloc)


def disconnect(options: argparse.Namespace) -> int:
    """Revoke the token on the server, then forget it here."""
    instance = config.current(options.instance)
    if instance.instance == "environment":
        raise CliError("this connection comes from PAAS_API_URL and PAAS_TOKEN", "Unset them.", USAGE)
    problem = _revoke(instance)
    config.remove(instance.instance)
    if options.json:
        output.as_json({"disconnected": instance.url, "revoked": not problem, "problem": problem or None})
        return UNREACHABLE if problem else 0
    output.say(f"Disconnected from {instance.url}. {config.path()} holds its token no more.")
    if problem:
        output.tell(f"The token could not be revoked ({problem}): it works until it expires.")
        output.tell("Revoke it in the dashboard under Agents, or there: better-paas token.")
        return UNREACHABLE
    return 0


def _revoke(instance: Instance) -> str:
    """ "" if the token is gone, else why not."""
    try:
        Api(instance.url, instance.token).post("/api/agents/self/revoke")
    except ApiError as error:
        # Not valid any more, or so often used since that the server has stopped answering.
        return "" if error.status in (401, 429) else str(error)
    except CliError as error:
        return str(error)
    return ""


def use(options: argparse.Namespace) -> int:
    """Make another instance the current one, or list them."""
    if options.name is None:
        known = config.instances()
        if options.json:
            output.as_json([{"instance": entry.instance, "url": entry.url, "name": entry.name} for entry in known])
        elif known:
            rows = [("*" if entry is known[0] else "", entry.instance, entry.url, entry.name) for entry in known]
            output.table(("", "INSTANCE", "URL", "AGENT"), rows)
        else:
            output.say("Not connected to any server.")
        return 0
    config.save(config.current(options.name))
    if options.json:
        output.as_json({"instance": options.name})
    else:
        output.say(f"Now using {options.name}.")
    return 0


def _asked_for_address() -> str:
    if not sys.stdin.isatty():
        raise CliError("which server?", "paas connect https://paas.example.com", USAGE)
    return input("Address of your dashboard [http://localhost:8080]: ").strip() or "http://localhost:8080"


def _confirm_foreign(address: str, found: Found, yes: bool) -> None:
    """A dashboard that names an API on another host may be right, or may be after the token."""
    output.say(f"The API of {address} is on another host: {found.api}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError("an API on another host has to be confirmed", "If that is right, add --yes.", FAILED)
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CliError("stopped", "", FAILED)


def _open(address: str) -> bool:
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


def _has_no_browser() -> bool:
    if any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "CI")):
        return True
    has_screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"))
    return sys.platform.startswith("linux") and not has_screen


def _identity(api: str) -> str | None:
    """The identity token of this CI job: GitLab gives it in a variable, GitHub on request."""
    if given := os.environ.get("PAAS_ID_TOKEN"):
        return given
    address, proof = (os.environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("URL", "TOKEN"))
    if not address or not proof:
        return None
    request = urllib.request.Request(f"{address}&audience={quote(api, safe='')}")  # noqa: S310  -- GitHub's own
    request.add_header("Authorization", f"Bearer {proof}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return str(json.load(response)["value"])
    except (OSError, ValueError, KeyError) as error:
        raise CliError(
            f"GitHub gave no identity token: {error}", "The job needs 'permissions: id-token: write'."
        ) from error


def _default_name() -> str:
    host = re.sub(r"[^A-Za-z0-9._-]", "", platform.node().partition(".")[0])
    return f"{host or 'my'} CLI"[:80]


def _machine() -> str:
    user = re.sub(r"[^\x21-\x7e]", "", os.environ.get("USER") or os.environ.get("USERNAME") or "")
    host = re.sub(r"[^\x21-\x7e]", "", platform.node())
    return f"{user}@{host}"[:80]
