"""Settings say what is wrong with them."""

import pytest
from pydantic import ValidationError

from better_paas.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_defaults():
    settings = Settings()
    assert settings.listen == ("0.0.0.0", 8080)
    assert settings.port_range == range(20000, 30000)


def test_a_file_in_the_data_directory_is_read_and_the_environment_wins(tmp_path, monkeypatch):
    from better_paas.settings import load

    (tmp_path / "settings.env").write_text("HTTP_PORT=8081\nHTTPS_PORT=8444\n")
    monkeypatch.setenv("BETTER_PAAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HTTPS_PORT", "9443")
    settings = load()
    assert (settings.http_port, settings.https_port) == (8081, 9443)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_PORTS", "9"),
        ("APP_PORTS", "30000-20000"),
        ("HTTP_PORT", "0"),
        ("INGRESS_TLS", "maybe"),
        ("ADMIN_TOKEN", "short"),
        ("PUBLIC_ADDRESS", "x"),
    ],
)
def test_nonsense_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()
