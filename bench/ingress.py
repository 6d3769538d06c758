"""What the ingress adds to an app's answers, beside a Caddy that does nothing but pass on; what a crash of an app costs.

Run as root on a machine with Docker and wrk: .venv/bin/python -m bench.ingress
Three minutes; load generator, ingress, app and control plane share the machine.
"""

import asyncio
import contextlib
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
from tests.system.servers import GitServer, PaasServer, docker, free_port, wait_until

from bench.load import Result, percentile, steady
from bench.table import row

RATE, SECONDS, ROUNDS, CONNECTIONS = 2000, 5, 5, 200
CRASH_RATE, CRASH_SECONDS = 200, 12
APP = {
    "package.json": '{"name": "quick", "private": true, "scripts": {"start": "node server.js"}}',
    "server.js": """
const http = require('node:http')
http.createServer((request, response) => {
  if (request.url === '/die') process.exit(3)
  response.end('ok')
}).listen(process.env.PORT)
""",
}


def added(direct: int, bare: int, ours: int, host: str, rate: int) -> None:
    """They take turns, so that what else the machine does meets all."""
    found: dict[int, list[tuple[float, float]]] = {direct: [], bare: [], ours: []}
    for _ in range(ROUNDS):
        for port, values in found.items():
            values.append(paced(port, host, rate))
    for name, which in (("median", 0), ("p99", 1)):
        app, plain, own = (statistics.median(one[which] for one in values) for values in found.values())
        row(
            f"{name} added to the app's {app:.1f} ms at {rate:,} requests a second, {ROUNDS} rounds",
            f"{own - app:.1f} ms", f"{plain - app:.1f} ms (a bare Caddy)", f"{own - plain:.1f} ms",
        )  # fmt: skip


def paced(port: int, host: str, rate: int) -> tuple[float, float]:
    """(median, p99) in ms of requests over kept connections, each of which pauses for a random time after an answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"function delay() return math.random(0, {2000 * CONNECTIONS // rate}) end")
        script.flush()
        argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", script.name]
        argv += ["-H", f"Host: {host}", f"http://127.0.0.1:{port}/"]
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    return percentile(text, 50), percentile(text, 99)


@contextlib.contextmanager
def bare_caddy(folder: Path, target: int) -> Iterator[int]:
    """The port of one that passes all requests on."""
    port = free_port()
    handler = {"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{target}"}]}
    plain = {"listen": [f"127.0.0.1:{port}"], "routes": [{"handle": [handler]}], "automatic_https": {"disable": True}}
    file = folder / "bare.json"
    file.write_text(json.dumps({"admin": {"disabled": True}, "apps": {"http": {"servers": {"plain": plain}}}}))
    program = Path(sys.executable).with_name("caddy")
    process = subprocess.Popen([program, "run", "--config", str(file)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), 10)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def crash(port: int, host: str, victim: int) -> Result:
    """While the app's process ends once."""

    async def kill() -> None:
        await asyncio.sleep(CRASH_SECONDS / 3)
        try:
            async with httpx2.AsyncClient() as client:
                await client.get(f"http://127.0.0.1:{victim}/die")
        except httpx2.HTTPError:
            return  # it ends without an answer

    result, _ = await asyncio.gather(steady("127.0.0.1", port, host, CRASH_RATE, CRASH_SECONDS), kill())
    return result


async def measure(server: PaasServer, app: dict, folder: Path) -> None:
    ports = docker("ps", "--filter", f"label=better-paas.app={app['id']}", "--format", "{{.Ports}}")
    direct, host = int(re.search(r"127.0.0.1:([0-9]+)", ports)[1]), app["defaultHost"]
    print("| | ours | baseline | difference |\n|---|---|---|---|")
    with bare_caddy(folder, direct) as bare:
        for rate in (RATE // 4, RATE):
            added(direct, bare, server.http_port, host, rate)
    ours = await crash(server.http_port, host, direct)
    await asyncio.sleep(3)
    theirs = await crash(direct, host, direct)
    row(
        f"an app crashes and is started again, at {CRASH_RATE} requests a second: failed",
        f"{ours.failed} of {ours.total:,}", f"{theirs.failed} of {theirs.total:,} (the app, asked directly)",
        f"longest wait {max(ours.milliseconds) / 1000:.1f} s",
    )  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        git = GitServer(Path(name))
        server = PaasServer(Path(name) / "data", APP_PORTS="25000-25099", WATCH_MINUTES="0")
        server.start()
        try:
            asyncio.run(measure(server, server.live("quick", git.repository("quick.git", APP).url), Path(name)))
        finally:
            server.close()
            git.close()


if __name__ == "__main__":
    main()
