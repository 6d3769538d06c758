"""`paas env`: how to reach the server from a script; and the variables of apps."""

import argparse
import getpass
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from better_paas.cli import config, output
from better_paas.cli.client import Api
from better_paas.cli.errors import USAGE, CliError
from better_paas.cli.session import api_of, app_named, approved
from better_paas.kit.plain import one_line

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
    return _apply(options, wanted, [], options.secret)


def unset(options: argparse.Namespace) -> int:
    """Remove variables."""
    return _apply(options, {}, options.names, False)


def import_file(options: argparse.Namespace) -> int:
    """Set all variables of a .env file; - is standard input."""
    try:
        text = sys.stdin.read(_LARGEST_FILE) if options.file == "-" else Path(options.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CliError(f"{options.file} can't be read: {reason}", "", USAGE) from error
    wanted = parse(text)
    if not wanted:
        raise CliError(f"{options.file} holds no variables", "One NAME=value in each line.")
    return _apply(options, wanted, [], options.secret)


def _apply(options: argparse.Namespace, wanted: dict[str, str], gone: list[str], secret: bool) -> int:
    api = api_of(options)
    app = app_named(api, options.app)
    present: dict[str, str] = app["envVars"]
    missing = [name for name in gone if name not in present]
    if missing:
        raise CliError(f"{one_line(app['name'])} has no variable {missing[0]}", "paas env list shows them.")
    # *** stands for what is stored: it is sent back as it came.
    fields: dict[str, Any] = {
        "envVars": {name: value for name, value in {**present, **wanted}.items() if name not in gone}
    }
    if secret:
        fields["secretKeys"] = sorted({*app["secretKeys"], *wanted})
    changed = approved(api, options.wait, lambda: api.post("/api/apps/update", id=app["id"], **fields))
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


def parse(text: str) -> dict[str, str]:
    """A .env file: NAME=value lines, with `export`, quotes and comments as shells have them. Errors: CliError."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not separator or not _NAME.fullmatch(name):
            raise CliError(f"line {number} is no NAME=value", "Values over several lines are not read.", USAGE)
        found[name] = _unquoted(value, number)
    return found


def _unquoted(value: str, number: int) -> str:
    quote = value[:1]
    if quote not in ("'", '"'):
        return re.split(r"\s+#", value, maxsplit=1)[0].strip()
    end = value.find(quote, 1)
    while quote == '"' and end > 0 and value[end - 1] == "\\":
        end = value.find(quote, end + 1)
    if end < 0:
        raise CliError(f"line {number}: the quote is not closed", "Values over several lines are not read.", USAGE)
    inner = value[1:end]
    if quote == "'":
        return inner
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]), inner)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CliError(
            f"'{name[:40]}' is no name of a variable", "Letters, digits and _, not beginning with a digit.", USAGE
        )
    return name


def _asked(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{name}: ")
    line = sys.stdin.readline()
    if not line:
        raise CliError(f"nothing came on standard input for {name}", f"{name}= sets an empty value.", USAGE)
    return line.rstrip("\n")
