"""Counts what git lists while it lists it: a list that is too long is never held, and its git is ended. Pure."""

from dataclasses import dataclass, field

from better_paas.git.errors import TooMuch

# As for uploaded files, so that what can be deployed one way can be deployed the other.
_DEEPEST, _LONGEST_PATH, _LONGEST_NAME = 60, 1024, 255
_MOST_FILES, _MOST_FOLDERS = 50_000, 50_000
FILE_BYTES = 100 * 2**20
MOST_REFS = 50_000
_LONGEST_REF = 1024
# Of an entry besides its path: mode, kind, id of up to 64 digits, size.
_ENTRY_HEAD = 128


@dataclass
class Pieces:
    """Cuts a stream at `end`; a piece of more than `longest` bytes is refused before it is whole. Errors: TooMuch."""

    end: bytes
    longest: int
    refusal: TooMuch
    _rest: bytes = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        *pieces, self._rest = (self._rest + chunk).split(self.end)
        if len(self._rest) > self.longest or any(len(piece) > self.longest for piece in pieces):
            raise self.refusal
        return pieces


def _long_path() -> TooMuch:
    return TooMuch(
        "the source has a file with a path that is too long",
        f"A path may have {_LONGEST_PATH} bytes, a name in it {_LONGEST_NAME}. Rename it.",
    )


class TreeCount:
    """Takes the output of `git ls-tree -r -t -l -z` as it comes. Errors: TooMuch."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._pieces = Pieces(b"\0", _ENTRY_HEAD + _LONGEST_PATH, _long_path())
        self._files = self._folders = self._bytes = 0

    def feed(self, chunk: bytes) -> None:
        for entry in self._pieces.feed(chunk):
            self._count(entry)

    def _count(self, entry: bytes) -> None:
        head, _, path = entry.partition(b"\t")
        _, kind, _, size = head.split()
        if len(path) > _LONGEST_PATH or any(len(name) > _LONGEST_NAME for name in path.split(b"/")):
            raise _long_path()
        if path.count(b"/") > _DEEPEST:
            raise TooMuch("the source has folders nested too deeply", f"At most {_DEEPEST} levels are built.")
        if kind == b"tree":
            self._folders += 1
        else:
            self._files += 1
            self._add(int(size) if size.isdigit() else 0, path)
        if self._files > _MOST_FILES or self._folders > _MOST_FOLDERS:
            raise TooMuch(
                f"the source has more than {_MOST_FILES} files or {_MOST_FOLDERS} folders",
                "Take generated files out of the repository.",
            )

    def _add(self, size: int, path: bytes) -> None:
        self._bytes += size
        if size > FILE_BYTES:
            raise TooMuch(
                f"the source has a file that is larger than {FILE_BYTES // 2**20} MiB",
                "Take it out of the repository.",
                ascii(path.decode(errors="replace"))[1:-1],
            )
        if self._bytes > self._most_bytes:
            raise too_large(self._most_bytes)


@dataclass
class RefCount:
    """Takes the output of `git ls-remote --symref` as it comes. refs: ids by name; HEAD names the default branch.

    Errors: TooMuch.
    """

    refs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        hint = "Give the full id of a commit instead of a branch or tag."
        self._refusal = TooMuch(f"the repository has more than {MOST_REFS} branches and tags", hint)
        self._pieces = Pieces(b"\n", _LONGEST_REF, TooMuch("the repository has a branch or tag of endless name", hint))

    def feed(self, chunk: bytes) -> None:
        for line in self._pieces.feed(chunk):
            value, _, name = line.decode(errors="replace").partition("\t")
            if value.startswith("ref: "):
                self.refs["HEAD"] = value.removeprefix("ref: ")
            elif name != "HEAD":
                self.refs[name] = value
        if len(self.refs) > MOST_REFS:
            raise self._refusal


def too_large(most_bytes: int) -> TooMuch:
    return TooMuch(
        f"the source is larger than {most_bytes // 2**20} MiB",
        "Take large files out of the repository, or raise SOURCE_MAX_MB.",
    )
