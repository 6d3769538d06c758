"""Which authority, and that it gave nothing. Apart from the protocol, whose libraries are loaded when they are used."""

from dataclasses import dataclass


class NoCertificate(Exception):
    """The authority gave none; the message says why."""


@dataclass(frozen=True)
class Authority:
    """directory: its address. root: file with the root that its own certificate stands on; empty for public ones."""

    directory: str
    root: str
    email: str
