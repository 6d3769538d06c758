"""Procfiles: `name: command` lines, as Heroku defined them."""

import re
from collections.abc import Collection
from dataclasses import replace

from better_paas.builders.files import Files, exists
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides
from better_paas.kit.quoted import quote

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MOST_PROCESSES = 10
_WEB, _RELEASE = "web", "release"
# What the Procfile itself and the runtime call their own: the main process, and a command that is run once.
_RESERVED = (_WEB, _RELEASE, "main", "once")
# By language: programs that builds of other hosts leave, or that run the source, where ours leaves a program alone.
_SEVERAL = re.compile(r"[;&|<>()`]")
_THEIRS = {
    "go": re.compile(r"(?<![\w./-])(?>\./|/app/)?+(bin/[\w.-]++)"),
    "rust": re.compile(r"(?<![\w./-])(?>\./|/app/)?+(target/release/[\w-]++)"),
    "dotnet": re.compile(r"(?<![\w.-])(bin/publish|heroku_output)(?![\w.-])"),
    "elixir": re.compile(r"(?<![\w./-])(mix|(?>\./|/app/)?+_build/\w++/rel/[\w/]++)(?=\s)"),
}
# The one program that builds of these leave, which takes the arguments of theirs.
BINARY = "/app/bin/app"
_WITH_ARGUMENTS = ("go", "rust")


def commands(files: Files) -> dict[str, str]:
    """All processes by name, in their order."""
    lines = (_LINE.match(line.strip()) for line in (files.read("Procfile") or "").splitlines())
    return {match[1]: match[2].strip() for match in lines if match}


def main_command(files: Files) -> str:
    """The command of the `web` process; of the first one where none serves; "" without a Procfile."""
    found = commands(files)
    others = [command for name, command in found.items() if name != _RELEASE]
    return found.get(_WEB) or (others[0] if others else "")


def start(files: Files, overrides: Overrides, found: str, runtime: str = "") -> str:
    """The main process's command: what the owner wants, else the Procfile, else what was found in the source.

    runtime: the language, where Procfiles name programs that our build has elsewhere: ours is run in their place.
    """
    if overrides.start_command or not program(files, overrides, runtime):
        return overrides.start_command or main_command(files) or found
    return _with_ours(main_command(files), runtime) or found


def program(files: Files, overrides: Overrides, runtime: str) -> str:
    """Of the main process, relative to the app, where it is one that our build does not leave; else ""."""
    return _theirs(main_command(files), files, overrides, runtime)


def sole_program(files: Files, overrides: Overrides, runtime: str) -> str:
    """The same; "" where the command has several programs: which of them serves is not known."""
    return "" if _SEVERAL.search(main_command(files)) else program(files, overrides, runtime)


def _theirs(command: str, files: Files, overrides: Overrides, runtime: str) -> str:
    # Whoever writes how to build says what that leaves.
    found = _THEIRS[runtime].search(command) if runtime in _THEIRS and not overrides.build_command else None
    is_ours = found is None or found[0] == BINARY or exists(files, found[1])
    return "" if found is None or is_ours else found[1]


def _with_ours(command: str, runtime: str) -> str:
    """With our program and its arguments; "" where it is more than one command, or the program takes others."""
    is_one = runtime in _WITH_ARGUMENTS and not _SEVERAL.search(command)
    return _THEIRS[runtime].sub(BINARY, command, count=1) if is_one else ""


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
    said, notes = _others(plan, files, overrides)
    release = said.pop(_RELEASE, "")
    wanted = {name: command for name, command in {**said, **overrides.processes}.items() if command}
    check_names(wanted)
    return replace(
        plan,
        port=0 if is_worker else overrides.port or plan.port,
        processes=wanted,
        release=overrides.release_command or release or plan.release,
        notes=(*plan.notes, *notes),
    )


def _others(plan: BuildPlan, files: Files, overrides: Overrides) -> tuple[dict[str, str], list[str]]:
    """(the commands beside the main one, with our programs in place of others, notes on those and on the main one)."""
    release = commands(files).get(_RELEASE, "")
    said = {**beside(files), **({_RELEASE: release} if release else {})}
    main = program(files, overrides, plan.runtime)
    notes = []
    if main and not overrides.start_command:
        notes.append(f"“{quote(main_command(files))}” of the Procfile is for another build: “{plan.start}” is run.")
    for name, command in said.items():
        is_own = overrides.release_command if name == _RELEASE else name in overrides.processes
        theirs = "" if is_own else _theirs(command, files, overrides, plan.runtime)
        if theirs and theirs == main and (ours := _with_ours(command, plan.runtime)):
            said[name] = ours
        elif theirs:
            notes.append(f"“{quote(theirs)}”, which “{name}” of the Procfile starts, is not in the image.")
    return said, notes
