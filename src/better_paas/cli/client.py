"""Calls of the API over the standard library's HTTP: it starts four times faster than a client library."""

import contextlib
import http.client
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import better_paas
from better_paas.cli.errors import NEEDS_APPROVAL, UNREACHABLE, USAGE, ApiError, CliError
from better_paas.cli.patience import Patience

_SECONDS = 60.0
_LARGEST = 64 * 2**20
_CHUNK = 256 * 1024

Progress = Callable[[int, int], None]


class NeedsApproval(CliError):
    """A person has to say yes first. answer: what the server said."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(
            f"A person has to approve this: {answer['summary']}",
            f"Decide here: {answer['url']}\nThen run the same command again (until {answer['expiresAt'][11:16]} UTC).",
            NEEDS_APPROVAL,
        )
        self.answer, self.quoted = answer, str(answer.get("quoted") or "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is never sent anywhere but where it was meant for."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


class Api:
    """One server. token: empty for calls that need none. source: what the audit log calls us."""

    def __init__(self, url: str, token: str = "", source: str = "cli") -> None:
        if not all(" " < letter <= "~" for letter in token):
            raise CliError("this is no token", "It has characters that no token has.", USAGE)
        self.url, self._token, self._source = url.rstrip("/"), token, source
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        host = urllib.parse.urlsplit(self.url).hostname or ""
        if host in ("localhost", "::1") or host.startswith("127."):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    @property
    def is_agent(self) -> bool:
        """Whether the token is an agent's, and not the admin's."""
        return self._token.startswith("bpagt_")

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, query=query)

    def post(self, path: str, **fields: Any) -> Any:
        return self.call("POST", path, fields)

    def once(self, path: str, **fields: Any) -> Any:
        """A POST that is done once, though its answer may be lost: it is asked for again with the same key."""
        return _once(lambda key: self.call("POST", path, fields, headers=key))

    def call(
        self,
        method: str,
        path: str,
        fields: Any = None,
        query: dict[str, Any] | None = None,
        seconds: float = _SECONDS,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The answer as JSON. Errors: ApiError, NeedsApproval, CliError if the server can't be reached."""
        body = None if method == "GET" else json.dumps(fields or {}).encode()
        with self.open(method, path, body, "application/json", query, seconds, headers) as response:
            return _answer(response)

    def upload(self, path: str, config: dict[str, Any], archive: Path, progress: Progress) -> Any:
        """Send `config` and a file as a form, as `once` does; progress is told (sent, all) bytes."""
        boundary = "paas-" + os.urandom(16).hex()
        before = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="config"\r\n\r\n{json.dumps(config)}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="archive"; filename="source.tar.gz"\r\n'
            "Content-Type: application/gzip\r\n\r\n"
        ).encode()
        after = f"\r\n--{boundary}--\r\n".encode()
        size = archive.stat().st_size

        def parts() -> Iterator[bytes]:
            yield before
            sent = 0
            with archive.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
                    sent += len(chunk)
                    progress(sent, size)
            yield after

        length = {"Content-Length": str(len(before) + size + len(after))}
        kind = f"multipart/form-data; boundary={boundary}"

        def send(key: dict[str, str]) -> Any:
            with self.open("POST", path, parts(), kind, None, 600, {**length, **key}) as response:
                return _answer(response)

        return _once(send)

    def events(self, path: str, last_id: str = "", **query: Any) -> Iterator[tuple[str, str, Any]]:
        """Server-sent events: (id, name, data)."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with self.open("GET", path, None, "", query, _SECONDS, headers) as response:
            fields: dict[str, str] = {}
            for raw in response:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "data" in fields:
                    yield fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"])
                    fields = {}

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        path: str,
        body: Any,
        kind: str,
        query: dict[str, Any] | None = None,
        seconds: float = _SECONDS,
        headers: dict[str, str] | None = None,
    ) -> Iterator[Any]:
        address = self.url + path
        wanted = {name: str(value) for name, value in (query or {}).items() if value is not None}
        if wanted:
            address += "?" + urllib.parse.urlencode(wanted)
        request = urllib.request.Request(address, body, method=method)  # noqa: S310  -- only http(s), see discovery
        request.add_header("User-Agent", f"paas/{better_paas.__version__}")
        request.add_header("X-Better-PaaS-Client", self._source)
        if kind:
            request.add_header("Content-Type", kind)
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with self._opener.open(request, timeout=seconds) as response:
                yield response
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, _json(error)) from None
        except (urllib.error.URLError, OSError, http.client.HTTPException, ssl.SSLError) as error:
            raise CliError(
                f"could not reach PaaS at {self.url}: {_reason(error)}",
                "Does the address open in a browser? Is the server up?",
                UNREACHABLE,
            ) from error


def _once(send: Callable[[dict[str, str]], Any]) -> Any:
    """The answer to a call that gets the same key when it is asked for again. Errors: those of `send`."""
    key, patience = {"Idempotency-Key": os.urandom(16).hex()}, Patience()
    while True:
        try:
            return send(key)
        except CliError as error:
            patience.wait(error)


def _answer(response: Any) -> Any:
    found = _json(response)
    if response.status == 202 and isinstance(found, dict) and found.get("status") == "approval_required":
        raise NeedsApproval(found)
    return found


def _json(response: IO[bytes]) -> Any:
    body = response.read(_LARGEST)
    try:
        return json.loads(body)
    except ValueError:
        return {"error": "the server's answer is no JSON", "hint": "Is this the address of a Better-PaaS server?"}


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason)
