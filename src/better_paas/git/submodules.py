"""Submodules of a tree: which commit of which repository belongs where. Pure."""

import posixpath
from dataclasses import dataclass, replace

from better_paas.git.errors import FetchFailed, TooMuch
from better_paas.git.source import GitAddress, SourceRefused, parse_address

MOST, DEEPEST = 50, 3
_LARGEST_SETTINGS = 64 * 1024
_GITLINK = b"160000 commit "
_HEX = frozenset(b"0123456789abcdef")


@dataclass(frozen=True)
class Submodule:
    """path: in the tree. commit: its full id."""

    path: str
    commit: str
    address: GitAddress


class Links:
    """Commits by path, from the output of `git ls-tree -r -z` as it comes: of all files nothing is kept."""

    def __init__(self) -> None:
        self._rest = b""
        self._found: list[bytes] = []

    def feed(self, part: bytes) -> None:
        """Errors: TooMuch."""
        *entries, self._rest = (self._rest + part).split(b"\0")
        self._found += [entry for entry in entries if entry.startswith(_GITLINK)]
        if len(self._found) > MOST:
            raise TooMuch(f"the repository has more than {MOST} submodules", "Deploy it without submodules.")

    def commits(self) -> dict[str, str]:
        entries = (entry.removeprefix(_GITLINK).partition(b"\t") for entry in self._found)
        return {
            path.decode("utf-8", "surrogateescape"): commit.decode()
            for commit, _, path in entries
            if commit and set(commit) <= _HEX
        }


class Settings:
    """Addresses by path, from the output of `git config --file .gitmodules --list -z` as it comes.

    size: of the file, in bytes. Errors: TooMuch; git repeats the name of a section for each line of it, so that little
    may become much.
    """

    def __init__(self, size: int) -> None:
        self._text = bytearray()
        self._check(size)

    def feed(self, part: bytes) -> None:
        """Errors: TooMuch."""
        self._check(len(self._text) + len(part))
        self._text += part

    def addresses(self, parent: GitAddress) -> dict[str, GitAddress]:
        """Errors: FetchFailed."""
        named: dict[str, dict[str, str]] = {}
        for entry in self._text.decode("utf-8", "surrogateescape").split("\0"):
            key, _, value = entry.partition("\n")
            section, _, rest = key.partition(".")
            name, _, field = rest.rpartition(".")
            if section == "submodule" and field in ("path", "url"):
                named.setdefault(name, {})[field] = value
        whole = [found for found in named.values() if {"path", "url"} <= found.keys()]
        return {found["path"]: _address(found["url"], parent) for found in whole}

    def _check(self, size: int) -> None:
        if size > _LARGEST_SETTINGS:
            raise TooMuch(".gitmodules is too large", f"It may have {_LARGEST_SETTINGS // 1024} KiB.")


def _address(url: str, parent: GitAddress) -> GitAddress:
    """In the way that the repository itself is reached: `git@host:…` often stands where people fetch by HTTPS.

    Errors: FetchFailed if it is on another host: nobody checked that one, and the deploy token is not for it.
    """
    if url.startswith(("./", "../")):
        base, _, path = parent.url.partition("://")
        url = f"{base}://{posixpath.normpath(posixpath.join(path, url))}"
    try:
        address = parse_address(url)
    except SourceRefused as error:
        raise FetchFailed(f"a submodule can't be used: {error}", "Correct .gitmodules.", url) from error
    if address.host == parent.host and address.scheme != parent.scheme and address.has_usual_port:
        address = replace(parent, path=address.path, token="")
    if (address.host, address.port, address.scheme) != (parent.host, parent.port, parent.scheme):
        raise FetchFailed(
            "a submodule is on another host than the repository",
            "Submodules are fetched from the repository's own host, in the same way. Correct .gitmodules, or deploy "
            "without submodules.",
            url,
        )
    return address
