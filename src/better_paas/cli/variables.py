"""`paas env`: how to reach the server from a script; and the variables of apps."""

import argparse
import contextlib
import functools
import getpass
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from better_paas.cli import config, dotenv, output
from better_paas.cli.client import Api
from better_paas.cli.errors import USAGE, CliError
from better_paas.cli.session import api_of, app_named, approved
from better_paas.kit.plain import one_line
from better_paas.kit.secret_forms import looks_secret

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_LARGEST_FILE = 1024 * 1024


def exports(options: argparse.Namespace) -> int:
    """Lines for `eval "$(paas env)"`."""
    instance = config.current(options.instance)
    values = {"PAAS_API_URL": instance.url, "PAAS_TOKEN": instance.token}
    if options.json:
        output.as_json(values)
        return 0
    for name, value in values.items():
        form, quote = _EXPORTS[options.shell]
        output.say(form.format(name=name, value=quote(value)))
    return 0


def _fish(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell(value: str) -> str:
    # All of these end a quoted text there.
    return "'" + re.sub("(['\u2018-\u201b])", r"\1\1", value) + "'"


# (how a value is set, how it is quoted), by shell.
_EXPORTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "posix": ("export {name}={value}", shlex.quote),
    "fish": ("set -gx {name} {value}", _fish),
    "powershell": ("$env:{name} = {value}", _powershell),
}


def show(options: argparse.Namespace) -> int:
    """The variables of an app; secret ones as ***."""
    app = app_named(api_of(options), options.app)
    if options.json:
        output.as_json(app["envVars"])
    elif app["envVars"]:
        output.table(("NAME", "VALUE"), sorted(app["envVars"].items()))
    else:
        output.say("No variables.")
    return 0


def change(options: argparse.Namespace) -> int:
    """Set variables. NAME without a value asks for it, or reads it from standard input."""
    wanted: dict[str, str] = {}
    for text in options.assignments:
        if "=" in text:
            wanted |= assignments([text])
        else:
            wanted[_checked(text)] = _asked(text)
    return _apply(options, wanted, [], list(wanted) if options.secret else [])


def unset(options: argparse.Namespace) -> int:
    """Remove variables."""
    return _apply(options, {}, options.names, [])


def import_file(options: argparse.Namespace) -> int:
    """Set all variables of a .env file; - is standard input. What looks like a secret is marked as one."""
    wanted = dotenv.parse(_read(options.file))
    if not wanted:
        raise CliError(f"{options.file} holds no variables", "One NAME=value in each line.")
    secret = [name for name, value in wanted.items() if options.secret or looks_secret(name, value)]
    if secret and not options.secret:
        output.tell(f"Marked as secret, by name or value: {', '.join(secret)}")
    return _apply(options, wanted, [], secret)


def _read(file: str) -> str:
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as source:
            data = source.read(_LARGEST_FILE + 1)
        if len(data) > _LARGEST_FILE:
            raise CliError(f"{file} is longer than {_LARGEST_FILE // 1024} KiB", "", USAGE)
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise CliError(f"{file} can't be read: {reason}", "", USAGE) from error


def set_variables(
    api: Api, app: dict[str, Any], wanted: dict[str, str], gone: list[str], secret: list[str], wait: bool
) -> dict[str, Any]:
    """The app after the change; what others change meanwhile stays."""
    call = functools.partial(api.post, "/api/apps/env", id=app["id"], set=wanted, unset=gone, secret=secret)
    return dict(approved(api, wait, call))


def _apply(options: argparse.Namespace, wanted: dict[str, str], gone: list[str], secret: list[str]) -> int:
    api = api_of(options)
    app = app_named(api, options.app)
    changed = set_variables(api, app, wanted, gone, secret, options.wait)
    if options.redeploy:
        return _redeploy(api, changed, options)
    if options.json:
        output.as_json(changed["envVars"])
    else:
        names = ", ".join(sorted(wanted) or gone)
        output.say(
            f"{'Set' if wanted else 'Removed'} {names}. It takes effect with: paas redeploy {one_line(app['name'])}"
        )
    return 0


def _redeploy(api: Api, app: dict[str, Any], options: argparse.Namespace) -> int:
    from better_paas.cli.follow import follow, result

    answer = approved(api, options.wait, lambda: api.once("/api/apps/redeploy", id=app["id"]))
    return result(api, app["id"], follow(api, app["name"], answer["deploymentId"], quiet=options.json), options.json)


def assignments(texts: list[str]) -> dict[str, str]:
    """NAME=value texts. Errors: CliError."""
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise CliError(f"'{text[:40]}' is no NAME=value", "", USAGE)
        found[_checked(name)] = value
    return found


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CliError(
            f"'{name[:40]}' is no name of a variable", "Letters, digits and _, not beginning with a digit.", USAGE
        )
    return name


def _asked(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{name}: ")
    value = sys.stdin.buffer.read(_LARGEST_FILE + 1)
    if not value:
        raise CliError(f"nothing came on standard input for {name}", f"{name}= sets an empty value.", USAGE)
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        hint = "A variable holds text: encode other data, for example with base64."
        raise CliError(f"what came for {name} is no UTF-8", hint, USAGE) from error
    if text.endswith("\n"):
        output.tell(f"{name} ends with a line's end, as it came. Without: printf %s … | paas env set")
    return text
