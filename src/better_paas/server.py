"""The server as a process: settings, log, banner, and the HTTP server until it is told to stop."""

import asyncio
import contextlib
import ipaddress
import os
import sys

import uvicorn

import better_paas
from better_paas.access.admin import FILE_NAME
from better_paas.app import create_app
from better_paas.bootstrap import Platform
from better_paas.connections.gate import Gate
from better_paas.connections.limits import Limits, raise_descriptors
from better_paas.connections.protocols import WebSocketProtocol
from better_paas.connections.server import Server
from better_paas.domains.render import PRIVATE_NETWORKS
from better_paas.errors import StartRefused
from better_paas.kit.addresses import Networks
from better_paas.kit.logging import configure
from better_paas.settings import Settings, load_or_exit


def run(limits: Limits | None = None) -> None:
    """Run the server in the foreground. Exit code 1 if it must not start, 2 for a wrong setting.

    limits: others than the usual ones; tests bring their own.
    """
    settings = load_or_exit()
    os.umask(0o077)
    configure(form=settings.log_format, level=settings.log_level)
    limits = (limits or Limits()).within(raise_descriptors())
    try:
        platform = Platform(settings)
        asyncio.run(platform.open())
    except StartRefused as error:
        sys.stderr.write(f"better-paas: {error}\n{error.hint}\n")
        raise SystemExit(1) from None
    host, port = settings.listen
    # The token is made before the first request can come, so the banner can show it.
    first_run = platform.admin_token.ensure()
    config = uvicorn.Config(
        create_app(platform),
        host=host,
        port=port,
        http="httptools",
        ws=WebSocketProtocol,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=10,
        ws_max_size=65536,
    )
    # A log file is no place for it: there the banner names the file.
    shows = settings.show_admin_token_on_startup or (first_run and sys.stderr.isatty())
    _banner(settings, platform.admin_token.value() if shows else None)
    Server(config, Gate(limits, _crowds(settings))).run()


def _crowds(settings: Settings) -> Networks:
    """Where the addresses are behind which more than one visitor stands."""
    if settings.proxies is None:
        return ()
    return settings.proxies or tuple(map(ipaddress.ip_network, PRIVATE_NETWORKS))


def _banner(settings: Settings, shown_token: str | None) -> None:
    host, port = settings.listen
    shown_host = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1") else host
    lines = [f"Better-PaaS {better_paas.__version__}", f"Dashboard    http://{shown_host}:{port}"]
    if shown_token:
        lines += [f"Admin token  {shown_token}", "             Shown this once; 'better-paas token' shows it again."]
    else:
        lines.append(f"Admin token  in {settings.data_dir}/{FILE_NAME}; 'better-paas token' shows it")
    lines.append(f"Data         {settings.data_dir}")
    with contextlib.suppress(OSError):  # where it goes, the disk may be full
        sys.stderr.write("\n" + "\n".join(f"  {line}" for line in lines) + "\n\n")
        sys.stderr.flush()
