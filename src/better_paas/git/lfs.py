"""Files of Git LFS: what a repository has in their place is a pointer, and a server of its host's choice has the rest.

Each address that a server names is checked like a repository's own, and each file by its digest. Source: git-lfs,
docs/spec.md and docs/api/batch.md.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from better_paas.git.counting import FILE_BYTES, too_large
from better_paas.git.errors import FetchFailed
from better_paas.git.limits import Limits
from better_paas.git.source import GitAddress
from better_paas.kit.http import AddressRefused, resolve_public

_FIRST_LINE = b"version https://git-lfs.github.com/spec/v1\n"
# Of a pointer (git-lfs, docs/spec.md).
_LARGEST = 1024
_LARGEST_ATTRIBUTES = 2**20
_OID, _SIZE = re.compile(r"^oid sha256:([0-9a-f]{64})$", re.MULTILINE), re.compile(r"^size (\d{1,15})$", re.MULTILINE)
_AT_ONCE = 100
_LARGEST_ANSWER = 4 * 2**20
_MOST_HEADERS = 20
_SILENT_SECONDS = 30.0
_JSON = "application/vnd.git-lfs+json"
_HINT = "Does the host keep the repository's LFS files, and may the deploy token read them?"


@dataclass(frozen=True)
class Pointer:
    """oid: the file's sha256. size: bytes."""

    path: Path
    oid: str
    size: int


@dataclass(frozen=True)
class _Place:
    """Where an object is."""

    href: str
    headers: Mapping[str, str]


def pointers(tree: Path) -> list[str]:
    """Paths of those in a tree, in order. Trees whose attributes name no LFS are not searched."""
    files = [Path(place, name) for place, _, names in os.walk(tree) for name in names]
    if not any(file.name == ".gitattributes" and _names_lfs(file) for file in files):
        return []
    return sorted(file.relative_to(tree).as_posix() for file in files if _is_pointer(file))


def _names_lfs(attributes: Path) -> bool:
    return not attributes.is_symlink() and b"filter=lfs" in _beginning(attributes, _LARGEST_ATTRIBUTES)


def _is_pointer(file: Path) -> bool:
    found = file.lstat()
    return not file.is_symlink() and found.st_size <= _LARGEST and _beginning(file, len(_FIRST_LINE)) == _FIRST_LINE


def _beginning(file: Path, most: int) -> bytes:
    with file.open("rb") as opened:
        return opened.read(most)


async def fetch(tree: Path, paths: Iterable[str], address: GitAddress, token: str, limits: Limits) -> None:
    """Put the files in their pointers' places. Of a host that is reached by http. Errors: FetchFailed."""
    found = await asyncio.to_thread(lambda: [each for path in paths if (each := _read(tree / path)) is not None])
    if sum(pointer.size for pointer in found) > limits.bytes or any(each.size > FILE_BYTES for each in found):
        raise too_large(limits.bytes)
    try:
        async with asyncio.timeout(limits.seconds):
            for start in range(0, len(found), _AT_ONCE):
                await _fetch(found[start : start + _AT_ONCE], address, token, limits.allowed_private)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
        raise FetchFailed("the files of Git LFS can't be fetched", _HINT, str(error)) from error
    except AddressRefused as error:
        raise FetchFailed(f"the files of Git LFS can't be fetched: {error}", _HINT, error.quoted) from error


def _read(path: Path) -> Pointer | None:
    text = path.read_text(errors="replace")
    oid, size = _OID.search(text), _SIZE.search(text)
    return Pointer(path, oid[1], int(size[1])) if oid and size else None


async def _fetch(pointers: Sequence[Pointer], address: GitAddress, token: str, allowed: Sequence[str]) -> None:
    places = await _places(pointers, address, token, allowed)
    for pointer in pointers:
        if pointer.oid not in places:
            raise FetchFailed("the host has no such file of Git LFS", _HINT, pointer.path.name)
        await _download(pointer, places[pointer.oid], allowed)


async def _places(
    pointers: Sequence[Pointer], address: GitAddress, token: str, allowed: Sequence[str]
) -> dict[str, _Place]:
    """By oid, of those that the host has."""
    objects = [{"oid": pointer.oid, "size": pointer.size} for pointer in pointers]
    wanted = {"operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects}
    headers = {"Accept": _JSON, "Content-Type": _JSON}
    if token := token or address.token:
        pair = token if ":" in token else f"x-access-token:{token}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    url = f"{address.url.removesuffix('.git')}.git/info/lfs/objects/batch"
    content = b""
    async with _answer("POST", url, headers, allowed, json.dumps(wanted).encode()) as response:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("the host packs its answer, though it was asked not to")
        async for part in response.aiter_raw():
            content += part
            if len(content) > _LARGEST_ANSWER:
                raise ValueError("the host's answer is too large")
    return {
        oid: place
        for entry in _listed(json.loads(content))
        if (oid := str(entry.get("oid"))) and (place := _place(entry))
    }


def _listed(answer: Any) -> list[dict[str, Any]]:
    objects = answer.get("objects") if isinstance(answer, dict) else None
    return [entry for entry in objects if isinstance(entry, dict)] if isinstance(objects, list) else []


def _place(entry: dict[str, Any]) -> _Place | None:
    actions = entry.get("actions")
    action = actions.get("download") if isinstance(actions, dict) else None
    if not isinstance(action, dict) or not isinstance(action.get("href"), str):
        return None
    given = action.get("header")
    headers = dict(list(given.items())[:_MOST_HEADERS]) if isinstance(given, dict) else {}
    return _Place(action["href"], {str(name): str(value) for name, value in headers.items() if name.lower() != "host"})


async def _download(pointer: Pointer, place: _Place, allowed: Sequence[str]) -> None:
    digest, size = hashlib.sha256(), 0
    part_file = pointer.path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        async with _answer("GET", place.href, place.headers, allowed) as response:
            with part_file.open("wb") as file:
                async for part in response.aiter_raw():
                    size += len(part)
                    if size > pointer.size:
                        break
                    digest.update(part)
                    file.write(part)
        if size != pointer.size or digest.hexdigest() != pointer.oid:
            raise FetchFailed("a file of Git LFS is not what its pointer says", "Push it again.", pointer.path.name)
        part_file.chmod(pointer.path.stat().st_mode & 0o777)
        part_file.replace(pointer.path)
    finally:
        part_file.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _answer(
    method: str, url: str, headers: Mapping[str, str], allowed: Sequence[str], content: bytes | None = None
) -> AsyncIterator[httpx2.Response]:
    """Of the address that was checked: the name is not asked for again. Redirects are not followed."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address is neither http nor https")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    pinned = await resolve_public(parts.hostname, port, allowed)
    place = f"[{pinned}]" if ":" in pinned else pinned
    target = parts._replace(netloc=f"{place}:{port}").geturl()
    async with (
        httpx2.AsyncClient(trust_env=False, verify=ssl.create_default_context(), timeout=_SILENT_SECONDS) as client,
        client.stream(
            method,
            target,
            headers={**headers, "Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity"},
            content=content,
            extensions={"sni_hostname": parts.hostname},
        ) as response,
    ):
        if response.status_code != httpx2.codes.OK:
            raise ValueError(f"the host answered {response.status_code}")
        yield response
