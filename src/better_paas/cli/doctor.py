"""`paas doctor`: does the connection work, and does what the editors start work?"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from better_paas.cli import config, output
from better_paas.cli.client import Api
from better_paas.cli.editors import EDITORS
from better_paas.cli.errors import CliError
from better_paas.cli.setup import entry_of
from better_paas.kit.plain import one_line

_SECONDS = 20.0
_VERSION = "2025-11-25"


def doctor(options: argparse.Namespace) -> int:
    """Check the connection, then start each editor's entry as the editor would, and make a real call."""
    findings = [_connection(options)]
    for editor in EDITORS:
        own = [place() for place in editor.user]
        shared = [Path.cwd() / editor.project] if editor.project and Path.cwd() / editor.project not in own else []
        for path in [*own, *shared]:
            try:
                entry = entry_of(editor, path)
            except Exception as error:  # whatever a file holds, the others are checked too
                findings.append((False, f"{editor.name}: {path} can't be read: {error}", "Mend the file."))
                continue
            if entry is not None:
                findings.append(_try(f"{editor.name}: {path}", entry, trusted=path not in shared))
    if len(findings) == 1:
        findings.append((True, "no editor is set up", "paas setup does that."))
    if options.json:
        output.as_json([{"good": good, "what": what, "hint": hint} for good, what, hint in findings])
    for good, what, hint in findings if not options.json else ():
        output.say(f"{output.style('✓', 'green') if good else output.style('✗', 'red')} {what}")
        if hint:
            output.say(f"  {hint}")
    return 0 if all(good for good, _, _ in findings) else 1


def _connection(options: argparse.Namespace) -> tuple[bool, str, str]:
    try:
        instance = config.current(options.instance)
        own = Api(instance.url, instance.token).get("/api/agents/self")
        text = f"connected to {instance.url} as {one_line(own['name'])}, expires {output.until(own['expiresAt'])}"
        return True, text, ""
    except CliError as error:
        return False, str(error), error.hint


def _try(where: str, entry: dict[str, Any], *, trusted: bool) -> tuple[bool, str, str]:
    """trusted: a file of this user's own, and not of a directory that came from elsewhere."""
    command = entry.get("command")
    argv = list(map(str, command)) if isinstance(command, list) else [str(command), *map(str, entry.get("args") or [])]
    if not _is_ours(argv):
        return (
            False,
            f"{where}: another command stands there: {one_line(' '.join(argv))[:100]}",
            "Run paas setup again.",
        )
    environment = {**os.environ, **(_environment(entry) if trusted else {})}
    started = time.monotonic()
    try:
        tools, called = _talk(argv, environment)
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return False, f"{where}: {' '.join(argv)} does not work: {one_line(str(error))}", "Run paas setup again."
    seconds = time.monotonic() - started
    if not called:
        return False, f"{where}: {tools} tools, but a call of paas_status failed", "Run paas connect again."
    return True, f"{where}: {tools} tools, a call of paas_status worked ({seconds:.1f} s)", ""


def _is_ours(argv: list[str]) -> bool:
    """Whether this starts our own program: what a file of somebody else's says is never run."""
    found = shutil.which(argv[0])
    own = {Path(place).resolve() for place in (shutil.which("paas"), sys.argv[0]) if place}
    return found is not None and argv[1:2] == ["mcp"] and Path(found).resolve() in own


def _environment(entry: dict[str, Any]) -> dict[str, str]:
    found = entry.get("env") or entry.get("environment") or {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _talk(argv: list[str], environment: dict[str, str]) -> tuple[int, bool]:
    """(number of tools, whether a call worked)."""
    client = {"name": "paas doctor", "version": "1"}
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize",
         "params": {"protocolVersion": _VERSION, "capabilities": {}, "clientInfo": client}},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
        {"id": 3, "method": "tools/call", "params": {"name": "paas_status", "arguments": {}}},
    ]  # fmt: skip
    lines = "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages)
    done = subprocess.run(
        argv, input=lines, capture_output=True, text=True, env=environment, timeout=_SECONDS, check=False
    )
    answers = {answer.get("id"): answer for answer in map(json.loads, done.stdout.splitlines())}
    if 2 not in answers or "result" not in answers[2]:
        problem = answers.get(2, answers.get(1, {})).get("error", {}).get("message") or done.stderr.strip()[-200:]
        raise ValueError(problem or "it gave no list of tools")
    return len(answers[2]["result"]["tools"]), not answers.get(3, {}).get("result", {}).get("isError", True)
