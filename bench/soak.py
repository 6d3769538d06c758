"""All at once, for as long as is wanted: what holds for a minute must hold for an hour.

Run as root on a machine with Docker: .venv/bin/python -m bench.soak [--minutes 60] [--seed 1] [--calm]

Two apps are visited at a steady rate while they are deployed and rolled back, their logs are read, hostile sources come
from a seeded generator, half-open connections pile up, and the server is killed now and then. It prints what visitors
lost, how long health took, the longest stall of the event loop, memory, descriptors, and what is left behind. --calm:
the same without hostile sources, connections and kills, as the baseline beside it.
"""

import argparse
import asyncio
import contextlib
import random
import re
import socket
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from tests.system.servers import GitServer, PaasServer, app_ports, docker

from bench.hostile import source
from bench.load import Result, steady

VISITS_A_SECOND = 40
_KILL_SECONDS = (15, 45)
_HELD_CONNECTIONS = 200
# Longer than programs that read sources are kept for the next one.
_REST_SECONDS = 75
# Connections and files that may be open at any time.
DESCRIPTORS_MORE = 10
_AT_ONCE = 2
GOOD = {
    "Procfile": "web: python app.py\n",
    "app.py": 'import os\nfrom http.server import BaseHTTPRequestHandler, ThreadingHTTPServer\n\n\nclass H(BaseHTTPRequestHandler):\n    protocol_version = "HTTP/1.1"\n\n    def do_GET(self):\n        body = b"version VERSION"\n        self.send_response(200)\n        self.send_header("Content-Length", str(len(body)))\n        self.end_headers()\n        self.wfile.write(body)\n        print(self.path, flush=True)\n\n\nThreadingHTTPServer(("", int(os.environ["PORT"])), H).serve_forever()\n',
}


@dataclass
class Seen:
    """visits: of other apps. health: milliseconds of each answer while the server was up. memory: bytes."""

    visits: list[Result] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    deployments: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    hostile: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    stall: float = 0.0
    idle_memory: int = 0
    peak_memory: int = 0
    rest_memory: int = 0
    idle_descriptors: int = 0
    rest_descriptors: int = 0
    containers_left: list[str] = field(default_factory=list)
    files_left: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return sum(result.failed for result in self.visits)

    @property
    def failures(self) -> Counter[str]:
        return sum((result.failures for result in self.visits), Counter())

    @property
    def visited(self) -> int:
        return sum(result.total for result in self.visits)

    @property
    def health_p99(self) -> float:
        return statistics.quantiles(self.health, n=100)[98]


class Soak:
    """paas: a server that was started for it. Ends what it began."""

    def __init__(self, paas: PaasServer, git: GitServer, seed: int, calm: bool = False) -> None:
        self.paas, self.git, self.calm = paas, git, calm
        self.chance = random.Random(seed)
        self.seen = Seen()
        self._is_up = asyncio.Event()
        self._is_up.set()
        self._over = asyncio.Event()
        self._staying: set[str] = set()
        self._api = httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{paas.api_port}", headers=dict(paas.client.headers), timeout=60
        )

    async def run(self, seconds: float) -> Seen:
        apps = [await asyncio.to_thread(self._good_app, number) for number in range(2)]
        self._staying = {app["id"] for app, _ in apps}
        await asyncio.sleep(3)
        self.seen.idle_memory, self.seen.idle_descriptors = self._memory(), self._descriptors()
        # Not bench.load's whole run at once: its requests are all made before they are awaited.
        work = [self._visit(app) for app, _ in apps]
        work += [self._deploy(app, repository) for app, repository in apps]
        work += [self._read_logs(apps[0][0]), self._ask_for_health(), self._watch_memory()]
        if not self.calm:
            work += [self._strangers() for _ in range(_AT_ONCE)]
            work += [self._hold_connections(), self._kill()]
        tasks = [asyncio.create_task(part) for part in work]
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        self._over.set()
        await asyncio.gather(*tasks)
        for task in done:
            task.result()
        await self._look_at_rest()
        await self._api.aclose()
        return self.seen

    def _good_app(self, number: int):
        repository = self.git.repository(f"good{number}.git", _version(0))
        return self.paas.live(f"good{number}", repository.url), repository

    async def _visit(self, app: dict) -> None:
        while not self._over.is_set():
            result = await steady("127.0.0.1", self.paas.http_port, app["defaultHost"], VISITS_A_SECOND, 5)
            self.seen.visits.append(result)

    async def _deploy(self, app: dict, repository) -> None:
        """New versions and ways back. Whatever else goes on, each has to go live."""
        number = 0
        while not self._over.is_set():
            number += 1
            if number % 3:
                await asyncio.to_thread(repository.commit, _version(number), f"Version {number}")
            path = "/api/apps/redeploy" if number % 3 else "/api/apps/rollback"
            answer = await self._post(path, {"id": app["id"]})
            if answer is None or answer.status_code != 200:
                continue
            ended = await self._ended(answer.json()["deploymentId"])
            self.seen.deployments[ended["status"]] += 1
            if ended["status"] != "success":
                self.seen.problems.append(f"{app['name']}: {ended['error']}")

    async def _strangers(self) -> None:
        while not self._over.is_set():
            kind, files = source(self.chance)
            name = f"h{self.chance.getrandbits(40):010x}"
            try:
                repository = await asyncio.to_thread(self.git.repository, f"{name}.git", files, f"`{kind}`\u202e")
            except (AssertionError, OSError):
                continue  # no file system takes such names
            wanted = {"name": name, "gitRepo": repository.url, "memory": "128m"}
            answer = await self._post("/api/deploy", wanted)
            if answer is None:
                # A kill takes the answer with it, not always what was asked for.
                app = await self._named(name)
                outcome = "killed"
            elif answer.status_code == 200:
                app = answer.json()
                outcome = (await self._ended(app["deploymentId"]))["status"]
            else:
                app, outcome = None, "refused"
            self.seen.hostile[f"{kind}: {outcome}"] += 1
            if app is None:
                continue
            await self._insist("/api/apps/delete", {"id": app["id"]})
            await self._insist("/api/apps/purge", {"id": app["id"], "name": name, "volumes": True})

    async def _read_logs(self, app: dict) -> None:
        while not self._over.is_set():
            for path, query in (
                ("/api/apps/runtime-logs", {"id": app["id"], "lines": 500}),
                ("/api/deployments/history", {"limit": 50}),
                ("/api/apps", {}),
            ):
                with contextlib.suppress(httpx2.HTTPError):
                    await self._is_up.wait()
                    await self._api.get(path, params=query)
            await asyncio.sleep(0.2)

    async def _ask_for_health(self) -> None:
        async with httpx2.AsyncClient(timeout=30) as client:
            while not self._over.is_set():
                await self._is_up.wait()
                started = time.perf_counter()
                with contextlib.suppress(httpx2.HTTPError):
                    answer = await client.get(f"http://127.0.0.1:{self.paas.api_port}/api/health")
                    if answer.status_code == 200 and self._is_up.is_set():
                        self.seen.health.append((time.perf_counter() - started) * 1000)
                await asyncio.sleep(0.1)

    async def _hold_connections(self) -> None:
        """Half a head, half a body, nothing: as many as there may be, and more when some are closed."""
        held: list[socket.socket] = []
        begin = (b"", b"GET / HT", b"POST /api/deploy HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n{")
        while not self._over.is_set():
            for port in (self.paas.api_port, self.paas.http_port):
                with contextlib.suppress(OSError):
                    made = socket.create_connection(("127.0.0.1", port), timeout=1)
                    made.sendall(self.chance.choice(begin))
                    held.append(made)
            while len(held) > _HELD_CONNECTIONS:
                held.pop(0).close()
            await asyncio.sleep(0.05)
        for made in held:
            made.close()

    async def _kill(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self.chance.uniform(*_KILL_SECONDS))
                return
            await self._note_stall()
            self._is_up.clear()
            await asyncio.to_thread(self.paas.kill)
            await asyncio.to_thread(self.paas.start)
            self._is_up.set()
            self.seen.kills += 1

    async def _watch_memory(self) -> None:
        while not self._over.is_set():
            if self._is_up.is_set():
                self.seen.peak_memory = max(self.seen.peak_memory, self._memory())
            await asyncio.sleep(0.5)

    async def _note_stall(self) -> None:
        """The server's own word of how long its loop was held, which a kill takes with it."""
        with contextlib.suppress(httpx2.HTTPError):
            found = re.search(
                r"^better_paas_loop_longest_hold_seconds (\S+)", (await self._api.get("/metrics")).text, re.MULTILINE
            )
            self.seen.stall = max(self.seen.stall, float(found[1])) if found else self.seen.stall

    async def _look_at_rest(self) -> None:
        seen = self.seen
        await self._note_stall()
        deadline = time.monotonic() + _REST_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(2)
            seen.rest_memory, seen.rest_descriptors = self._memory(), self._descriptors()
            seen.containers_left = self._surplus()
            has_fewer = seen.rest_descriptors <= seen.idle_descriptors + DESCRIPTORS_MORE
            if not seen.containers_left and seen.rest_memory <= 1.3 * seen.idle_memory and has_fewer:
                break
        builds, temporary = self.paas.data / "builds", self.paas.data / "tmp"
        left = [*builds.glob("*"), *temporary.glob("*/*")]
        seen.files_left = sorted(str(path.relative_to(self.paas.data)) for path in left)

    async def _post(self, path: str, body: dict) -> httpx2.Response | None:
        """None if the server was killed meanwhile: whoever asks does it again."""
        await self._is_up.wait()
        with contextlib.suppress(httpx2.HTTPError):
            return await self._api.post(path, json=body)
        return None

    async def _named(self, name: str) -> dict | None:
        while True:
            await self._is_up.wait()
            with contextlib.suppress(httpx2.HTTPError):
                apps: list[dict] = (await self._api.get("/api/apps")).json()
                return next((app for app in apps if app["name"] == name), None)

    async def _insist(self, path: str, body: dict) -> None:
        while await self._post(path, body) is None:
            pass

    async def _ended(self, deployment: str) -> dict:
        while True:
            await self._is_up.wait()
            with contextlib.suppress(httpx2.HTTPError):
                found = (await self._api.get("/api/deployments/get", params={"id": deployment})).json()
                if found["status"] not in ("queued", "building"):
                    return found
            await asyncio.sleep(0.3)

    def _memory(self) -> int:
        assert self.paas.process is not None
        with contextlib.suppress(OSError, ValueError):
            status = Path(f"/proc/{self.paas.process.pid}/status").read_text()
            return int(status.partition("VmRSS:")[2].split()[0]) * 1024
        return 0

    def _descriptors(self) -> int:
        assert self.paas.process is not None
        return len(list(Path(f"/proc/{self.paas.process.pid}/fd").iterdir()))

    def _surplus(self) -> list[str]:
        """Containers beside the one of each app that stays, in words."""
        instance = (self.paas.data / "instance_id").read_text().strip()
        shown = '{{.Label "better-paas.app"}} {{.Names}} ({{.Status}})'
        found = docker("ps", "--all", "--filter", f"label=better-paas.instance={instance}", "--format", shown)
        kept: set[str] = set()
        surplus = []
        for line in found.splitlines():
            app = line.partition(" ")[0]
            if app in self._staying and app not in kept:
                kept.add(app)
            else:
                surplus.append(line)
        return surplus


def _version(number: int) -> dict[str, str | None]:
    return {name: text.replace("VERSION", str(number)) for name, text in GOOD.items()}


def report(seen: Seen) -> list[str]:
    """Lines for people."""
    mebibytes = 2**20
    return [
        f"visits {seen.visited}, lost {seen.lost} {dict(seen.failures)}, "
        f"sent again on a new connection {sum(result.reopened for result in seen.visits)}",
        f"health p99 {seen.health_p99:.0f} ms of {len(seen.health)}, the longest {max(seen.health):.0f} ms",
        f"longest stall of the event loop {seen.stall:.1f} s (from one second on)",
        f"deployments of others {dict(seen.deployments)}; kills {seen.kills}",
        f"memory idle {seen.idle_memory / mebibytes:.0f} MiB, peak {seen.peak_memory / mebibytes:.0f} MiB, "
        f"at rest {seen.rest_memory / mebibytes:.0f} MiB",
        f"descriptors idle {seen.idle_descriptors}, at rest {seen.rest_descriptors}",
        f"left behind: containers {seen.containers_left[:5]}, files {seen.files_left[:5]}",
        f"hostile: {dict(sorted(seen.hostile.items()))}",
        *seen.problems[:10],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calm", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        git = GitServer(Path(folder))
        paas = soak_server(Path(folder))
        paas.start()
        try:
            seen = asyncio.run(Soak(paas, git, options.seed, options.calm).run(options.minutes * 60))
        finally:
            paas.close()
            git.close()
    print("\n".join(report(seen)))


def soak_server(folder: Path) -> PaasServer:
    return PaasServer(
        folder / "data", APP_PORTS=app_ports(26000, 500), DRAIN_SECONDS="2", HEALTH_TIMEOUT="15", BUILD_TIMEOUT="60"
    )


if __name__ == "__main__":
    main()
