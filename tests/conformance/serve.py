"""Serves our MCP stack for the conformance suite, which sends no token: `python -m tests.conformance.serve PORT fixture|product`.

Everything is as in the product (application, guard, endpoint, SDK set-up); only a token is added to each request, and
with `fixture` the server object is the suite's.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import uvicorn

from better_paas.app import create_app
from better_paas.bootstrap import Platform
from better_paas.mcp import endpoint
from better_paas.settings import Settings
from tests.conformance.fixture import make_fixture
from tests.fakes import FakeBases, FakeIngress, FakeRuntime

TOKEN = "the-admin-token-of-conformance"


async def main(port: int, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            better_paas_data_dir=Path(folder) / "data", admin_token=TOKEN, docker_host="unix:///nonexistent.sock"
        )
        platform = Platform(settings, FakeRuntime(), FakeIngress(), FakeBases())
        app = create_app(platform)
        if kind == "fixture":
            endpoint._make = lambda _: make_fixture()

        async def signed_in(scope, receive, send):
            if scope["type"] == "http":
                scope = {**scope, "headers": [*scope["headers"], (b"authorization", f"Bearer {TOKEN}".encode())]}
            await app(scope, receive, send)

        await uvicorn.Server(uvicorn.Config(signed_in, host="127.0.0.1", port=port, log_level="warning")).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
