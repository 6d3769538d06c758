"""The admin token: one file, made on first run, readable by its owner alone."""

import hashlib
import hmac
from pathlib import Path

from better_paas.kit.files import write_atomically
from better_paas.kit.ids import new_secret

FILE_NAME = "admin_token.txt"


class AdminToken:
    """Checks against the file as it is now, so that `better-paas token rotate` takes effect at once."""

    def __init__(self, data_dir: Path, pinned: str | None) -> None:
        self.path = data_dir / FILE_NAME
        self._pinned = pinned
        self._read_at: tuple[int, int] | None = None
        self._digest = b""

    def ensure(self) -> bool:
        """Make the token if there is none; True if it was made now."""
        if self._pinned is not None:
            write_atomically(self.path, self._pinned + "\n")
            return False
        if self.path.exists() and self.path.read_text().strip():
            return False
        write_atomically(self.path, new_secret() + "\n")
        return True

    def value(self) -> str:
        return self._pinned or self.path.read_text().strip()

    def rotate(self) -> str:
        """Replace the token; the old one is refused from now on."""
        write_atomically(self.path, new_secret() + "\n")
        return self.value()

    def matches(self, candidate: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(hashlib.sha256(candidate.encode()).digest(), self._current_digest())

    def _current_digest(self) -> bytes:
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._read_at:
            self._digest = hashlib.sha256(self.value().encode()).digest()
            self._read_at = stamp
        return self._digest
