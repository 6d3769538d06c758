"""`paas setup`: adds our MCP server to editors' configuration, and takes it out again without a trace."""

import argparse
import difflib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table

from better_paas.cli import config, jsonc, output
from better_paas.cli.editors import EDITORS, SERVER, Editor, command
from better_paas.cli.errors import USAGE, CliError
from better_paas.kit.files import write_atomically

_LARGEST = 32 * 2**20


@dataclass(frozen=True)
class Change:
    """One file. old: None if it is not there. new: None if it goes. problem: why it is left alone."""

    editor: Editor
    path: Path
    old: str | None
    new: str | None
    problem: str = ""


def setup(options: argparse.Namespace) -> int:
    """Write, remove, or only show the entries."""
    if not options.remove and not options.dry_run:
        config.current(options.instance)  # without a connection the entry would do nothing
    root = Path.cwd() if options.scope == "project" else None
    changes = [change for editor in _chosen(options) for change in _changes(editor, root, options)]
    if options.json:
        output.as_json(
            [
                {
                    "editor": change.editor.key,
                    "path": str(change.path),
                    "result": _word(change),
                    "problem": change.problem or None,
                }
                for change in changes
            ]
        )
    for change in changes:
        if change.problem:
            output.tell(f"✗ {change.editor.name}: {change.path} is left alone: {change.problem}")
            continue
        if options.dry_run:
            if not options.json:
                _show(change)
        elif change.new != change.old:
            _apply(change, options.remove)
        if not options.json and not options.dry_run:
            output.say(f"✓ {change.editor.name}: {change.path} ({_word(change)})")
    if (
        not options.json
        and not options.dry_run
        and not options.remove
        and any(not change.problem for change in changes)
    ):
        output.say()
        output.say('Restart your editor, then ask it: "Which apps run on my server?"')
        output.say("If it does not work: paas doctor")
    return 1 if any(change.problem for change in changes) else 0


def _chosen(options: argparse.Namespace) -> list[Editor]:
    if options.only:
        known = {editor.key: editor for editor in EDITORS}
        unknown = [key for key in options.only if key not in known]
        if unknown:
            raise CliError(f"there is no editor '{unknown[0]}'", f"Editors: {', '.join(known)}.", USAGE)
        return [known[key] for key in options.only]
    found = [editor for editor in EDITORS if editor.installed or (options.scope == "project" and editor.project)]
    if options.scope == "project":
        found = [editor for editor in found if editor.project]
    if not found:
        names = ", ".join(editor.key for editor in EDITORS)
        raise CliError("no editor was found", f"Name one: paas setup --only cursor (there are {names}).")
    return found


def _changes(editor: Editor, root: Path | None, options: argparse.Namespace) -> list[Change]:
    if root is not None:
        if editor.project is None:
            return [Change(editor, root, None, None, "it has no configuration for projects")]
        paths = [root / editor.project]
    else:
        paths = [place() for place in editor.user]
    entry = editor.shape(command(options.instance, shared=root is not None))
    return [_change(editor, path, None if options.remove else entry, root) for path in paths]


def _change(editor: Editor, path: Path, entry: dict[str, Any] | None, root: Path | None) -> Change:
    """What would become of one file. entry: None takes ours out. root: the directory that it must not lead out of."""
    old = None
    if root is not None and not path.resolve().is_relative_to(root.resolve()):
        return Change(editor, path, None, None, "it is a link that leads out of this directory")
    try:
        old = read(path)
        if entry is None:
            return Change(editor, path, old, _without(editor, path, old))
        return Change(editor, path, old, _with(editor, path, old or "", entry))
    except (jsonc.NotJson, TOMLKitError, UnicodeDecodeError, OSError, TypeError, ValueError) as error:
        return Change(editor, path, old, old, str(error) or type(error).__name__)


def read(path: Path) -> str | None:
    """The file's text, or None. Errors: OSError, ValueError."""
    if not path.exists():
        return None
    if path.stat().st_size > _LARGEST:
        raise ValueError("it is too large")
    # Line ends stay as they are.
    return path.read_bytes().decode("utf-8")


def entry_of(editor: Editor, path: Path) -> dict[str, Any] | None:
    """Our entry in a file. Errors: as read, and those of the parsers."""
    text = read(path)
    if text is None:
        return None
    if path.suffix == ".toml":
        found: Any = tomlkit.parse(text).unwrap()
        for name in (*editor.at, SERVER):
            found = found.get(name) if isinstance(found, dict) else None
    else:
        found = jsonc.get(text, (*editor.at, SERVER)) if text.strip() else None
    return found if isinstance(found, dict) else None


def _with(editor: Editor, path: Path, text: str, entry: dict[str, Any]) -> str:
    if path.suffix != ".toml":
        return jsonc.put(text, (*editor.at, SERVER), entry)
    document = tomlkit.parse(text)
    servers = document.get(editor.at[0])
    if servers is not None and servers.get(SERVER) == entry:
        return text
    if servers is None:
        servers = document[editor.at[0]] = tomlkit.table(is_super_table=True)
    inside_line = isinstance(servers, InlineTable)
    table: InlineTable | Table = tomlkit.inline_table() if inside_line else tomlkit.table()
    for name, value in entry.items():
        table.add(name, value)
    servers[SERVER] = table
    return tomlkit.dumps(document)


def _without(editor: Editor, path: Path, text: str | None) -> str | None:
    """What stood there before, if nobody has changed the file since; else the file without our entry."""
    if text is None:
        return None
    record = _records().get(str(path))
    if record and record["written"] == _digest(text):
        backup = record["backup"]
        return read(Path(backup)) if backup else None
    if path.suffix != ".toml":
        return jsonc.drop(text, (*editor.at, SERVER)) if text.strip() else text
    document = tomlkit.parse(text)
    servers = document.get(editor.at[0])
    if servers is None or SERVER not in servers:
        return text
    del servers[SERVER]
    return tomlkit.dumps(document)


def _apply(change: Change, removes: bool) -> None:
    """Write one file as a whole, with a backup of what was there."""
    records = _records()
    path = change.path
    if removes:
        record = records.pop(str(path), None)
        if change.new is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, change.new)
        if record and record["backup"]:
            Path(record["backup"]).unlink(missing_ok=True)
    else:
        assert change.new is not None
        earlier = records.get(str(path))
        if earlier is None or earlier["written"] != _digest(change.old or ""):
            backup = _backup_of(path) if change.old is not None else None
            if backup is not None and change.old is not None:
                backup.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomically(backup, change.old)
            records[str(path)] = {"written": "", "backup": str(backup) if backup else None}
        _write(path, change.new)
        records[str(path)]["written"] = _digest(change.new)
    _keep_records(records)


def _write(path: Path, text: str, new_mode: int = 0o600) -> None:
    """Through a link to where it leads, with the mode that the file had."""
    real = path.resolve()
    mode = real.stat().st_mode & 0o777 if real.exists() else new_mode
    real.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(real, text, mode)


def _records() -> dict[str, Any]:
    """What we wrote where: digest and backup, by path."""
    try:
        found = json.loads(_records_path().read_text())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _keep_records(records: dict[str, Any]) -> None:
    place = _records_path()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(place, json.dumps(records, indent=2) + "\n")


def _records_path() -> Path:
    return config.path().with_name("setup.json")


def _backup_of(path: Path) -> Path:
    """With our own files: a place that nobody else can have prepared."""
    return config.path().with_name("backups") / f"{_digest(str(path))[:16]}-{path.name}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _word(change: Change) -> str:
    if change.problem:
        return "left alone"
    if change.new == change.old:
        return "nothing to change"
    return "removed" if change.new is None else "added" if change.old is None else "changed"


def _show(change: Change) -> None:
    """The change as a diff without the lines around it: they may hold other servers' tokens."""
    old, new = (change.old or "").splitlines(), (change.new or "").splitlines()
    lines = list(difflib.unified_diff(old, new, str(change.path), str(change.path), lineterm="", n=0))
    output.say("\n".join(lines) if lines else f"{change.path}: nothing to change")
