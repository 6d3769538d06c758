"""Calls of our own HTTP API inside the process, as the caller: each passes the same guard as one from outside."""

from typing import Any

import httpx2
from fastapi import FastAPI, Request

from better_paas.bootstrap import Platform
from better_paas.tokens.authorize import own_url
from better_paas.tokens.caller import Caller

# What a call is judged by, besides its token.
_PASSED_ON = ("authorization", "x-forwarded-for", "x-forwarded-proto")


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
    """One caller's way to the API. client: the name of the MCP client, for the audit log."""

    def __init__(self, app: FastAPI, platform: Platform, request: Request, caller: Caller, client: str) -> None:
        self.platform, self.caller, self.url = platform, caller, own_url(platform, request)
        address = (request.client.host, request.client.port) if request.client else ("unknown", 0)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=address),
            base_url=self.url,
            headers={**headers, "X-Better-PaaS-Client": f"mcp:{client}"},
        )

    async def get(self, path: str, **query: Any) -> Any:
        """Errors: CallFailed."""
        return _answer(await self._client.get(path, params={name: value for name, value in query.items() if value}))

    async def post(self, path: str, **fields: Any) -> Any:
        """Errors: CallFailed, ApprovalNeeded."""
        return _answer(await self._client.post(path, json=fields))

    async def close(self) -> None:
        await self._client.aclose()


def _answer(response: httpx2.Response) -> Any:
    answer = response.json()
    if response.status_code >= 400:
        raise CallFailed(response.status_code, answer)
    if response.status_code == 202:
        raise ApprovalNeeded(answer)
    return answer
