"""The server as a process: settings, log, banner, and the HTTP server until it is told to stop."""

import asyncio
import os
import sys

import uvicorn

import better_paas
from better_paas.app import create_app
from better_paas.bootstrap import Platform
from better_paas.errors import StartRefused
from better_paas.kit.logging import configure
from better_paas.settings import Settings, load_or_exit
from better_paas.tokens.admin import FILE_NAME


def run() -> None:
    """Run the server in the foreground. Exit code 1 if it must not start, 2 for a wrong setting."""
    settings = load_or_exit()
    os.umask(0o077)
    configure(form=settings.log_format, level=settings.log_level)
    platform = Platform(settings)
    try:
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
        ws="websockets-sansio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        ws_max_size=65536,
    )
    # A log file is no place for it: there the banner names the file.
    shows = settings.show_admin_token_on_startup or (first_run and sys.stderr.isatty())
    _banner(settings, platform.admin_token.value() if shows else None)
    uvicorn.Server(config).run()


def _banner(settings: Settings, shown_token: str | None) -> None:
    host, port = settings.listen
    shown_host = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1") else host
    lines = [f"Better-PaaS {better_paas.__version__}", f"Dashboard    http://{shown_host}:{port}"]
    if shown_token:
        lines += [f"Admin token  {shown_token}", "             Shown this once; 'better-paas token' shows it again."]
    else:
        lines.append(f"Admin token  in {settings.data_dir}/{FILE_NAME}; 'better-paas token' shows it")
    lines.append(f"Data         {settings.data_dir}")
    sys.stderr.write("\n" + "\n".join(f"  {line}" for line in lines) + "\n\n")
    sys.stderr.flush()
