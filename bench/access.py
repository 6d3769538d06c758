"""Tokens and the audit log: checks, what they cost a request, proving and searching a long log, audited writes.

Run: .venv/bin/python -m bench.access [--entries 1000000]. Takes about two minutes; needs no engine.
"""

import argparse
import asyncio
import hashlib
import json
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import structlog
from tests.fakes import FakeBases, FakeIngress, FakeRuntime

from bench.table import row
from better_paas.agents import token
from better_paas.agents.registry import Grant, Registry
from better_paas.app import create_app
from better_paas.audit import service as audit
from better_paas.audit.archive import prove
from better_paas.audit.merkle import leaf_hash
from better_paas.bootstrap import Platform
from better_paas.settings import Settings

ADMIN = "the-admin-token-of-the-bench"
# Half of the 2,000 changes a second that are wanted.
_PACE = 1_000
ACTIONS = ("app:deploy", "app:stop", "app:start", "app:update", "deployment:logs", "auth:verify")


def checks() -> None:
    """A token's check beside a hash made for passwords."""
    registry, tokens = Registry(), []
    for _ in range(10_000):
        made = token.make(token.new_agent_id())
        parsed = token.parse(made)
        tokens.append(made)
        registry.put(
            Grant(parsed.id, "n", frozenset({"apps:read"}), True, frozenset(), frozenset(), None, (), 600, None, "none", None, parsed.digest, "", None, False)
        )  # fmt: skip
    now, started = datetime.now(UTC), time.perf_counter()
    for number in range(100_000):
        assert registry.check(token.parse(tokens[number % 10_000]), now) is not None
    ours = 100_000 / (time.perf_counter() - started)
    started = time.perf_counter()
    for _ in range(20):
        hashlib.scrypt(b"secret", salt=b"salt", n=2**14, r=8, p=1)
    baseline = 20 / (time.perf_counter() - started)
    row(
        "token checks a second, one core, 10,000 tokens",
        f"{ours:,.0f}",
        f"{baseline:,.0f} (scrypt, as for passwords)",
        f"{ours / baseline:,.0f}",
    )


async def requests(platform: Platform) -> None:
    """A list request with an agent token, beside the same without any check."""
    transport = httpx2.ASGITransport(app=create_app(platform))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://b", headers={"Authorization": f"Bearer {ADMIN}"}
    ) as admin:
        for number in range(20):
            await admin.post("/api/deploy", json={"name": f"app-{number}", "gitRepo": "sample:hello-python"})
        made = (
            await admin.post("/api/agents/create", json={"name": "b", "scopes": ["apps:read"], "ratePerMinute": 60000})
        ).json()
        agent = {"Authorization": f"Bearer {made['token']}"}

        async def took(headers: dict[str, str], path: str = "/api/apps") -> float:
            started = time.perf_counter()
            response = await admin.get(path, headers=headers)
            assert response.status_code == 200
            return time.perf_counter() - started

        parsed = token.parse(made["token"])
        started = time.perf_counter()
        for _ in range(20_000):
            platform.agents.check(token.parse(made["token"]), datetime.now(UTC))
        check = (time.perf_counter() - started) / 20_000
        assert parsed is not None
        whole = statistics.median([await took(agent) for _ in range(400)])
        row(
            "of a list request of 20 apps, the token's check takes",
            f"{check * 1e6:.1f} µs",
            f"{whole * 1e6:,.0f} µs in all",
            f"{100 * check / whole:.2f} %",
        )


async def writes(platform: Platform, folder: Path) -> None:
    """Durable audited changes beside the same number of durable inserts, one commit each."""

    def unit(session) -> None:
        audit.record(session, audit.Entry("admin", "admin", "app:stop", "success", "r"))

    count = 4_000
    started = time.perf_counter()
    await asyncio.gather(*(platform.database.write(unit) for _ in range(count)))
    ours = count / (time.perf_counter() - started)
    paced = await _paced(lambda: platform.database.write(unit))
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (x TEXT);")
    started = time.perf_counter()
    for _ in range(1_000):
        connection.execute("INSERT INTO t VALUES ('x')")
    plain = 1_000 / (time.perf_counter() - started)

    async def insert() -> None:
        connection.execute("INSERT INTO t VALUES ('x')")

    plain_paced = await _paced(insert)
    connection.close()
    row(
        "durable audited changes a second, many callers",
        f"{ours:,.0f}",
        f"{plain:,.0f} (one commit for each insert)",
        f"{ours / plain:.1f}",
    )
    row(
        f"p99 of one at {_PACE:,} a second",
        f"{paced:.1f} ms",
        f"{plain_paced:.1f} ms (one commit for each insert)",
        f"{paced / plain_paced:.1f}",
    )


async def _paced(change: Callable[[], Awaitable[None]], count: int = 4_000) -> float:
    """p99 in ms of changes that come at a steady rate; each one's time counts from when it was due."""
    took: list[float] = []
    begun = time.perf_counter()

    async def one(due: float) -> None:
        await change()
        took.append((time.perf_counter() - due) * 1000)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = begun + number / _PACE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due))
    return statistics.quantiles(took, n=100)[98]


def fill(path: Path, count: int) -> None:
    """`count` entries like those of a busy installation."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM audit_entries")
    connection.execute("DELETE FROM audit_checkpoints")
    moment, rows = datetime(2026, 1, 1, tzinfo=UTC), []
    actors = [secrets.token_hex(5) for _ in range(50)]
    connection.execute("BEGIN")
    for number in range(1, count + 1):
        entry = audit.Entry(
            "agent", actors[number * 7 % 50], ACTIONS[number % 6], "denied" if number % 97 == 0 else "success", f"r{number // 2:016d}",
            actor_name="GitHub Actions", resource_type="app", resource_id=f"app{number % 300:07d}", resource_name="orders-api",
            ip_address="203.0.113.7", payload={"branch": "main"}, decision="allow", status=200, duration_ms=12,
            created_at=moment + timedelta(seconds=number * 20),
        )  # fmt: skip
        text = audit.canonical(entry, number)
        rows.append((number, text, leaf_hash(text.encode())))
        if len(rows) == 10_000:
            connection.executemany("INSERT INTO audit_entries (id, record, leaf) VALUES (?, ?, ?)", rows)
            rows.clear()
    connection.executemany("INSERT INTO audit_entries (id, record, leaf) VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


async def long_log(platform: Platform, path: Path, count: int) -> None:
    await platform.checkpoints.make()
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    started = time.perf_counter()
    report = prove(path.parent, "", platform.checkpoints.signer.verifier)
    ours = count / (time.perf_counter() - started)
    assert report.ok, report.findings
    started = time.perf_counter()
    for (text,) in connection.execute("SELECT record FROM audit_entries"):
        json.loads(text)
    baseline = count / (time.perf_counter() - started)
    actor = connection.execute("SELECT actor_id FROM audit_entries LIMIT 1").fetchone()[0]
    connection.close()
    row(
        f"entries proven a second, of {count:,}",
        f"{ours:,.0f}",
        f"{baseline:,.0f} (reading and decoding alone)",
        f"{ours / baseline:.2f}",
    )
    asked = {
        "newest": audit.Filters(), "one actor": audit.Filters(actor=actor), "refusals": audit.Filters(outcome="denied"),
        "one app": audit.Filters(resource="app0000042"), "actor and action": audit.Filters(actor=actor, action="app:stop"),
        "a day": audit.Filters(since="2026-03-01", until="2026-03-02"), "text that is rare": audit.Filters(text="app0000042"),
        "text that is nowhere": audit.Filters(text="nowhere to be found"), "actor and outcome that never meet": audit.Filters(actor=actor, outcome="pending"),
    }  # fmt: skip
    for name, filters in asked.items():
        taken = []
        for number in range(100):
            before = None if number % 2 else count - number * (count // 200)
            started = time.perf_counter()
            await platform.database.read(
                lambda session, before=before, filters=filters: audit.page(session, filters, 50, before)
            )
            taken.append((time.perf_counter() - started) * 1000)
        taken.sort()
        row(f"page of {count:,}: {name}, p99", f"{taken[98]:.1f} ms", "≤ 50 ms wanted", f"{taken[98] / 50:.2f}")


async def run(folder: Path, count: int) -> None:
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr), wrapper_class=structlog.make_filtering_bound_logger(40)
    )
    settings = Settings(
        better_paas_data_dir=folder / "data",
        admin_token=ADMIN,
        docker_host="unix:///nonexistent.sock",
        app_ports="26000-26100",
    )
    runtime = FakeRuntime()
    platform = Platform(settings, runtime, FakeIngress(), FakeBases())
    await platform.start()
    path = settings.data_dir / "better-paas.db"
    print("| | ours | baseline | ratio |\n|---|---|---|---|")
    checks()
    await requests(platform)
    await writes(platform, folder)
    await platform.stop()
    fill(path, count)
    platform = Platform(settings, runtime, FakeIngress(), FakeBases())
    await platform.start()
    await long_log(platform, path, count)
    await platform.stop()
    await runtime.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        asyncio.run(run(Path(folder), arguments.entries))


main()
