"""Schemathesis on a running server: no call of the API, however it is made up, is an error of ours or lets anybody in."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.servers import ADMIN_TOKEN, PaasServer, app_ports

pytestmark = pytest.mark.engine
_PROGRAM = Path(sys.executable).with_name("schemathesis")
# Streams never end by themselves.
_STREAMS = r"/stream$|/api/events$"


def test_made_up_calls(tmp_path):
    server = PaasServer(tmp_path / "data", APP_PORTS=app_ports(23300))
    server.start()
    try:
        server.live("fuzzed", "sample:hello-static")
        done = subprocess.run(
            [
                _PROGRAM, "run", f"http://127.0.0.1:{server.api_port}/api/openapi.json",
                "--header", f"Authorization: Bearer {ADMIN_TOKEN}", "--exclude-path-regex", _STREAMS,
                "--checks", "not_a_server_error,ignored_auth", "--phases", "examples,coverage,fuzzing",
                "--max-examples", "8", "--generation-deterministic", "--request-timeout", "30", "--no-color",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 1000, done.stdout[-3000:] + done.stderr[-2000:]
        # After five wrong tokens the next are answered 429, which the check does not know as a refusal.
        kinds = set(re.findall(r"❌ (ST\d+)", done.stdout))
        statuses = set(re.findall(r"got `(\d{3})", done.stdout))
        assert (kinds, statuses) in ((set(), set()), ({"ST401"}, {"429"})), done.stdout[-8000:]
    finally:
        server.close()
