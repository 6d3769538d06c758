"""A real proxy that ends TLS in front of the product, and the redirect to HTTPS without one."""

import contextlib
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.system.apps import MIRROR
from tests.system.servers import PaasServer, app_ports, free_port, wait_until

pytestmark = pytest.mark.engine
_CADDY = Path(sys.executable).with_name("caddy")


class FrontProxy:
    """A Caddy of its own with a certificate of its own: apps below `apps.test`, the API at `paas.test`."""

    def __init__(self, folder: Path, paas: PaasServer) -> None:
        self.port, self.folder = free_port(), folder
        folder.mkdir()
        config = {
            "admin": {"disabled": True},
            "storage": {"module": "file_system", "root": str(folder / "storage")},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {
                "http": {
                    "servers": {
                        "front": {
                            "listen": [f"127.0.0.1:{self.port}"],
                            "routes": [_to("paas.test", paas.api_port), _to("*.apps.test", paas.http_port)],
                            "tls_connection_policies": [{}],
                            "automatic_https": {"disable_redirects": True},
                        }
                    }
                },
                "tls": {
                    "automation": {
                        "policies": [
                            {
                                "subjects": ["paas.test", "*.apps.test"],
                                "issuers": [{"module": "internal", "ca": "local"}],
                            }
                        ]
                    }
                },
                "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
            },
        }
        (folder / "front.json").write_text(json.dumps(config))
        self._log = (folder / "front.log").open("ab")
        self._process = subprocess.Popen(
            [_CADDY, "run", "--config", folder / "front.json"],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "HOME": str(folder)},
        )
        self.authority = folder / "storage" / "pki" / "authorities" / "local" / "root.crt"
        try:
            wait_until(self._answers, 20)
        except BaseException:
            self.close()
            raise

    def _answers(self) -> bool:
        with contextlib.suppress(httpx2.HTTPError, OSError):
            return self.ask("paas.test", "/api/health").status_code == 200
        return False

    def ask(self, host: str, path: str, client: str = "127.0.0.1", **headers: str) -> httpx2.Response:
        """A visitor at `client` asks `host` by HTTPS."""
        context = ssl.create_default_context(cafile=str(self.authority))
        transport = httpx2.HTTPTransport(verify=context, local_address=client)
        with httpx2.Client(transport=transport, timeout=30) as session:
            return session.get(
                f"https://127.0.0.1:{self.port}{path}",
                headers={"Host": host, **headers},
                extensions={"sni_hostname": host},
            )

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def _to(host: str, port: int) -> dict:
    proxy = {"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{port}"}]}
    return {"match": [{"host": [host]}], "handle": [proxy], "terminal": True}


def test_behind_a_proxy_that_ends_tls(tmp_path, git):
    paas = PaasServer(
        tmp_path / "data",
        APP_PORTS=app_ports(23100),
        APPS_DOMAIN="apps.test",
        INGRESS_TLS="external",
        TRUST_PROXY="true",
    )
    paas.start()
    try:
        app = paas.live("behind", git.repository("mirror.git", MIRROR).url)
        assert app["url"] == "https://behind.apps.test"
        front = FrontProxy(tmp_path / "front", paas)
        try:
            seen = front.ask("behind.apps.test", "/", client="127.0.0.7").json()["headers"]
            assert seen["X-Forwarded-Proto"] == "https"
            assert seen["X-Forwarded-For"].split(",")[0] == "127.0.0.7"
            assert seen["Host"] == "behind.apps.test"
            assert front.ask("nobody.apps.test", "/").status_code == 404

            # A guesser is slowed down at the address that the proxy saw, whatever it claims to be; others are not.
            wrong = {"Authorization": "Bearer wrong", "X-Forwarded-For": "10.9.9.9"}
            answers = [front.ask("paas.test", "/api/apps", "127.0.0.8", **wrong).status_code for _ in range(8)]
            assert answers == [401] * 5 + [429] * 3
            assert front.ask("paas.test", "/api/apps", "127.0.0.9", **wrong).status_code == 401
            denied = [entry for entry in paas.get("/api/audit-logs", limit=50) if entry["outcome"] == "denied"]
            assert {entry["ipAddress"] for entry in denied} == {"127.0.0.8", "127.0.0.9"}
        finally:
            front.close()
    finally:
        paas.close()


def test_http_is_sent_on_to_https(tmp_path):
    paas = PaasServer(
        tmp_path / "data", APP_PORTS=app_ports(23200), APPS_DOMAIN="apps.example.com", ACME_EMAIL="me@apps.example.com"
    )
    paas.start()
    try:
        app = paas.live("secure")
        assert app["url"] == f"https://secure.apps.example.com:{paas.settings['HTTPS_PORT']}"
        answer = paas.visit("secure.apps.example.com", "/a/b?c=d")
        assert answer.status_code == 308
        assert answer.headers["Location"] == f"https://secure.apps.example.com:{paas.settings['HTTPS_PORT']}/a/b?c=d"
    finally:
        paas.close()
