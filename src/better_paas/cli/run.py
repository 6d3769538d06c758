"""The command line of `paas`: what can be said, and which module answers. Modules are loaded when they are needed."""

import argparse
import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import better_paas
from better_paas.cli.errors import EXIT_CODES, FAILED, INTERRUPTED, OK, USAGE, CliError

_EXAMPLES = """examples:
  paas connect https://paas.example.com     sign in with the browser, once
  paas setup                                let Claude Code, Cursor, Codex and others deploy
  paas deploy                               bring this directory live
  paas deploy https://github.com/me/shop    bring a repository live
  paas logs shop -f                         follow what it writes
  paas env set shop KEY=value --redeploy    set a variable and deploy
  paas rollback shop                        bring the version before back
  eval "$(paas env)"                        PAAS_API_URL and PAAS_TOKEN for curl
"""


class _Wide(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
        self._action_max_length = 16  # the commands are indented once more than the column is made for


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if wrong := re.match(r"argument COMMAND: invalid choice: '([^']*+)' \(choose from ([^)]*+)\)", message):
            import difflib

            near = difflib.get_close_matches(wrong[1], re.findall(r"[a-z-]+", wrong[2]))
            hint = f"Did you mean {near[0]}?" if near else "See paas help"
            raise CliError(f"there is no command '{wrong[1]}'", hint, USAGE)
        raise CliError(message, f"See {self.prog} --help", USAGE)


def run(arguments: list[str]) -> int:
    """Do what the arguments say; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without these letters shows a question mark
    if sys.stdout is None or sys.stderr is None:
        return FAILED  # there is nobody to tell
    try:
        parser = build()
        if arguments[:1] == ["help"] and len(arguments) > 1:
            arguments = [*arguments[1:], "--help"]
        options = parser.parse_args(arguments)
        if options.answer is None:
            parser.print_help()
            return OK
        module, _, name = options.answer.partition(":")
        handler: Callable[[Any], int] = getattr(importlib.import_module(f"better_paas.cli.{module}"), name)
        return handler(options)
    except CliError as error:
        _tell(error, arguments)
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough, such as head.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
    except OSError as error:
        print(f"paas: {error}", file=sys.stderr)
        return FAILED
    except Exception as error:  # a fault of ours: named, and without what it was about, which may be a token
        print(f"paas: something went wrong in paas itself ({type(error).__name__})", file=sys.stderr)
        return FAILED


def _tell(error: CliError, arguments: list[str]) -> None:
    from better_paas.kit.plain import plain

    if "--json" in arguments:
        import json

        body = getattr(error, "answer", None) or getattr(error, "body", None)
        print(json.dumps(body or {"error": str(error), "hint": error.hint or None}, indent=2))
        return
    from better_paas.cli import output

    print(output.with_quotation(f"paas: {plain(str(error))}", error.quoted), file=sys.stderr)
    if error.hint:
        print(plain(error.hint), file=sys.stderr)


def build() -> argparse.ArgumentParser:
    """The parser with all commands."""
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
    parser = _Parser(
        prog="paas",
        description="Deploy and look after apps on your own Better-PaaS server.",
        epilog=f"{_EXAMPLES}\nexit codes:\n{codes}",
        formatter_class=_Wide,
        allow_abbrev=False,
    )
    parser.set_defaults(answer=None)
    parser.add_argument("--version", action="version", version=f"paas {better_paas.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for add in (_connection_commands, _deploy_commands, _app_commands, _people_commands, _other_commands):
        add(commands)
    return parser


def _command(commands: Any, name: str, answer: str, help: str, **options: Any) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=help, allow_abbrev=False, **options
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--instance", metavar="NAME", help="another server than the current one (see paas use)")
    made.set_defaults(answer=answer)
    return made


def _app_argument(command: argparse.ArgumentParser, **options: Any) -> None:
    command.add_argument("app", metavar="APP", help="name or id", **options)


def _waiting(command: argparse.ArgumentParser) -> None:
    command.add_argument("--wait", action="store_true", help="if a person has to approve it, wait for that")


def _following(command: argparse.ArgumentParser) -> None:
    _waiting(command)
    command.add_argument("--no-follow", dest="follow", action="store_false", help="do not wait for the deployment")


def _connection_commands(commands: Any) -> None:
    made = _command(commands, "connect", "connect:connect", "sign in to a server and keep a scoped token")
    made.add_argument("url", nargs="?", metavar="URL", help="address of your dashboard")
    made.add_argument("--name", help="what the token is called (default: this machine)")
    made.add_argument("--device", action="store_true", help="authorize on another device by a code")
    made.add_argument("--browser", action="store_true", help="use a browser here, even over SSH")
    made.add_argument("--yes", action="store_true", help="accept an API on another host without asking")
    made.add_argument("--ui", metavar="URL", help="address of the dashboard, if it is not found")
    made.add_argument("--legacy", action="store_true", help="make the token with the admin token, without a browser")
    made.add_argument("--admin-token", metavar="TOKEN", help="for --legacy; - reads it from standard input")
    profiles = ("observer", "deployer", "operator")
    made.add_argument(
        "--profile", choices=profiles, help="what it may do; the page lets you change it (default: deployer)"
    )
    made = _command(commands, "status", "status:status", "the connection, and all apps")
    _command(commands, "disconnect", "connect:disconnect", "revoke the token and forget it")
    made = _command(commands, "use", "connect:use", "switch between servers")
    made.add_argument("name", nargs="?", metavar="INSTANCE")


def _deploy_commands(commands: Any) -> None:
    made = _command(commands, "deploy", "deploy:deploy", "bring this directory or a repository live")
    made.add_argument("source", nargs="?", default=".", metavar="SOURCE", help="directory or Git address (default: .)")
    made.add_argument("--name", help="name of the app (default: that of the directory or repository)")
    made.add_argument("--branch", help="branch, tag or commit")
    made.add_argument("--project", help="name or id of the project that a new app belongs to")
    made.add_argument("--env", action="append", metavar="NAME=VALUE", help="a variable; may be repeated")
    made.add_argument("--domain", action="append", metavar="DOMAIN", help="a domain; may be repeated")
    for name, help in (
        ("root", "the directory in the source that is the app"), ("install", "command that installs what it needs"),
        ("build", "command that builds it"), ("start", "command that starts it"),
        ("health", "path that answers when it is up"),
        ("memory", "limit such as 512m"), ("cpus", "limit such as 0.5"),
    ):  # fmt: skip
        made.add_argument(f"--{name}", metavar=name.upper(), help=help)
    made.add_argument("--port", type=int, metavar="PORT", help="port that it listens on; 0 for as it is found out")
    made.add_argument("--language-version", metavar="VERSION", help="of the language, such as 22 or 3.12")
    made.add_argument(
        "--apt", action="append", metavar="PACKAGE", help="a Debian package to build with; may be repeated"
    )
    made.add_argument(
        "--run-apt", action="append", metavar="PACKAGE", help="a Debian package to run with; may be repeated"
    )
    made.add_argument("--output", metavar="FOLDER", help="folder that the build makes, or that is served as it is")
    made.add_argument("--static", action=argparse.BooleanOptionalAction, help="serve the output as a static site")
    made.add_argument(
        "--single-page", action=argparse.BooleanOptionalAction, help="unknown paths of a site get its index.html"
    )
    made.add_argument("--build-arg", action="append", metavar="NAME=VALUE", help="for a Dockerfile; may be repeated")
    made.add_argument(
        "--build-secret", action="append", metavar="NAME", help="a secret variable that the build may know"
    )
    made.add_argument("--ignore-dockerfile", action="store_true", help="let the plan be found in spite of a Dockerfile")
    made.add_argument(
        "--submodules", action=argparse.BooleanOptionalAction, help="fetch the repository's submodules too"
    )
    _following(made)
    made = _command(commands, "redeploy", "deploy:redeploy", "build the newest version of an app")
    _app_argument(made)
    made.add_argument("--no-cache", action="store_true", help="build everything anew")
    _following(made)
    made = _command(commands, "rollback", "deploy:rollback", "bring an earlier version back")
    _app_argument(made)
    made.add_argument("deployment", nargs="?", metavar="DEPLOYMENT", help="its id (default: the version before)")
    _following(made)
    made = _command(commands, "deployments", "deploy:deployments", "the newest deployments")
    _app_argument(made, nargs="?")
    made.add_argument("-n", "--limit", type=int, default=20, metavar="N")


def _app_commands(commands: Any) -> None:
    _command(commands, "apps", "status:apps", "all apps")
    made = _command(commands, "logs", "apps:logs", "what an app writes")
    _app_argument(made)
    made.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    made.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="how many lines (default: 100)")
    made = _command(commands, "build-logs", "apps:build_logs", "the log of a deployment")
    _app_argument(made)
    made.add_argument("deployment", nargs="?", metavar="DEPLOYMENT", help="its id (default: the newest)")
    made.add_argument("-f", "--follow", action="store_true", help="go on to its end")
    _variables(commands)
    made = _command(commands, "domains", "apps:domains", "list, add or remove domains of an app")
    _app_argument(made)
    made.add_argument("action", nargs="?", choices=("add", "remove"))
    made.add_argument("domain", nargs="?", metavar="DOMAIN")
    _waiting(made)
    for name, help in (
        ("stop", "stop an app"),
        ("start", "start a stopped app"),
        ("delete", "put an app into the trash"),
    ):
        made = _command(commands, name, f"apps:{name}", help)
        _app_argument(made)
        _waiting(made)
        if name == "delete":
            made.add_argument("--yes", action="store_true", help="without asking")
    _command(commands, "trash", "apps:trash", "deleted apps that can be restored")
    made = _command(commands, "restore", "apps:restore", "bring a deleted app back")
    _app_argument(made)
    _waiting(made)
    made = _command(commands, "open", "status:open_app", "an app, or the dashboard, in the browser")
    _app_argument(made, nargs="?")


def _variables(commands: Any) -> None:
    made = _command(commands, "env", "variables:exports", "exports for the shell; variables of apps")
    made.add_argument("--shell", choices=("posix", "fish", "powershell"), default="posix")
    inner = made.add_subparsers(metavar="list|set|unset|import", parser_class=_Parser)
    made = _command(inner, "list", "variables:show", "the variables of an app")
    _app_argument(made)
    for name, answer, help in (
        ("set", "change", "set variables"), ("unset", "unset", "remove variables"),
        ("import", "import_file", "set all variables of a .env file"),
    ):  # fmt: skip
        made = _command(inner, name, f"variables:{answer}", help)
        _app_argument(made)
        if name == "set":
            text = "NAME=VALUE, or NAME alone: its value is asked for, or read from standard input"
            made.add_argument("assignments", nargs="+", metavar="NAME[=VALUE]", help=text)
        elif name == "unset":
            made.add_argument("names", nargs="+", metavar="NAME")
        else:
            made.add_argument(
                "file", nargs="?", default=".env", metavar="FILE", help="default: .env; - is standard input"
            )
        if name != "unset":
            made.add_argument("--secret", action="store_true", help="nobody reads their values again")
        made.add_argument("--redeploy", action="store_true", help="deploy with them now")
        _waiting(made)


def _people_commands(commands: Any) -> None:
    made = _command(commands, "agents", "people:agents", "all agent tokens (takes the admin token)")
    made.add_argument("--revoke", metavar="ID", help="end one")
    made = _command(commands, "audit", "people:audit", "what was done; without the admin token: by this token")
    made.add_argument("-n", "--limit", type=int, default=50, metavar="N")
    made.add_argument("--action", help="such as app:deploy")
    made.add_argument("--outcome", choices=("success", "failure", "denied", "pending", "intent"))
    made = _command(commands, "approve", "people:approve", "say yes to a call that waits (takes the admin token)")
    made.add_argument("id", nargs="?", metavar="ID", help="without it: show what waits")
    made = _command(commands, "deny", "people:deny", "say no to a call that waits (takes the admin token)")
    made.add_argument("id", metavar="ID")
    made.add_argument("--reason", default="", help="for the agent to read")


def _other_commands(commands: Any) -> None:
    made = _command(commands, "setup", "setup:setup", "let editors deploy: write their MCP configuration")
    made.add_argument(
        "--only", action="append", metavar="EDITOR", help="claude, cursor, codex, vscode, …; may be repeated"
    )
    made.add_argument("--scope", choices=("user", "project"), default="user", help="for you, or for this directory")
    made.add_argument("--dry-run", action="store_true", help="show what would change")
    made.add_argument("--remove", action="store_true", help="take it out again")
    _command(commands, "doctor", "doctor:doctor", "check the connection and what the editors start")
    _command(commands, "mcp", "bridge:serve", "the MCP server that editors start")
    made = _command(commands, "completion", "completion:completion", "completion for your shell")
    made.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    _command(commands, "version", "status:version", "the version of this program")
    commands.add_parser("help", help="help, also: paas help COMMAND", add_help=False)
