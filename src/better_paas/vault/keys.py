"""Where the key ring comes from: the environment, or a file that is made on first run."""

from collections.abc import Sequence
from pathlib import Path

from better_paas.errors import StartRefused
from better_paas.kit.crypto import Key, KeyRefused, new_key, parse_key
from better_paas.kit.files import write_atomically

FILE_NAME = "secret.key"


class KeySource:
    """The ring's home. pinned, previous: BETTER_PAAS_SECRET_KEY and BETTER_PAAS_SECRET_KEY_PREVIOUS."""

    def __init__(self, data_dir: Path, pinned: str | None, previous: str | None) -> None:
        self.path = data_dir / FILE_NAME
        self._pinned, self._previous = pinned, previous

    @property
    def is_pinned(self) -> bool:
        """Whether the key is given from outside: then it is changed there and not by the product."""
        return self._pinned is not None

    def load(self, *, create: bool) -> list[Key]:
        """The keys, the one that seals first. Errors: StartRefused.

        create: make the file if there is none, which only a new installation does.
        """
        if self._pinned is not None:
            names = ("BETTER_PAAS_SECRET_KEY", "BETTER_PAAS_SECRET_KEY_PREVIOUS")
            texts = [(name, text) for name, text in zip(names, (self._pinned, self._previous), strict=True) if text]
            # A file from before the key was given from outside goes on opening what it sealed.
            older = self._read() if self.path.exists() else []
            keys = [_parse(name, text) for name, text in texts]
            return [*keys, *(key for key in older if key not in keys)]
        if not self.path.exists():
            if not create:
                raise StartRefused(
                    f"the secret key is missing: there is no {self.path}",
                    "Bring the file back from a backup, or set BETTER_PAAS_SECRET_KEY to the key. "
                    "Without it the stored secrets can't be opened by anybody.",
                )
            self.save([new_key()])
        return self._read()

    def save(self, keys: Sequence[Key]) -> None:
        """Write the file: one key a line, the one that seals first."""
        write_atomically(self.path, "".join(f"{key.raw.hex()}\n" for key in keys))

    def _read(self) -> list[Key]:
        lines = [line for line in self.path.read_text().splitlines() if line.strip()]
        if not lines:
            raise StartRefused(f"{self.path} is empty", "Bring it back from a backup, or set BETTER_PAAS_SECRET_KEY.")
        return [_parse(str(self.path), line) for line in lines]


def _parse(name: str, text: str) -> Key:
    try:
        return parse_key(text)
    except KeyRefused as error:
        raise StartRefused(f"{name} is no key: it {error}", "Correct it, then start again.") from None
