"""Procfiles: `name: command` lines, as Heroku defined them."""

import re
from collections.abc import Collection
from dataclasses import replace

from better_paas.builders.files import Files
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MOST_PROCESSES = 10
_WEB, _RELEASE = "web", "release"
# What the Procfile itself and the runtime call their own: the main process, and a command that is run once.
_RESERVED = (_WEB, _RELEASE, "main", "once")


def commands(files: Files) -> dict[str, str]:
    """All processes by name, in their order."""
    lines = (_LINE.match(line.strip()) for line in (files.read("Procfile") or "").splitlines())
    return {match[1]: match[2].strip() for match in lines if match}


def main_command(files: Files) -> str:
    """The command of the `web` process; of the first one where none serves; "" without a Procfile."""
    found = commands(files)
    others = [command for name, command in found.items() if name != _RELEASE]
    return found.get(_WEB) or (others[0] if others else "")


def start(files: Files, overrides: Overrides, found: str) -> str:
    """The main process's command: what the owner wants, else the Procfile, else what was found in the source."""
    return overrides.start_command or main_command(files) or found


def check_names(processes: Collection[str]) -> None:
    """Of the processes beside the main one. Errors: NoPlan."""
    for name in processes:
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise NoPlan(
                "a process can't have this name: use a-z, 0-9 and '-', such as worker",
                "Change it in the Procfile, or where else the process is named.",
                name,
            )
    if len(processes) > _MOST_PROCESSES:
        raise NoPlan(
            f"at most {_MOST_PROCESSES} processes", "Further processes can be apps of their own in the same project."
        )


def beside(files: Files) -> dict[str, str]:
    """The commands of the processes beside the main one, by name."""
    found = commands(files)
    main = _WEB if _WEB in found else next((name for name in found if name != _RELEASE), _WEB)
    return {name: command for name, command in found.items() if name not in (main, _RELEASE)}


def with_processes(plan: BuildPlan, files: Files, overrides: Overrides) -> BuildPlan:
    """The plan with what the Procfile and the app's owner want beside the main process. Errors: NoPlan."""
    found = commands(files)
    is_worker = overrides.kind == "worker" or (
        not overrides.kind and bool(main_command(files)) and _WEB not in found and not overrides.start_command
    )
    wanted = {name: command for name, command in {**beside(files), **overrides.processes}.items() if command}
    check_names(wanted)
    return replace(
        plan,
        port=0 if is_worker else overrides.port or plan.port,
        processes=wanted,
        release=overrides.release_command or found.get(_RELEASE, "") or plan.release,
    )
