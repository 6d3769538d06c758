"""The control plane alone: its list under load, audited changes, many apps, idling. No engine is needed.

Run: .venv/bin/python -m bench.control [--idle 300]. Needs wrk; takes three minutes and the idle time.
The server is held on one core, what asks it on the others. Its ingress is real, its engine in memory. The baseline is
FastAPI with one route that gives the same bytes, on the same core.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from bench.load import steady
from bench.table import row

ADMIN = "the-admin-token-of-the-bench"
SECONDS = 6


def serve(folder: str, port: str) -> None:
    """In a process of its own: the product with a real ingress, over an engine of memory."""
    from better_paas.kit.memory import begin

    begin()
    sys.modules["greenlet"] = None  # a developer's environment has it, for the browser; a server's does not
    import structlog
    import uvicorn
    from tests.fakes import FakeBases, FakeRuntime

    from better_paas.app import create_app
    from better_paas.bootstrap import Platform
    from better_paas.kit.logging import configure
    from better_paas.settings import Settings

    structlog.reset_defaults()
    configure(form="console", level="warning")
    settings = Settings(
        better_paas_data_dir=Path(folder),
        admin_token=ADMIN,
        docker_host="unix:///nonexistent.sock",
        watch_minutes=0,
        drain_seconds=1,
        app_ports="30000-30999",
        ingress_address="127.0.0.1",
        http_port=18800,
        https_port=18843,
    )
    platform = Platform(settings, FakeRuntime(), bases=FakeBases())
    uvicorn.run(create_app(platform), port=int(port), http="httptools", log_level="warning", access_log=False)


def plain(folder: str, port: str) -> None:
    """The baseline: the same bytes from one route, and one that stores what it is sent, on disk before it answers."""
    import uvicorn
    from fastapi import FastAPI, Response
    from pydantic import BaseModel

    class Update(BaseModel):
        id: str
        memory: str

    body = Path(folder, "list.json").read_bytes()
    app = FastAPI()
    stored = sqlite3.connect(Path(folder, "plain.db"), isolation_level=None)
    stored.execute("PRAGMA journal_mode = WAL")
    stored.execute("PRAGMA synchronous = FULL")
    stored.execute("CREATE TABLE updates (id TEXT, memory TEXT)")

    @app.post("/api/apps/update")
    async def update(sent: Update) -> Update:
        stored.execute("INSERT INTO updates VALUES (?, ?)", (sent.id, sent.memory))
        return sent

    @app.get("/api/apps")
    async def apps() -> Response:
        return Response(body, media_type="application/json")

    uvicorn.run(app, port=int(port), http="httptools", log_level="warning", access_log=False)


class Process:
    """One of the two, on the first core."""

    def __init__(self, what: str, folder: Path, port: int) -> None:
        self.port, self.url, self._folder = port, f"http://127.0.0.1:{port}", folder
        started = time.perf_counter()
        self._process = subprocess.Popen(
            ["taskset", "-c", "0", sys.executable, "-m", "bench.control", what, str(folder), str(port)]
        )
        while True:
            try:
                httpx2.get(f"{self.url}/api/apps", timeout=2)
                break
            except httpx2.HTTPError:
                time.sleep(0.01)
        self.start_seconds = time.perf_counter() - started

    def memory(self) -> float:
        """MB of resident memory."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self._process.pid}/status").read_text())[1]) / 1000

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        with contextlib.suppress(OSError, ValueError):  # the ingress goes on without its server
            os.kill(int((self._folder / "caddy" / "caddy.pid").read_text()), signal.SIGTERM)


# Another value each time: what changes nothing is not stored.
CHANGES = """local number = 0
request = function()
  number = number + 1
  local memory = tostring(100 + number % 900) .. "m"
  return wrk.format("POST", nil, nil, '{"id": "APP", "memory": "' .. memory .. '"}')
end
wrk.headers["Content-Type"] = "application/json"
"""


def wrk(url: str, connections: int, seconds: int = SECONDS, script: Path | None = None) -> float:
    """Requests a second of GET, or of what the script sends, with the admin's token."""
    argv = [
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-H",
        f"Authorization: Bearer {ADMIN}",
        *(["-s", str(script)] if script else []),
        url,
    ]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])


def at_rate(port: int, rate: float) -> float:
    """p99 in ms at this rate, whatever the answers take."""
    return asyncio.run(steady("127.0.0.1", port, "127.0.0.1", rate, SECONDS, "/api/apps", ADMIN)).p99


async def make_apps(url: str, first: int, last: int) -> None:
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=60) as client:
        for number in range(first, last):
            body = {
                "name": f"app-{number}",
                "gitRepo": "sample:hello-python",
                "envVars": {"LEVEL": "info", "API_KEY": "x"},
                "secretKeys": ["API_KEY"],
            }
            (await client.post("/api/deploy", json=body)).raise_for_status()
        while any(app["status"] == "building" for app in (await client.get("/api/apps")).json()):
            await asyncio.sleep(0.2)


async def changed_lists(url: str, count: int) -> float:
    """p99 in ms of a list that something has changed since: nothing is kept from before."""
    took = []
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=60) as client:
        app = (await client.get("/api/apps")).json()[0]["id"]
        for number in range(count):
            (await client.post("/api/apps/update", json={"id": app, "memory": f"{100 + number}m"})).raise_for_status()
            started = time.perf_counter()
            (await client.get("/api/apps")).raise_for_status()
            took.append((time.perf_counter() - started) * 1000)
    return statistics.quantiles(took, n=100)[98]


async def cutovers(url: str, count: int) -> float:
    """Median in ms from asking for a deployment, which needs no build, to the ingress sending requests to it."""
    took = []
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=60) as client:
        app = (await client.get("/api/apps")).json()[0]["id"]
        for _ in range(count):
            started = time.perf_counter()
            again = (await client.post("/api/apps/redeploy", json={"id": app})).raise_for_status().json()
            query = {"id": again["deploymentId"]}
            while (found := (await client.get("/api/deployments/get", params=query)).json())["status"] != "success":
                assert found["status"] in ("queued", "building"), found
                await asyncio.sleep(0.005)
            took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=int, default=300)
    arguments = parser.parse_args()
    assert shutil.which("wrk"), "install wrk"
    print("| | ours | baseline | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Process("serve", folder / "data", 18801)
        asyncio.run(make_apps(server.url, 0, 1))
        one = asyncio.run(cutovers(server.url, 20))
        asyncio.run(make_apps(server.url, 1, 10))
        before, begun = server.cpu_seconds(), time.monotonic()
        time.sleep(arguments.idle)
        share = (server.cpu_seconds() - before) / (time.monotonic() - begun) * 100
        row(
            f"idle with 10 apps for {arguments.idle} s: memory",
            f"{server.memory():.0f} MB",
            "≤ 110 MB wanted",
            f"{server.memory() / 110:.2f}",
        )
        row("of one core meanwhile", f"{share:.2f} %", "≤ 1 % wanted", f"{share:.2f}")
        asyncio.run(make_apps(server.url, 10, 25))
        body = httpx2.get(f"{server.url}/api/apps", headers={"Authorization": f"Bearer {ADMIN}"}).content
        (folder / "list.json").write_bytes(body)
        assert len(json.loads(body)) == 25
        ours = wrk(f"{server.url}/api/apps", 16)
        half = at_rate(server.port, ours / 2)
        changes = folder / "changes.lua"
        changes.write_text(CHANGES.replace("APP", json.loads(body)[0]["id"]))
        changed = wrk(f"{server.url}/api/apps/update", 64, script=changes)
        asyncio.run(make_apps(server.url, 25, 200))
        fresh = asyncio.run(changed_lists(server.url, 100))
        many = asyncio.run(cutovers(server.url, 20))
        server.end()
        again = Process("serve", folder / "data", 18802)
        start = again.start_seconds
        again.end()
        baseline = Process("plain", folder, 18803)
        theirs = wrk(f"{baseline.url}/api/apps", 16)
        their_half = at_rate(baseline.port, ours / 2)
        their_changes = wrk(f"{baseline.url}/api/apps/update", 64, script=changes)
        baseline.end()
        row(
            "list of 25 apps with a token, requests a second, one core",
            f"{ours:,.0f}",
            f"{theirs:,.0f} (FastAPI, one route, the same bytes)",
            f"{ours / theirs:.2f}",
        )
        row("its p99 at half that rate", f"{half:.1f} ms", f"{their_half:.1f} ms", f"{half / their_half:.1f}")
        row(
            "audited changes by a call, on disk before the answer, a second, one core",
            f"{changed:,.0f}",
            f"{their_changes:,.0f} (FastAPI, one insert and commit, no token, no audit)",
            f"{changed / their_changes:.2f}",
        )
        row("list of 200 apps after a change, p99", f"{fresh:.1f} ms", "≤ 40 ms wanted", f"{fresh / 40:.2f}")
        row(
            "deployment without a build, 200 apps, median",
            f"{many:.0f} ms",
            f"{one:.0f} ms (1 app)",
            f"{many / one:.2f}",
        )
        row("start with 200 apps, to the first answer", f"{start:.2f} s", "≤ 3 s wanted", f"{start / 3:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in ("serve", "plain"):
        {"serve": serve, "plain": plain}[sys.argv[1]](*sys.argv[2:])
    else:
        main()
