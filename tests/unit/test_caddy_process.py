"""What the ingress's process asks of the system."""

import pytest

from better_paas.caddy import waiting


@pytest.mark.parametrize(("before", "after", "is_so"), [("0\n", "1", True), ("1\n", "1\n", True), (None, None, False)])
def test_those_who_wait_at_a_socket_that_is_closed_go_to_the_next(monkeypatch, tmp_path, before, after, is_so):
    setting = tmp_path / "tcp_migrate_req"
    if before is not None:
        setting.write_text(before)
    monkeypatch.setattr(waiting, "_MIGRATE", setting)
    assert waiting.keep_waiting_connections() is is_so
    assert (setting.read_text() if setting.exists() else None) == after
