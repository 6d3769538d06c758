"""What the ingress adds to an app's answers, and what a crash of an app costs, each beside the app asked directly.

Run as root on a machine with Docker and h2load (Debian: nghttp2-client): .venv/bin/python -m bench.ingress
A minute; load generator, ingress, app and control plane share the machine.
"""

import contextlib
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx2
from tests.system.servers import GitServer, PaasServer, docker

RATE, CLIENTS, SECONDS, ROUNDS = 2000, 20, 6, 3
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


def row(what: str, ours: str, baseline: str, ratio: str) -> None:
    print(f"| {what} | {ours} | {baseline} | {ratio} |", flush=True)


class Load:
    """Requests at a steady rate over HTTP/1.1. Each of the log's lines is a request: when, status, microseconds."""

    def __init__(self, folder: Path, url: str, host: str, rate: int, seconds: int) -> None:
        self._log = folder / f"log-{time.monotonic_ns()}"
        self._process = subprocess.Popen(
            [
                "h2load", "--h1", f"-c{CLIENTS}", f"--rps={rate / CLIENTS}", f"-D{seconds}", f"--log-file={self._log}",
                "-H", f"Host: {host}", url,
            ],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self) -> tuple[list[float], int]:
        """(milliseconds of each answer, how many failed or got no answer)."""
        output = self._process.communicate()[0]
        lines = [line.split() for line in self._log.read_text().splitlines()]
        good = [int(fields[2]) / 1000 for fields in lines if fields[1] == "200"]
        done = re.search(r"(\d+) total, .* (\d+) failed, (\d+) errored, (\d+) timeout", output)
        failed = sum(fields[1] not in ("200", "-1") for fields in lines) + sum(map(int, done.groups()[1:]))
        return good, failed


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def added(folder: Path, direct: str, through: str, host: str) -> None:
    """Both take turns, so that what else the machine does meets both."""
    alone, behind = [], []
    for _ in range(ROUNDS):
        alone.append(p99(Load(folder, direct, host, RATE, SECONDS).end()[0]))
        behind.append(p99(Load(folder, through, host, RATE, SECONDS).end()[0]))
    ours, theirs = statistics.median(behind), statistics.median(alone)
    row(
        f"p99 at {RATE:,} requests a second, median of {ROUNDS} rounds", f"{ours:.2f} ms", f"{theirs:.2f} ms (the app)",
        f"{ours - theirs:.2f} ms more (2 wanted)",
    )  # fmt: skip


def crash(folder: Path, url: str, host: str, victim: str) -> tuple[int, int]:
    """(failed requests, all) while the app's process ends once."""
    load = Load(folder, url, host, CRASH_RATE, CRASH_SECONDS)
    time.sleep(CRASH_SECONDS / 3)
    with contextlib.suppress(httpx2.HTTPError):  # it ends without an answer
        httpx2.get(f"{victim}/die", headers={"Host": host}, timeout=5)
    good, failed = load.end()
    return failed, len(good) + failed


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        git = GitServer(folder)
        server = PaasServer(folder / "data", APP_PORTS="25000-25099", WATCH_MINUTES="0")
        server.start()
        try:
            app = server.live("quick", git.repository("quick.git", APP).url)
            ports = docker("ps", "--filter", f"label=better-paas.app={app['id']}", "--format", "{{.Ports}}")
            direct = f"http://{re.search(r'127.0.0.1:[0-9]+', ports)[0]}"
            through, host = f"http://127.0.0.1:{server.http_port}", app["defaultHost"]
            print("| | ours | baseline | difference |\n|---|---|---|---|")
            added(folder, direct, through, host)
            ours, total = crash(folder, through, host, direct)
            time.sleep(3)
            theirs, their_total = crash(folder, direct, host, direct)
            row(
                f"an app crashes and is started again, at {CRASH_RATE} requests a second: failed",
                f"{ours} of {total:,}", f"{theirs} of {their_total:,} (the app, asked directly)", f"{ours - theirs}",
            )  # fmt: skip
        finally:
            server.close()
            git.close()


if __name__ == "__main__":
    main()
