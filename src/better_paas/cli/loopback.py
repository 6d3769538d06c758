"""The browser's way back: a server on 127.0.0.1 that takes one answer, and only the right one (RFC 8252)."""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from better_paas.cli.errors import NOT_CONNECTED, CliError

PATH = "/callback"
_PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<style>:root{{color-scheme:light dark}}
body{{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh}}
main{{max-width:26rem;text-align:center}}</style><main><h1>{title}</h1><p>{text}</p></main>"""


@dataclass(frozen=True)
class Answer:
    """code, or why there is none."""

    code: str
    error: str


class Loopback:
    """issuer: whose answer is taken, and nobody else's."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self.state = secrets.token_urlsafe(32)
        self.verifier = secrets.token_urlsafe(64)
        self._answer: Answer | None = None
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.redirect = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def question(self, dashboard: str, name: str, profile: str = "") -> str:
        """The address of the page that asks the person."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        fields = {
            "client_id": "paas-cli",
            "redirect_uri": self.redirect,
            "response_type": "code",
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "name": name,
            **({"profile": profile} if profile else {}),
        }
        return f"{dashboard}/connect/agent?{urlencode(fields)}"

    def wait(self, seconds: float) -> str:
        """The code. Errors: CliError when the time is over or the person said no."""
        deadline = time.monotonic() + seconds
        try:
            while self._answer is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CliError(
                        "timed out waiting for browser authorization",
                        "Run paas connect again. Without a browser here: paas connect URL --device",
                        NOT_CONNECTED,
                    )
                self._server.timeout = min(left, 1.0)
                self._server.handle_request()
        finally:
            self.close()
        if self._answer.error == "access_denied":
            raise CliError("the sign-in was refused in the browser", "", NOT_CONNECTED)
        if self._answer.error:
            hint = "The API may see itself under another address: does the proxy pass on Host and X-Forwarded-Proto?"
            raise CliError(f"the sign-in failed: {self._answer.error}", hint, NOT_CONNECTED)
        return self._answer.code

    def close(self) -> None:
        self._server.server_close()

    def take(self, method: str, path: str, host: str) -> tuple[int, str, str]:
        """What a request gets: (status, title, text). Others than the one that we wait for change nothing."""
        parts = urlsplit(path)
        if method != "GET" or parts.path != PATH:
            return 404, "Nothing here", "This is the sign-in of the paas command."
        if host != urlsplit(self.redirect).netloc:
            return 403, "Refused", "This address was reached under another name."
        fields = parse_qs(parts.query)
        single = {name: values[0] for name, values in fields.items() if len(values) == 1}
        if self._answer is not None or not hmac.compare_digest(single.get("state", "").encode(), self.state.encode()):
            return 400, "Refused", "This answer does not belong to the sign-in that is under way."
        if single.get("iss") != self._issuer:
            self._answer = Answer("", "the answer came from another server")
        elif error := single.get("error"):
            self._answer = Answer("", error[:100])
        elif code := single.get("code"):
            self._answer = Answer(code, "")
        else:
            return 400, "Refused", "There is no code in this answer."
        if self._answer.error:
            return 200, "Not connected", "The terminal says why. You can close this page."
        return 200, "Connected", "You can close this page and go back to the terminal."

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5
            server_version, sys_version = "paas", ""

            def log_message(self, *arguments: Any) -> None: ...

            def do_GET(self) -> None:
                self._reply("GET")

            def do_POST(self) -> None:
                self._reply("POST")

            def _reply(self, method: str) -> None:
                status, title, text = outer.take(method, self.path, self.headers.get("Host", ""))
                body = _PAGE.format(title=title, text=text).encode()
                self.send_response(status)
                for name, value in (
                    ("Content-Type", "text/html; charset=utf-8"),
                    ("Content-Length", str(len(body))),
                    ("Cache-Control", "no-store"),
                    ("Referrer-Policy", "no-referrer"),
                    (
                        "Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
                    ),
                    ("X-Content-Type-Options", "nosniff"),
                    ("Connection", "close"),
                ):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        return Handler
