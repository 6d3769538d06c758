"""What a source may take."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """seconds and bytes that a source may take, and hosts that may be private."""

    seconds: int
    bytes: int
    allowed_private: Sequence[str]
