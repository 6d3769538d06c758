"""Submodules of a tree: which commit of which repository belongs where. Pure."""

import posixpath
from dataclasses import dataclass, replace

from better_paas.git.errors import FetchFailed
from better_paas.git.source import GitAddress, SourceRefused, parse_address

MOST, DEEPEST = 50, 3
_GITLINK = b"160000 "


@dataclass(frozen=True)
class Submodule:
    """path: in the tree. commit: its full id."""

    path: str
    commit: str
    address: GitAddress


def commits_in(listing: bytes) -> dict[str, str]:
    """Commits by path, from the output of `git ls-tree -r -z`."""
    entries = (entry.partition(b"\t") for entry in listing.split(b"\0") if entry.startswith(_GITLINK))
    return {path.decode("utf-8", "surrogateescape"): head.split()[2].decode() for head, _, path in entries}


def addresses_in(settings: bytes, parent: GitAddress) -> dict[str, GitAddress]:
    """Addresses by path, from the output of `git config --file .gitmodules --list -z`. Errors: FetchFailed."""
    named: dict[str, dict[str, str]] = {}
    for entry in settings.decode("utf-8", "surrogateescape").split("\0"):
        key, _, value = entry.partition("\n")
        section, _, rest = key.partition(".")
        name, _, field = rest.rpartition(".")
        if section == "submodule" and field in ("path", "url"):
            named.setdefault(name, {})[field] = value
    whole = [found for found in named.values() if {"path", "url"} <= found.keys()]
    return {found["path"]: _address(found["url"], parent) for found in whole}


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
