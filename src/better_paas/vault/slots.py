"""Every column that holds secrets. A new one has a line here, or the change of keys would forget it."""

from typing import Any

from better_paas.apps.models import App
from better_paas.deployments.models import Release
from better_paas.vault.models import StoredSecret
from better_paas.vault.service import Slot


def _attribute(name: str) -> Slot:
    return Slot("apps", name, App, lambda row: getattr(row, name), lambda row, value: setattr(row, name, value))


def _write_release(row: Any, value: Any) -> None:
    row.settings = {**row.settings, "environment": value}


SLOTS: tuple[Slot, ...] = (
    _attribute("git_token"),
    _attribute("env_vars"),
    Slot(
        "stored_secrets",
        "value",
        StoredSecret,
        lambda row: row.value,
        lambda row, value: setattr(row, "value", value),
    ),
    Slot("releases", "environment", Release, lambda row: row.settings.get("environment"), _write_release),
)
