"""The admin token: one file, made on first run, readable by its owner alone."""

import hashlib
import hmac
from pathlib import Path

from better_paas.kit.files import write_atomically
from better_paas.kit.ids import new_secret

FILE_NAME = "admin_token.txt"


def digest_of(token: str) -> str:
    """What is compared: its length says nothing, and it may be kept in memory."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class AdminToken:
    """Checks against the file as it is now, so that `better-paas token rotate` takes effect at once."""

    def __init__(self, data_dir: Path, pinned: str | None) -> None:
        self.path = data_dir / FILE_NAME
        self._pinned = pinned
        self._read_at: tuple[int, int] | None = None
        self._digest = ""

    def ensure(self) -> bool:
        """Make the token if there is none; True if it was made now."""
        kept = self.path.read_text().strip() if self.path.exists() else ""
        if self._pinned is not None:
            if kept != self._pinned:  # else a full disk would keep the server from starting for nothing
                write_atomically(self.path, self._pinned + "\n")
            return False
        if kept:
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
        return self.matches_digest(digest_of(candidate))

    def matches_digest(self, digest: str) -> bool:
        """Whether this is the digest of the token as it is now."""
        return hmac.compare_digest(digest, self._current_digest())

    def _current_digest(self) -> str:
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._read_at:
            self._digest = digest_of(self.value())
            self._read_at = stamp
        return self._digest
