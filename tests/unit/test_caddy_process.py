"""What the ingress's process asks of the system."""

import pytest

from better_paas.caddy import process


@pytest.mark.parametrize(("before", "after"), [("0\n", "1"), ("1\n", "1\n"), (None, None)])
def test_those_who_wait_at_a_socket_that_is_closed_go_to_the_next(monkeypatch, tmp_path, before, after):
    setting = tmp_path / "tcp_migrate_req"
    if before is not None:
        setting.write_text(before)
    monkeypatch.setattr(process, "_MIGRATE", setting)
    process.keep_waiting_connections()
    assert (setting.read_text() if setting.exists() else None) == after
