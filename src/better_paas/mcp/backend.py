"""Calls of our own HTTP API inside the process, as the caller: each passes the same guard as one from outside."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request

from better_paas.access.authorize import dashboard_url
from better_paas.access.caller import Caller
from better_paas.access.own_address import own_url
from better_paas.bootstrap import Platform

# What a call is judged by, besides its token.
_PASSED_ON = (b"authorization", b"host", b"x-forwarded-for", b"x-forwarded-proto")


class CallFailed(Exception):
    """The API said no. answer: its error, with a code and a hint."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__(str(answer.get("error", status)))
        self.status, self.answer = status, answer


class ApprovalNeeded(Exception):
    """A person has to say yes first. answer: what the API said."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["summary"])
        self.answer = answer


class Backend:
    """One caller's way to the API. client: the name of the MCP client, for the audit log.

    It speaks ASGI itself: an HTTP client in between would cost as much as the call.
    """

    def __init__(self, app: FastAPI, platform: Platform, request: Request, caller: Caller, client: str) -> None:
        self.platform, self.caller, self.url = platform, caller, own_url(platform, request)
        # What the address of every approval begins with.
        self.approvals = f"{dashboard_url(platform, request)}/approvals?id="
        self._app, self._request = app, request
        passed = [(name, value) for name, value in request.headers.raw if name in _PASSED_ON]
        named = (b"x-better-paas-client", f"mcp:{client}".encode())
        self._headers = [*passed, named, (b"content-type", b"application/json")]

    async def get(self, path: str, **query: Any) -> Any:
        """Errors: CallFailed."""
        text = urlencode({name: value for name, value in query.items() if value})
        return await self._call("GET", path, text, b"")

    async def post(self, path: str, *, once: str = "", **fields: Any) -> Any:
        """once: a key; a call that comes again with the same one is answered, not done again.

        Errors: CallFailed, ApprovalNeeded.
        """
        return await self._call("POST", path, "", json.dumps(fields).encode(), once)

    async def _call(self, method: str, path: str, query: str, body: bytes, once: str = "") -> Any:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": self._request.url.scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [*self._headers, (b"idempotency-key", once.encode())] if once else self._headers,
            "server": self._request.scope.get("server"),
            "client": self._request.scope.get("client"),
        }
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        status, chunks = 500, []

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop()
            await asyncio.Event().wait()  # a client that stays until it has its answer
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                chunks.append(message.get("body", b""))

        try:
            await self._app(scope, receive, send)
        except Exception:
            if not chunks:  # the application has answered and logged its own faults
                raise
        return _answer(status, b"".join(chunks))


def _answer(status: int, body: bytes) -> Any:
    answer = json.loads(body)
    if status >= 400:
        raise CallFailed(status, answer)
    if status == 202:
        raise ApprovalNeeded(answer)
    return answer
