"""Fetches one commit of a repository into an empty folder, without running anything that it brings."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from better_paas.git.source import GitAddress, is_commit
from better_paas.kit.http import AddressRefused, resolve_public
from better_paas.kit.subprocess import Completed, ProgramFailed, run

# Nothing from the host's or the repository's configuration runs: no hooks, no file monitor, no filters,
# no submodules, no other transports, and no redirect to a place that was not checked.
_SAFE = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "protocol.allow=never",
    "-c",
    "protocol.https.allow=always",
    "-c",
    "protocol.http.allow=always",
    "-c",
    "protocol.ssh.allow=always",
    "-c",
    "http.followRedirects=false",
    "-c",
    "http.lowSpeedLimit=1000",
    "-c",
    "http.lowSpeedTime=30",
    "-c",
    "credential.helper=",
    "-c",
    "submodule.recurse=false",
    "-c",
    "advice.detachedHead=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
)

_DEEPEST, _MOST_FILES = 60, 50_000

Say = Callable[[str], None]


class FetchFailed(Exception):
    """The source can't be had. The message says why, the hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Commit:
    """What was fetched."""

    id: str
    message: str
    author: str


@dataclass(frozen=True)
class Limits:
    """seconds and bytes that a source may take, and hosts that may be private."""

    seconds: int
    bytes: int
    allowed_private: Sequence[str]


async def fetch(address: GitAddress, ref: str, token: str, target: Path, limits: Limits, say: Say) -> Commit:
    """Put the tree of `ref` (branch, tag, commit or "" for the default branch) into `target`.

    token: a password, `user:password`, or for ssh a private key. Errors: FetchFailed.
    """
    async with session(address, token, limits) as git:
        refs = None if is_commit(ref) else _choose(await _remote_refs(git), ref)
        target.mkdir(parents=True, exist_ok=True)
        await git("init", "--quiet", "--template=", str(target))
        await _fetch_ref(git, address, refs or ref, target, say)
        await _check_size(git, target, limits)
        await git("-C", str(target), "checkout", "--quiet", "--detach", "FETCH_HEAD")
        shown = await git("-C", str(target), "log", "-1", "--format=%H%x00%s%x00%an", "--no-show-signature")
    commit_id, message, author = [*shown.stdout.rstrip("\n").split("\0"), "", ""][:3]
    await asyncio.to_thread(shutil.rmtree, target / ".git")
    if (target / ".gitmodules").exists():
        say("This repository has submodules; they are not fetched.")
    return Commit(commit_id, message[:500], author[:200])


async def branches(address: GitAddress, token: str, limits: Limits) -> list[str]:
    """Names of the branches, the default one first. Errors: FetchFailed."""
    async with session(address, token, limits) as git:
        refs = await _remote_refs(git)
    default = refs.pop("HEAD", "")
    names = [name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/")]
    first = default.removeprefix("refs/heads/")
    return sorted(names, key=lambda name: (name != first, name))


class _Git:
    """git with the checked address, in an environment that holds nothing of the host's."""

    def __init__(self, address: GitAddress, limits: Limits, options: list[str], environment: dict[str, str]) -> None:
        self.address, self._limits, self._options, self._environment = address, limits, options, environment

    async def __call__(self, *arguments: str, say: Say | None = None) -> Completed:
        argv = ["prlimit", f"--fsize={self._limits.bytes}", "git", *_SAFE, *self._options, *arguments]
        try:
            return await run(argv, environment=self._environment, timeout=self._limits.seconds, on_line=say)
        except ProgramFailed as error:
            raise _explain(error, self.address, self._limits) from error


@contextlib.asynccontextmanager
async def session(
    address: GitAddress, token: str, limits: Limits, extra: Mapping[str, str] | None = None
) -> AsyncIterator[_Git]:
    """git for one address, with its credential. extra: more of git's environment. Errors: FetchFailed."""
    try:
        pinned = await resolve_public(address.host, address.port, limits.allowed_private)
    except AddressRefused as error:
        private = "private" in str(error)
        raise FetchFailed(
            f"the repository can't be used: {error}",
            f"If this is meant, add {address.host} to GIT_ALLOWED_PRIVATE_HOSTS."
            if private
            else "Check the address for typing mistakes.",
        ) from error
    token = token or address.token
    with tempfile.TemporaryDirectory(prefix="better-paas-git-") as folder:
        home = Path(folder)
        helper = home / "helper"
        # git starts this program itself, by its path; what it needs to know is in its environment.
        helper.write_text(f"#!{sys.executable} -IS\n" + Path(__file__).with_name("helper.py").read_text())
        helper.chmod(0o700)
        environment = {
            "HOME": folder,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_ASKPASS": str(helper),
            "GIT_SSH": str(helper),
            "GIT_SSH_VARIANT": "ssh",
            **(extra or {}),
        }
        options: list[str] = []
        if address.scheme == "ssh":
            environment["BETTER_PAAS_SSH_HOST"] = pinned
            environment["BETTER_PAAS_SSH_ALIAS"] = address.host
            if token:
                key = home / "key"
                key.touch(0o600)
                key.write_text(token.strip() + "\n")
                environment["BETTER_PAAS_SSH_KEY"] = str(key)
        else:
            bracketed = f"[{pinned}]" if ":" in pinned else pinned
            # The name was checked at this address; resolving it again could give another one.
            if address.host != pinned:
                options = ["-c", f"http.curloptResolve={address.host}:{address.port}:{bracketed}"]
            user, separator, password = token.partition(":")
            environment["BETTER_PAAS_GIT_USER"] = user if separator else "x-access-token"
            environment["BETTER_PAAS_GIT_PASSWORD"] = password if separator else user
        yield _Git(address, limits, options, environment)


async def _remote_refs(git: _Git) -> dict[str, str]:
    """Remote refs by name; HEAD gives the name of the default branch. Errors: FetchFailed if there are none."""
    listed = await git("ls-remote", "--symref", "--", git.address.url, "HEAD", "refs/heads/*", "refs/tags/*")
    refs: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            refs["HEAD"] = value.removeprefix("ref: ")
        elif name != "HEAD":
            refs[name] = value
    if not refs:
        raise FetchFailed("the repository is empty", "Push a first commit, then deploy again.")
    return refs


def _choose(refs: dict[str, str], ref: str) -> str:
    if not ref:
        return "HEAD" if "HEAD" in refs else next(iter(refs))
    for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        if name in refs:
            return name
    known = [name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/")]
    shown = ", ".join(sorted(known)[:10])
    raise FetchFailed(f"the repository has no branch or tag '{ref}'", f"Branches that it has: {shown}.")


async def _fetch_ref(git: _Git, address: GitAddress, ref: str, target: Path, say: Say) -> None:
    arguments = ("-C", str(target), "fetch", "--quiet", "--no-tags", "--no-recurse-submodules")
    try:
        await git(*arguments, "--depth=1", "--", address.url, ref, say=say)
    except FetchFailed:
        if not is_commit(ref):
            raise
        # Some servers give a single commit only as part of the whole history.
        await git(*arguments, "--", address.url, "+refs/heads/*:refs/remotes/origin/*", say=say)
        await git("-C", str(target), "update-ref", "FETCH_HEAD", ref)


async def _check_size(git: _Git, target: Path, limits: Limits) -> None:
    """Refuse a tree that is too large before it is on disk. Errors: FetchFailed."""
    listed = await git("-C", str(target), "ls-tree", "-r", "-l", "-z", "FETCH_HEAD")
    entries = listed.stdout.split("\0")[:-1]
    size = 0
    for entry in entries:
        head, _, path = entry.partition("\t")
        length = head.split()[-1]
        size += int(length) if length.isdigit() else 0
        if path.count("/") > _DEEPEST:
            raise FetchFailed("the source has folders nested too deeply", f"At most {_DEEPEST} levels are built.")
    if len(entries) > _MOST_FILES:
        raise FetchFailed(
            f"the source has more than {_MOST_FILES} files", "Take generated files out of the repository."
        )
    if size > limits.bytes:
        raise _too_large(limits)


def _too_large(limits: Limits) -> FetchFailed:
    return FetchFailed(
        f"the source is larger than {limits.bytes // 2**20} MiB",
        "Take large files out of the repository, or raise SOURCE_MAX_MB.",
    )


def _explain(error: ProgramFailed, address: GitAddress, limits: Limits) -> FetchFailed:
    """What git said, in words for the person who gave the address."""
    if error.code is None and "within" in error.reason:
        return FetchFailed(
            f"fetching from {address.host} took longer than {limits.seconds} s",
            "Try again; if the repository is large, raise GIT_TIMEOUT.",
        )
    output = error.output.lower()
    if any(words in output for words in ("file size limit", "file too large", "signal 25")) or error.code == 153:
        return _too_large(limits)
    for signs, message, hint in _MEANINGS:
        if any(sign in output for sign in signs):
            return FetchFailed(message.format(host=address.host), hint)
    detail = next((line for line in error.output.splitlines() if line.startswith(("fatal:", "error:"))), error.reason)
    return FetchFailed(f"git could not fetch the repository: {detail[:300]}", "Check the address and try again.")


# In this order: git's words for a refusal also hold those for a broken connection, and a full disk breaks anything.
_MEANINGS = (
    (
        ("no space left on device",),
        "git could not fetch the repository: no space left on the disk",
        "Free some space on the server's disk, then deploy again.",
    ),
    (
        ("not our ref", "path argument 'fetch_head'", "bad object", "not a valid object name", "not a valid sha1"),
        "the repository has no such commit",
        "Give the full id of a commit that was pushed.",
    ),
    (
        ("returned error: 30", "from redirection", "redirect"),
        "{host} redirects this address",
        "Use the address that it redirects to.",
    ),
    (
        (
            "authentication failed",
            "could not read username",
            "could not read password",
            "permission denied",
            "not found",
            "returned error: 403",
            "returned error: 401",
            "access denied",
            "does not exist",
            "host key verification failed",
            "error in libcrypto",
            "invalid format",
        ),
        "{host} refused access to the repository",
        "It is private or does not exist. Set a deploy token that may read it (for ssh: a private key).",
    ),
    (
        (
            "could not resolve",
            "couldn't connect",
            "failed to connect",
            "connection refused",
            "timed out",
            "timeout",
            "connection reset",
            "unable to access",
            "ssl",
            "empty reply",
            "could not read from remote",
        ),
        "{host} can't be reached",
        "Is the server up, and is the address right?",
    ),
)
