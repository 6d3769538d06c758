"""`paas mcp`: carries an editor's MCP messages to the server and back, with the stored credential.

Lines of JSON on standard input and output. The editor's configuration holds no token. Standard library alone.
"""

import argparse
import contextlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from better_paas.cli import config
from better_paas.cli.client import Api
from better_paas.cli.errors import NOT_CONNECTED, ApiError, CliError

_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
# A tool waits for a deployment at most 50 s.
_SECONDS = 120.0
_AT_ONCE = 8
_LARGEST_LINE = 4 * 2**20
_UNREACHABLE = -32000


def serve(options: argparse.Namespace) -> int:
    """Until standard input ends."""
    output = sys.stdout
    # Whatever else prints would break the protocol.
    sys.stdout = sys.stderr
    bridge = Bridge(options.instance, output)
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        for line in iter(lambda: sys.stdin.readline(_LARGEST_LINE), ""):
            if line.strip():
                bridge.take(line, workers)
    return 0


class Bridge:
    """named: the instance, None for the current one. output: gets one line for each message."""

    def __init__(self, named: str | None, output: Any) -> None:
        self._named, self._output = named, output
        self._instance = config.current(named)
        self._lock = threading.Lock()
        self._version, self._client = "", ""
        self._cancelled: set[str] = set()

    def take(self, line: str, workers: ThreadPoolExecutor) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._send({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}})
            return
        if not isinstance(message, dict):
            self._send({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid Request"}})
            return
        if message.get("method") == "initialize":
            # What comes after it depends on what it agrees on.
            self._pass_on(message)
        else:
            workers.submit(self._pass_on, message)

    def _pass_on(self, message: dict[str, Any]) -> None:
        params = message.get("params") if isinstance(message.get("params"), dict) else {}
        assert isinstance(params, dict)
        if message.get("method") == "notifications/cancelled":
            self._cancelled.add(json.dumps(params.get("requestId")))
            return
        try:
            try:
                self._relay(message, params)
            except ApiError as error:
                renewed = config.current(self._named)
                if error.code != NOT_CONNECTED or renewed.token == self._instance.token:
                    raise
                self._instance = renewed  # somebody has connected anew while the editor was open
                self._relay(message, params)
        except ApiError as error:
            self._answer(error.body if "jsonrpc" in error.body else _failure(message, error), message)
        except CliError as error:
            self._answer(_failure(message, error), message)
        except Exception as error:  # an answer that is none must not leave the editor waiting
            problem = CliError(f"the server's answer can't be read ({type(error).__name__})", "Is a proxy in between?")
            self._answer(_failure(message, problem), message)

    def _relay(self, message: dict[str, Any], params: dict[str, Any]) -> None:
        for answer in self._ask(message, params):
            if message.get("method") == "initialize" and isinstance(answer.get("result"), dict):
                self._version = str(answer["result"].get("protocolVersion", ""))
            self._send(answer)

    def _ask(self, message: dict[str, Any], params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        meta = params.get("_meta") if isinstance(params.get("_meta"), dict) else {}
        assert isinstance(meta, dict)
        information = meta.get(_CLIENT_KEY) or params.get("clientInfo")
        if isinstance(information, dict):
            self._client = re.sub(r"[^A-Za-z0-9._ -]", "", str(information.get("name", "")))[:60]
        headers = {"Accept": "application/json, text/event-stream"}
        if version := meta.get(_VERSION_KEY) or self._version:
            headers["MCP-Protocol-Version"] = str(version)
        if _VERSION_KEY in meta:
            headers["Mcp-Method"] = str(message.get("method", ""))
            if name := params.get("name") or params.get("uri"):
                headers["Mcp-Name"] = str(name)
        api = Api(self._instance.url, self._instance.token, f"mcp:{self._client}" if self._client.strip() else "cli")
        body = json.dumps(message).encode()
        with api.open("POST", "/mcp", body, "application/json", None, _SECONDS, headers) as response:
            if response.headers.get_content_type() == "text/event-stream":
                yield from _events(response)
            elif content := response.read():
                yield json.loads(content)

    def _answer(self, answer: dict[str, Any], message: dict[str, Any]) -> None:
        if "id" in message:  # a notification gets none
            self._send({**answer, "id": message["id"]})

    def _send(self, message: dict[str, Any]) -> None:
        if "method" not in message and json.dumps(message.get("id")) in self._cancelled:
            return
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._output.write(json.dumps(message, separators=(",", ":")) + "\n")
            self._output.flush()


def _events(response: Any) -> Iterator[dict[str, Any]]:
    data: list[str] = []
    for raw in response:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].lstrip())
        elif not line and data:
            with contextlib.suppress(ValueError):
                yield json.loads("\n".join(data))
            data = []


def _failure(message: dict[str, Any], error: CliError) -> dict[str, Any]:
    """What the editor shows its user."""
    text = f"{error}. {error.hint}".strip()
    if isinstance(error, ApiError) and error.status == 401:
        text = "The stored token is not valid any more. Run: paas connect"
    return {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": _UNREACHABLE, "message": text}}
