"""Cutover and deploy overhead, each beside its baseline from the same run.

Run as root on a machine with Docker and wrk: .venv/bin/python -m bench.cutover [--deployments 20]

Cutover: deployments under 32 keep-alive connections, with responses that take 10 s, uploads that take 5 s, and open
WebSockets meanwhile. Baseline: the same load and as many switches of the same app, by loading a configuration.
Overhead: from the request to live with an image that is there, beside the plain engine's run to its first 200.
"""

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
from tests.system.apps import SLOW
from tests.system.servers import GitServer, PaasServer, docker, free_port

from bench.load import percentile

CONNECTIONS = 32
LEAST_REQUESTS = 100_000
SLOW_SECONDS, UPLOAD_SECONDS = 10, 5
DRAIN_SECONDS = 30


class Load:
    """wrk in rounds, until it is told to stop: requests and every kind of failure, summed."""

    def __init__(self, url: str, host: str) -> None:
        self.url, self.host = url, host
        self.requests = self.failures = 0
        self.p99: list[float] = []
        self._stop = False

    async def run(self) -> None:
        while not self._stop:
            argv = [
                "wrk",
                "-t1",
                f"-c{CONNECTIONS}",
                "-d4s",
                "--latency",
                "--timeout",
                "10s",
                "-H",
                f"Host: {self.host}",
                self.url,
            ]
            process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
            output = (await process.communicate())[0].decode()
            self.requests += int(re.search(r"(\d+) requests in", output)[1])
            if match := re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", output):
                self.failures += sum(map(int, match.groups()))
            if match := re.search(r"Non-2xx or 3xx responses: (\d+)", output):
                self.failures += int(match[1])
            self.p99.append(percentile(output, 99))

    def stop(self) -> None:
        self._stop = True


class Besides:
    """Slow responses, uploads and WebSockets that are open during the cutovers."""

    def __init__(self, port: int, host: str) -> None:
        self.port, self.host = port, host
        self.slow = self.uploads = self.failures = 0
        self.sockets = 0
        self.cut_early: list[float] = []
        self.last_cutover = 0.0
        self._stop = False

    async def slow_requests(self) -> None:
        async with httpx2.AsyncClient(timeout=60) as client:
            while not self._stop:
                try:
                    response = await client.get(f"http://127.0.0.1:{self.port}/slow", headers={"Host": self.host})
                    self.failures += response.status_code != 200
                except httpx2.HTTPError:
                    self.failures += 1
                self.slow += 1

    async def slow_uploads(self) -> None:
        async def body():
            for _ in range(10):
                yield b"x" * 50_000
                await asyncio.sleep(UPLOAD_SECONDS / 10)

        async with httpx2.AsyncClient(timeout=60) as client:
            while not self._stop:
                try:
                    response = await client.post(
                        f"http://127.0.0.1:{self.port}/upload", content=body(), headers={"Host": self.host}
                    )
                    self.failures += response.text != "500000"
                except httpx2.HTTPError:
                    self.failures += 1
                self.uploads += 1

    async def web_sockets(self) -> None:
        """One socket after the other; each must live until the drain of its release ends."""
        while not self._stop:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(
                f"GET /socket HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, OSError):
                self.failures += 1
                writer.close()
                continue
            opened, seen = time.monotonic(), self.last_cutover
            self.sockets += 1
            self.failures += b"101" not in head.split(b"\r\n")[0]
            closed = asyncio.create_task(reader.read())
            switched = 0.0
            while not closed.done() and not self._stop:
                await asyncio.wait({closed}, timeout=0.2)
                if not switched and self.last_cutover != seen and self.last_cutover > opened:
                    switched = self.last_cutover
            if closed.done():
                lived = time.monotonic() - switched if switched else 0.0
                if lived < DRAIN_SECONDS - 2:
                    self.cut_early.append(lived)
            closed.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def start(self) -> list[asyncio.Task]:
        work = [*(self.slow_requests() for _ in range(4)), *(self.slow_uploads() for _ in range(2))]
        return [asyncio.create_task(one) for one in [*work, *(self.web_sockets() for _ in range(8))]]

    def stop(self) -> None:
        self._stop = True


async def cutovers(paas: PaasServer, app: dict, count: int) -> dict:
    """`count` deployments under load."""
    load = Load(f"http://127.0.0.1:{paas.http_port}/", app["defaultHost"])
    besides = Besides(paas.http_port, app["defaultHost"])
    jobs = [asyncio.create_task(load.run()), *besides.start()]
    done = 0
    while done < count or load.requests < LEAST_REQUESTS:
        if done < count:
            await asyncio.to_thread(deploy_once, paas, app)
            besides.last_cutover = time.monotonic()
            done += 1
        await asyncio.sleep(1)
    # Long enough that the sockets of the last releases reach the end of their drain.
    await asyncio.sleep(DRAIN_SECONDS + 5)
    load.stop()
    besides.stop()
    await asyncio.gather(*jobs)
    return results(load, besides)


def results(load: Load, besides: Besides) -> dict:
    return {
        "requests": load.requests, "failed": load.failures, "slow": besides.slow, "uploads": besides.uploads,
        "besides_failed": besides.failures, "sockets": besides.sockets, "sockets_cut": len(besides.cut_early),
        "p99": statistics.median(load.p99),
    }  # fmt: skip


def deploy_once(paas: PaasServer, app: dict) -> float:
    """One deployment of an image that is there: seconds from the request to live."""
    started = time.perf_counter()
    answer = paas.post("/api/apps/rollback", id=app["id"], deploymentId=app["activeDeployId"])
    while (status := paas.status(answer["deploymentId"])) in ("queued", "building"):
        time.sleep(0.01)
    assert status == "success", paas.deployment_log(answer["deploymentId"])
    return time.perf_counter() - started


def caddy_config(port: int, upstream: int, admin: str) -> dict:
    route = {"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{upstream}"}]}]}
    server = {"listen": [f"127.0.0.1:{port}"], "routes": [route], "automatic_https": {"disable": True}}
    return {
        "admin": {"listen": f"unix/{admin}", "origins": ["localhost"]},
        "apps": {"http": {"servers": {"b": server}}},
    }


async def reloads(image: str, count: int, least: int) -> dict:
    """The baseline: two containers of the same image, switched by loading a configuration."""
    port, upstreams = free_port(), [free_port(), free_port()]
    names = [f"bench-baseline-{upstream}" for upstream in upstreams]
    with tempfile.TemporaryDirectory() as folder:
        admin = f"{folder}/admin.sock"
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(caddy_config(port, upstreams[0], admin)))
        caddy = subprocess.Popen(
            [Path(sys.executable).with_name("caddy"), "run", "--config", config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for name, upstream in zip(names, upstreams, strict=True):
                docker(
                    "run",
                    "--detach",
                    "--name",
                    name,
                    "--publish",
                    f"127.0.0.1:{upstream}:8080",
                    "--env",
                    "PORT=8080",
                    image,
                )
            await asyncio.sleep(3)
            load = Load(f"http://127.0.0.1:{port}/", "bench.localhost")
            besides = Besides(port, "bench.localhost")
            jobs = [asyncio.create_task(load.run()), *besides.start()]
            async with httpx2.AsyncClient(
                transport=httpx2.AsyncHTTPTransport(uds=admin), base_url="http://localhost", timeout=30
            ) as client:
                for number in range(count):
                    await asyncio.sleep(2)
                    answer = await client.post("/load", json=caddy_config(port, upstreams[(number + 1) % 2], admin))
                    assert answer.status_code == 200, answer.text
                    besides.last_cutover = time.monotonic()
            while load.requests < least:
                await asyncio.sleep(0.5)
            load.stop()
            besides.stop()
            await asyncio.gather(*jobs)
        finally:
            caddy.terminate()
            caddy.wait()
            docker("rm", "--force", *names)
    return results(load, besides)


def plain_runs(image: str, count: int) -> list[float]:
    """The engine alone: seconds from run to the first 200."""
    seconds = []
    for _ in range(count):
        port = free_port()
        started = time.perf_counter()
        container = docker(
            "run", "--detach", "--publish", f"127.0.0.1:{port}:8080", "--env", "PORT=8080", image
        ).strip()
        while True:
            try:
                if httpx2.get(f"http://127.0.0.1:{port}/", timeout=2).status_code == 200:
                    break
            except httpx2.HTTPError:
                time.sleep(0.01)
        seconds.append(time.perf_counter() - started)
        docker("rm", "--force", container)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deployments", type=int, default=20)
    count = parser.parse_args().deployments
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        git_folder = Path(folder) / "git"
        git_folder.mkdir()
        git = GitServer(git_folder)
        paas = PaasServer(Path(folder) / "data", APP_PORTS="24000-24499", DRAIN_SECONDS=str(DRAIN_SECONDS))
        paas.start()
        try:
            app = paas.live("bench", git.repository("bench.git", SLOW).url, healthPath="/")
            quiet, plain = [], []
            for _ in range(count):  # in turn, so that a drift of the machine meets both
                plain += plain_runs(app["activeImage"], 1)
                quiet.append(deploy_once(paas, app))
            ours = asyncio.run(cutovers(paas, app, count))
            base = asyncio.run(reloads(app["activeImage"], count, ours["requests"] // 4))
        finally:
            paas.close()
            git.close()
    print(f"| {count} deployments under {CONNECTIONS} keep-alive connections | ours | config reload |")
    print("|---|---|---|")
    print(f"| requests | {ours['requests']:,} | {base['requests']:,} |")
    print(f"| failed | {ours['failed']} | {base['failed']} |")
    print(
        f"| responses of {SLOW_SECONDS} s and uploads of {UPLOAD_SECONDS} s open meanwhile | {ours['slow'] + ours['uploads']} | {base['slow'] + base['uploads']} |"
    )
    print(f"| of these failed | {ours['besides_failed']} | {base['besides_failed']} |")
    print(f"| WebSockets opened | {ours['sockets']} | {base['sockets']} |")
    print(f"| of these cut before the drain's end | {ours['sockets_cut']} | {base['sockets_cut']} |")
    print(f"| p99 of the quick requests, median of rounds | {ours['p99']:.1f} ms | {base['p99']:.1f} ms |")
    print()
    overhead, alone = statistics.median(quiet), statistics.median(plain)
    print(f"| ready image, request to live, median of {count} | ours | plain engine, run to first 200 | ratio |")
    print("|---|---|---|---|")
    print(f"| seconds | {overhead:.2f} | {alone:.2f} | {overhead / alone:.2f} |")
    failed = ours["failed"] + ours["besides_failed"] + ours["sockets_cut"]
    raise SystemExit(1 if failed or overhead > 3 * alone else 0)


main()
