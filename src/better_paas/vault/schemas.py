"""API types of keys."""

from better_paas.kit.schema import Answer


class KeyAnswer(Answer):
    id: str
    active: bool
    created_at: str
    retired_at: str | None


class KeysAnswer(Answer):
    """source: "file" or "environment"."""

    source: str
    keys: list[KeyAnswer]


class RotateAnswer(Answer):
    id: str


class InventoryAnswer(Answer):
    """ok: every secret can be opened. faults: places that can't."""

    ok: bool
    values: int
    clear: int
    by_key: dict[str, int]
    faults: list[str]
