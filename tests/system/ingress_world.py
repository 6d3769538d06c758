"""A real Caddy with an `Ingress` beside it, without the rest of the product."""

import asyncio
import contextlib
import http.client
import os
import shutil
import signal
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from better_paas.domains.ingress import Ingress
from better_paas.domains.render import IngressSettings, Name, Site
from better_paas.domains.unserved import UnservedNames
from tests.system.servers import free_port


class _Backend(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """Whoever asked has gone."""


class World:
    """Its sites can be changed at will: what is in `sites` is what the state would say."""

    def __init__(self, **settings) -> None:
        # A socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ingress-"))
        self.settings = IngressSettings(
            self.folder / "caddy", self.folder / "routes", **{
                "address": "127.0.0.1", "http_port": free_port(), "https_port": free_port(), "acme_email": None,
                "acme_directory": "https://127.0.0.1:9/directory", **settings,
            },
        )  # fmt: skip
        self.settings.folder.mkdir()
        self.sites: list[Site] = []
        self.certificates = ()
        self.told: list[str] = []
        self.unserved = UnservedNames(self.settings.folder / "unserved.json")
        self.ingress = self.new_ingress()
        self.backends: list[ThreadingHTTPServer] = []

    def new_ingress(self) -> Ingress:
        async def sites() -> list[Site]:
            return list(self.sites)

        return Ingress(self.settings, sites, lambda: self.certificates, self.unserved, self.told.append)

    def app(self, app_id: str, *names: Name | str, port: int = 0, **fields) -> Site:
        """A site whose app answers with its id, or listens at `port`, from now on among the sites."""
        site = Site(
            app_id,
            tuple(Name(name) if isinstance(name, str) else name for name in names),
            **{"project_id": app_id, **fields},
        )
        self.sites.append(site)
        self.ingress.point(app_id, port or self._backend(app_id))
        return site

    def _backend(self, text: str) -> int:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments): ...

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_GET

        server = _Backend(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.backends.append(server)
        return server.server_port

    def ask(self, host: str, path: str = "/", headers: dict[str, str] | None = None) -> tuple[int, str, dict[str, str]]:
        """(status, body, headers) as a visitor gets them over HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.http_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace"), dict(answer.getheaders())

    @property
    def pid(self) -> int:
        return int((self.settings.folder / "caddy.pid").read_text())

    def reasons(self) -> dict[str, str]:
        return {entry.name: entry.reason.value for entry in self.unserved.all()}

    async def close(self) -> None:
        await self.ingress.detach()
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for server in self.backends:
            await asyncio.to_thread(server.shutdown)
            server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)


async def until(condition, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)
