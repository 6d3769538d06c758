"""The official MCP conformance suite, both eras: a fixture on our stack passes it, and the product what applies to it."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.system.servers import free_port, wait_until

pytestmark = pytest.mark.engine
FOLDER = Path(__file__).parent
SUITE = FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"


@pytest.fixture(scope="module", params=["fixture", "product"])
def served(request):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.serve", str(port), request.param],
        cwd=FOLDER.parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: _answers(port), 30)
    yield request.param, f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/api/health").status_code == 200
    except httpx2.HTTPError:
        return False


# How many scenarios of the revision pass; a new one that fails is told by the suite itself.
PASSING = {
    ("fixture", "2026-07-28"): 37, ("fixture", "2025-11-25"): 22, ("product", "2026-07-28"): 9, ("product", "2025-11-25"): 7,
}  # fmt: skip


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
def test_the_suite(served, revision, tmp_path):
    kind, address = served
    done = subprocess.run(
        ["node", SUITE, "server", "--url", address, "--requirements", revision, "--timeout", "20000",
         "--expected-failures", FOLDER / f"{kind}-{revision}.yml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    summary = done.stdout[done.stdout.rfind("=== SUMMARY ===") :]
    assert done.returncode == 0, summary + done.stderr[-2000:]
    unscored = set(re.findall(r"^  [✗✓] (\S+) \(", summary, re.MULTILINE))
    passed = set(re.findall(r"^✓ (\S+):", summary, re.MULTILINE)) - unscored
    assert len(passed) >= PASSING[kind, revision], summary
