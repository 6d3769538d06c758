"""Which authority, and that it gave nothing. Apart from the protocol, whose libraries are loaded when they are used."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass


class NoCertificate(Exception):
    """The authority gave none; the message says why."""


# Called with a record's name and text: a block in which that record is there for all to see.
TextRecord = Callable[[str, str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Authority:
    """directory: its address. root: file with the root that its own certificate stands on; empty for public ones."""

    directory: str
    root: str
    email: str
