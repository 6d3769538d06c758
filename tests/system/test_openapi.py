"""Schemathesis on a running server: no call of the API, however it is made up, is an error of ours or lets anybody in."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.servers import ADMIN_TOKEN, PaasServer

pytestmark = pytest.mark.engine
_PROGRAM = Path(sys.executable).with_name("schemathesis")
# Streams never end by themselves.
_STREAMS = r"/stream$|/api/events$"


def test_made_up_calls(tmp_path):
    server = PaasServer(tmp_path / "data", APP_PORTS="23300-23399")
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
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    finally:
        server.close()
