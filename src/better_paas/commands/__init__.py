"""The server's own command, `better-paas`."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

import better_paas
from better_paas.access.admin import AdminToken
from better_paas.commands import approve, audit, keys, state
from better_paas.commands.doctor import doctor
from better_paas.settings import Settings, load_or_exit

app = App(
    name="better-paas",
    help="Run and look after a Better-PaaS server.",
    version=better_paas.__version__,
    result_action="return_value",
)
token = App(name="token", help="Show or replace the admin token.")
images = App(name="images", help="Base images for apps.")
app.command(token)
app.command(images)
app.command(keys.app)
app.command(audit.app)
app.command(state.app)
app.command(approve.approve)
app.command(approve.deny)
app.command(doctor)


@app.command
def adopt() -> None:
    """Take what runs here and is not in the state into it, while no server runs."""
    from better_paas.commands import unknown

    unknown.adopt()


@app.command
def forget(*, yes: Annotated[bool, Parameter(negative=(), help="Remove it without asking.")] = False) -> None:
    """Show what runs here and is not in the state, and remove it, while no server runs. Volumes stay."""
    from better_paas.commands import unknown

    unknown.forget(yes)


@app.command
def serve() -> None:
    """Run the server in the foreground."""
    from better_paas.server import run

    run()


@token.default
def show_token() -> None:
    """Show the admin token."""
    print(_admin_token(load_or_exit()).value())


@token.command(name="rotate")
def rotate_token() -> None:
    """Replace the admin token; the old one is refused from now on, also by a running server."""
    settings = load_or_exit()
    if settings.admin_token is not None:
        print("better-paas: ADMIN_TOKEN pins the token; change it there and restart.", file=sys.stderr)
        raise SystemExit(1)
    print(_admin_token(settings).rotate())


def _admin_token(settings: Settings) -> AdminToken:
    found = AdminToken(settings.data_dir, settings.admin_token)
    if settings.admin_token is None and not found.path.exists():
        print(
            f"better-paas: there is no token in {settings.data_dir}. Start the server once, or set "
            "BETTER_PAAS_DATA_DIR to the folder that it uses.",
            file=sys.stderr,
        )
        raise SystemExit(1)
    return found


@images.command
def bootstrap(
    *,
    node: Annotated[list[str] | None, Parameter(help="Majors of Node to make, such as 22.")] = None,
    if_needed: Annotated[bool, Parameter(negative=(), help="Do nothing where a registry can be reached.")] = False,
) -> None:
    """Make base images from Debian packages, for servers that reach no container registry. Needs root."""
    from better_paas.bootstrap import LOCKS, TEMPORARY, make_bases, prepare_data_dir
    from better_paas.builders.bases import NoBase, TrustSource
    from better_paas.builders.languages import LANGUAGES
    from better_paas.engine.client import Engine
    from better_paas.kit.locks import Locks
    from better_paas.kit.temporary import claimed

    settings = load_or_exit()
    data_dir = prepare_data_dir(settings.data_dir)

    async def work() -> None:
        engine, locks = Engine(settings.docker_host), Locks(data_dir / LOCKS)
        bases = make_bases(settings, engine, TrustSource(engine, settings.build_ca_file, locks), locks)
        try:
            if if_needed and await bases.registry_answers():
                print("A container registry answers: official base images are used.")
                return
            await bases.bootstrap(lambda line: print(line, flush=True), node or [LANGUAGES["node"].newest])
        finally:
            await engine.close()

    try:
        with claimed(data_dir / TEMPORARY):
            asyncio.run(work())
    except NoBase as error:
        print(f"better-paas: {error}\n{error.hint}", file=sys.stderr)
        raise SystemExit(1) from None


@app.command
def openapi() -> None:
    """Print the API's OpenAPI document."""
    from better_paas.app import create_app, openapi_document

    print(json.dumps(openapi_document(create_app(None)), indent=1, sort_keys=True))


@app.command
def stop_ingress() -> None:
    """Stop the ingress, which otherwise goes on serving apps when the server has stopped."""
    from better_paas.caddy.process import Caddy

    caddy = Caddy(Path(load_or_exit().data_dir) / "caddy", lambda _: None)
    pid = caddy.pid()
    if pid is None:
        print("The ingress does not run.")
        return
    try:
        is_caddy = Path(f"/proc/{pid}/comm").read_text().strip() == "caddy"
    except OSError:
        is_caddy = False
    if not is_caddy:
        print("The ingress does not run.")
        return
    os.kill(pid, signal.SIGTERM)
    print(f"The ingress (process {pid}) was told to stop.")
