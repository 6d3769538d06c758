"""The server's own command, as a process."""

import os
import stat
import subprocess
import sys


def better_paas(data, *arguments, cwd="/", **settings):
    environment = {"PATH": os.environ["PATH"], "BETTER_PAAS_DATA_DIR": str(data), **settings}
    return subprocess.run(
        [sys.executable, "-m", "better_paas", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_token_is_shown_and_rotated_from_any_directory(tmp_path):
    from better_paas.access.admin import AdminToken

    missing = better_paas(tmp_path, "token")
    assert missing.returncode == 1
    assert "Start the server once" in missing.stderr
    token = AdminToken(tmp_path, None)
    assert token.ensure()
    assert not token.ensure()
    first = better_paas(tmp_path, "token").stdout.strip()
    assert len(first) == 64
    assert stat.S_IMODE((tmp_path / "admin_token.txt").stat().st_mode) == 0o600
    assert token.matches(first)
    second = better_paas(tmp_path, "token", "rotate", cwd=tmp_path).stdout.strip()
    assert second != first
    assert token.matches(second)  # a running server takes the new one at once
    assert not token.matches(first)


def test_a_pinned_token_is_not_rotated(tmp_path):
    done = better_paas(tmp_path, "token", "rotate", ADMIN_TOKEN="a-pinned-token-of-mine")
    assert done.returncode == 1
    assert "ADMIN_TOKEN pins" in done.stderr
    assert (
        better_paas(tmp_path, "token", ADMIN_TOKEN="a-pinned-token-of-mine").stdout.strip() == "a-pinned-token-of-mine"
    )


def test_a_setting_that_makes_no_sense_stops_the_start(tmp_path):
    done = better_paas(tmp_path, "serve", HTTP_PORT="none")
    assert done.returncode == 2
    assert "HTTP_PORT" in done.stderr
    assert "settings.md" in done.stderr


def test_help_and_wrong_use(tmp_path):
    assert "serve" in better_paas(tmp_path, "--help").stdout
    assert better_paas(tmp_path, "no-such-command").returncode != 0
