"""The paas command and MCP: how long a person and an editor wait, beside an empty Python and the bare API call.

Run: .venv/bin/python -m bench.client. Takes about half a minute; needs no engine.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx2
import structlog
import uvicorn
from mcp import Client, StdioServerParameters
from tests.fakes import FakeBases, FakeIngress, FakeRuntime

from better_paas.app import create_app
from better_paas.bootstrap import Platform
from better_paas.settings import Settings

ADMIN = "the-admin-token-of-the-bench"
PAAS = str(Path(sys.executable).with_name("paas"))
ROUNDS = 15
PORT = 31990


def row(what: str, ours: float, baseline: str, other: float) -> None:
    print(f"| {what} | {ours:.1f} ms | {other:.1f} ms ({baseline}) | {ours / other:.1f} |", flush=True)


def took(argv: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, capture_output=True)
    return (time.perf_counter() - started) * 1000


def commands(home: Path) -> None:
    environment = {**os.environ, "HOME": str(home)}
    arguments = [PAAS, "connect", f"http://127.0.0.1:{PORT}", "--legacy", "--admin-token", "-"]
    subprocess.run(arguments, env=environment, input=ADMIN + "\n", text=True, check=True, capture_output=True)
    figures: dict[str, list[float]] = {"pass": [], "help": [], "status": []}
    for _ in range(ROUNDS):  # by turns, so that a slow moment of the machine meets all of them
        figures["pass"].append(took([sys.executable, "-c", "pass"], environment))
        figures["help"].append(took([PAAS, "--help"], environment))
        figures["status"].append(took([PAAS, "status"], environment))
    bare = statistics.median(figures["pass"])
    row("paas --help, median", statistics.median(figures["help"]), "python -c pass", bare)
    row("paas status of 20 apps, median", statistics.median(figures["status"]), "python -c pass", bare)


async def first_list(home: Path) -> float:
    started = time.perf_counter()
    target = StdioServerParameters(command=PAAS, args=["mcp"], env={**os.environ, "HOME": str(home)})
    async with Client(target) as client:
        assert len((await client.list_tools()).tools) == 20
        return (time.perf_counter() - started) * 1000


MESSAGE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "paas_list_apps",
        "arguments": {},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
HEADERS = {
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "paas_list_apps",
    "Accept": "application/json, text/event-stream",
}


def calls(token: str) -> tuple[float, float]:
    """Median of a tool call, and of the API call behind it, by turns over one kept connection."""
    tools, plain = [], []
    address = f"http://127.0.0.1:{PORT}"
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        for _ in range(400):
            started = time.perf_counter()
            result = json.loads(http.post("/mcp", json=MESSAGE, headers=HEADERS).content)
            tools.append((time.perf_counter() - started) * 1000)
            assert len(result["result"]["structuredContent"]["apps"]) == 20
            started = time.perf_counter()
            assert len(json.loads(http.get("/api/apps").content)) == 20
            plain.append((time.perf_counter() - started) * 1000)
    return statistics.median(tools), statistics.median(plain)


def serve(folder: Path, ready: threading.Event) -> uvicorn.Server:
    settings = Settings(better_paas_data_dir=folder, admin_token=ADMIN, docker_host="unix:///nonexistent.sock")
    app = create_app(Platform(settings, FakeRuntime(), FakeIngress(), FakeBases()))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="error"))

    def run() -> None:
        asyncio.run(server.serve())

    threading.Thread(target=run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    ready.set()
    return server


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if sys.argv[1:2] == ["serve"]:  # a process of its own, so that client and server share no lock
        serve(Path(sys.argv[2]), threading.Event())
        sys.stdin.read()
        return
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.client", "serve", str(folder / "data")], stdin=subprocess.PIPE
        )
        try:
            admin = httpx2.Client(
                base_url=f"http://127.0.0.1:{PORT}", headers={"Authorization": f"Bearer {ADMIN}"}, timeout=30
            )
            for _ in range(200):
                try:
                    if admin.get("/api/health").status_code == 200:
                        break
                except httpx2.HTTPError:
                    time.sleep(0.1)
            for number in range(20):
                admin.post(
                    "/api/deploy", json={"name": f"app-{number}", "gitRepo": "sample:hello-static"}
                ).raise_for_status()
            made = admin.post(
                "/api/agents/create", json={"name": "b", "profile": "deployer", "ratePerMinute": 60000}
            ).json()
            home = folder / "home"
            home.mkdir()
            print("| | ours | baseline | ratio |\n|---|---|---|---|")
            commands(home)
            asyncio.run(first_list(home))  # the server loads the protocol with its first message
            listed = statistics.median([asyncio.run(first_list(home)) for _ in range(5)])
            bare = statistics.median([took([sys.executable, "-c", "pass"], dict(os.environ)) for _ in range(5)])
            row("paas mcp, start to first tools/list, median", listed, "python -c pass", bare)
            tool, plain = calls(made["token"])
            row("tool call paas_list_apps over HTTP, median", tool, "GET /api/apps", plain)
            print(f"\nA tool call adds {tool - plain:.1f} ms to the API call behind it.")
        finally:
            server.stdin.close()
            server.wait(20)


if __name__ == "__main__":
    main()
