"""`better-paas adopt` and `better-paas forget`: what runs on this server and is not in the state."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from better_paas.apps.adoption import Unknown
from better_paas.bootstrap import Platform
from better_paas.commands.local import fail
from better_paas.errors import PaasError, StartRefused
from better_paas.runtime.protocol import ReleaseSpec, RuntimeFailed
from better_paas.settings import load_or_exit

Specs = dict[str, ReleaseSpec | None]


def adopt() -> None:
    """Take what runs and is not in the state into it, while no server runs.

    What is written on the containers comes back: apps with their names, projects, variables, volumes, limits and
    commands. What is written nowhere else does not: repositories and deploy tokens, domains, histories, agent tokens.
    """

    async def work(platform: Platform) -> None:
        found, specs = await _look(platform)
        known = [spec for spec in specs.values() if spec is not None]
        for app in await platform.adoption.adopt(known):
            source = "" if app.git_repo else "; set its repository before the next deployment, and its domains"
            print(f"{app.name} is taken in{source}")
        for deployment_id in specs.keys() - {spec.deployment_id for spec in known}:
            print(f"release {deployment_id} can't be taken in: too little is known of it")
        if left := found.routes - {spec.app_id for spec in known}:
            print(f"{len(left)} routes lead to nothing that runs: 'better-paas forget' removes them")
        print("Start the server.")

    _run(work)


def forget(yes: bool) -> None:
    """Show what runs or has a route and is not in the state, and remove it, while no server runs. Volumes stay."""

    async def work(platform: Platform) -> None:
        found, specs = await _look(platform)
        if not yes:
            if not sys.stdin.isatty():
                fail("nothing was removed", "Run it with --yes to remove all of this.")
            answer = await asyncio.to_thread(input, "Remove all of this? Volumes stay. [y/N] ")
            if answer.strip().lower() not in ("y", "yes"):
                fail("nothing was removed")
        await platform.adoption.forget(found, specs)
        print("It is removed. Start the server.")

    _run(work)


async def _look(platform: Platform) -> tuple[Unknown, Specs]:
    """What is unknown, which is also printed. Ends the command if nothing is."""
    found = await platform.adoption.unknown(await platform.runtime.states())
    specs = await platform.adoption.describe(found)
    if not found.problem:
        print("The state knows all that runs here.")
        raise SystemExit(0)
    for deployment_id, state in sorted(found.releases.items()):
        spec, runs = specs[deployment_id], "runs" if state.running else "does not run"
        name = f"app {spec.app_name}, project {spec.project_id}, " if spec is not None else ""
        print(f"release {deployment_id}: {name}{runs}")
    for app_id in sorted(found.routes):
        print(f"route of app {app_id}")
    return found, specs


def _run(work: Callable[[Platform], Awaitable[None]]) -> None:
    async def opened() -> None:
        platform = Platform(load_or_exit())
        await platform.open(with_unknown=True)
        try:
            await work(platform)
        finally:
            await platform.stop()

    try:
        asyncio.run(opened())
    except (StartRefused, RuntimeFailed) as error:
        fail(str(error), error.hint)
    except PaasError as error:
        fail(error.error, error.hint or "")
