"""Ways out of this server: how checkpoints and entries get to a file, a webhook, a log host, a repository, a bucket."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from better_paas.git.limits import Limits
from better_paas.git.push import append
from better_paas.git.source import parse_address
from better_paas.objects.store import S3Access, put_new

_SECONDS = 30.0
_GIT_SECONDS, _GIT_BYTES = 120, 64 * 2**20
# RFC 5424: facility 13 (log audit), severity 6 (informational).
_PRIORITY = 13 * 8 + 6
# (number, text): of a checkpoint its size and note, of an entry its number and record.
Item = tuple[int, str]


@dataclass(frozen=True)
class Access:
    """Credentials of the ways that need them. git_token: a password, user:password or private key."""

    git_token: str
    s3: S3Access


async def deliver(address: str, kind: str, items: Sequence[Item], access: Access) -> None:
    """Hand items over, in order; returns when they are there. kind: "anchor" or "stream".

    Errors: OSError, httpx2.HTTPError, FetchFailed, AlreadyThere, obstore's BaseError.
    """
    parts = urlsplit(address)
    match parts.scheme:
        case "file":
            await asyncio.to_thread(_append, Path(parts.path), items)
        case "syslog":
            await _syslog(parts.hostname or "localhost", parts.port or 514, items)
        case "s3":
            objects = [(f"{_log_name(note)}/checkpoint-{size:012}.txt", note.encode()) for size, note in items]
            await put_new(parts.netloc, parts.path.strip("/"), objects, access.s3)
        case "git+https" | "git+http" | "git+ssh":
            await _commit(address.removeprefix("git+"), items, access.git_token)
        case _:
            await _post(address, kind, items)


def _append(path: Path, items: Sequence[Item]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(text + "\n" for _, text in items)
        file.flush()
        os.fsync(file.fileno())


async def _post(address: str, kind: str, items: Sequence[Item]) -> None:
    content_type = "text/plain; charset=utf-8" if kind == "anchor" else "application/x-ndjson"
    body = "".join(text + "\n" for _, text in items).encode()
    async with httpx2.AsyncClient(timeout=_SECONDS) as client:
        response = await client.post(address, content=body, headers={"Content-Type": content_type})
        response.raise_for_status()


async def _syslog(host: str, port: int, items: Sequence[Item]) -> None:
    """RFC 5424 messages over TCP, each with its length before it (RFC 6587, 3.4.1)."""
    async with asyncio.timeout(_SECONDS):
        _, writer = await asyncio.open_connection(host, port)
        try:
            for number, text in items:
                line = text.replace("\n", "\\n")
                message = f"<{_PRIORITY}>1 - - better-paas - audit-{number} - {line}".encode()
                writer.write(str(len(message)).encode() + b" " + message)
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


def _log_name(note: str) -> str:
    """Several servers may share a repository or a bucket."""
    return note.partition("/")[0]


async def _commit(url: str, items: Sequence[Item], token: str) -> None:
    """Checkpoints as messages of commits, on a branch of the log's own name."""
    address = parse_address(url)
    # Whoever set this address means it, private or not.
    limits = Limits(_GIT_SECONDS, _GIT_BYTES, (address.host,))
    await append(address, token, f"audit/{_log_name(items[0][1])}", [note for _, note in items], limits)
