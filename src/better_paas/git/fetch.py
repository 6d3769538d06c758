"""Fetches one commit of a repository into an empty folder, without running anything that it brings."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from better_paas.git import lfs, submodules
from better_paas.git.counting import RefCount, TreeCount, too_large
from better_paas.git.errors import FetchFailed, TooMuch
from better_paas.git.limits import Limits
from better_paas.git.source import GitAddress, SourceRefused, check_ref, is_commit, is_short_commit
from better_paas.git.submodules import Submodule
from better_paas.kit import temporary
from better_paas.kit.filetimes import date_tree
from better_paas.kit.http import AddressRefused, resolve_public
from better_paas.kit.quoted import subject
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
    # One pack, whose size is limited, instead of a file for each object.
    "-c",
    "fetch.unpackLimit=1",
    # What is larger than this goes through the memory in pieces, and one thread takes it once.
    "-c",
    "core.bigFileThreshold=16m",
    "-c",
    "core.deltaBaseCacheLimit=32m",
    "-c",
    "pack.threads=1",
)

# What one git may take of the memory; a file that is stored as a change to another needs both whole.
_MEMORY_MB = 512
# What git says of one commit: its id, its subject and who made it.
_MOST_SHOWN = 2**20
_MOST_BRANCHES = 1000
_CHOOSE = "Choose one that it has; POST /api/git/branches lists its branches."
# What git takes for no limit.
_ENDLESS = 2**31 - 1
# Files are put down as they are stored: a conversion that the repository asks for would make them larger than counted.
_ATTRIBUTES = "* !text !eol !ident !filter !working-tree-encoding\n"

LogCallback = Callable[[str], None]
OnOutput = Callable[[bytes], None]


@dataclass(frozen=True)
class Commit:
    """What was fetched. message: its first line, cut; author: by name."""

    id: str
    message: str
    author: str


async def fetch(
    address: GitAddress,
    ref: str,
    token: str,
    target: Path,
    limits: Limits,
    say: LogCallback,
    *,
    with_submodules: bool = False,
) -> Commit:
    """Put the tree of `ref` (branch, tag, commit or "" for the default branch) into `target`, all of it dated as the
    commit is.

    token: a password, `user:password`, or for ssh a private key. with_submodules: those on the same host too.
    Errors: FetchFailed.
    """
    count = TreeCount(limits.bytes)
    commit, committed = await _bring(address, ref, token, target, limits, say, count)
    inner = await _submodules(address, token, target, limits, say, count) if with_submodules else 0
    await asyncio.to_thread(_remove_git_folders, target, bool(inner))
    await _bring_large_files(address, token, target, limits, say)
    await asyncio.to_thread(date_tree, target, committed)
    if not with_submodules and (target / ".gitmodules").exists():
        say("This repository has submodules; they are not fetched unless the app's settings ask for them.")
    return commit


def _remove_git_folders(target: Path, has_inner: bool) -> None:
    for git_folder in [target / ".git", *(target.rglob("*/.git") if has_inner else ())]:
        shutil.rmtree(git_folder)


async def _bring_large_files(address: GitAddress, token: str, target: Path, limits: Limits, say: LogCallback) -> None:
    """Errors: FetchFailed."""
    paths = await asyncio.to_thread(lfs.pointers, target)
    if paths and address.scheme == "ssh":
        shown = ", ".join(paths[:3]) + (" …" if len(paths) > 3 else "")
        say(f"{len(paths)} files are in Git LFS, which is not reached by ssh: their pointers stay in place: {shown}")
    elif paths:
        say(f"Fetching {len(paths)} files of Git LFS")
        await lfs.fetch(target, paths, address, token, limits)


async def _bring(
    address: GitAddress, ref: str, token: str, target: Path, limits: Limits, say: LogCallback, count: TreeCount
) -> tuple[Commit, int]:
    """One repository's tree, with its `.git`; its commit and when that was made."""
    async with session(address, token, limits) as git:
        wanted = ref if is_commit(ref) else await _find(git, ref)
        target.mkdir(parents=True, exist_ok=True)
        await git("init", "--quiet", "--template=", str(target))
        got = await _fetch_ref(git, address, wanted, target, say)
        await git("-C", str(target), "ls-tree", "-r", "-t", "-l", "-z", got, on_output=count.feed)
        attributes = target / ".git" / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text(_ATTRIBUTES)
        await git("-C", str(target), "checkout", "--quiet", "--detach", got)
        commit_id, message, author, committed = await _describe(git, target, got)
    return Commit(commit_id, subject(message), subject(author)), committed


async def _submodules(
    address: GitAddress, token: str, target: Path, limits: Limits, say: LogCallback, count: TreeCount
) -> int:
    """Bring those of the tree in `target`, and theirs; how many there were. Errors: FetchFailed."""
    waiting, brought = [(address, target, 1)], 0
    while waiting:
        parent, tree, depth = waiting.pop()
        for found in await _submodules_of(parent, token, tree, limits):
            brought += 1
            if brought > submodules.MOST or depth > submodules.DEEPEST:
                sentence = f"the repository has more than {submodules.MOST} submodules, or deeper ones than are fetched"
                raise TooMuch(sentence, f"At most {submodules.DEEPEST} levels of them.")
            say("Fetching a submodule")
            await asyncio.to_thread(_refuse_elsewhere, tree, found.path)
            await _bring(found.address, found.commit, token, tree / found.path, limits, say, count)
            waiting.append((found.address, tree / found.path, depth + 1))
    return brought


def _refuse_elsewhere(tree: Path, path: str) -> None:
    """A tree that git takes may have a folder and a link of one name: what is in the folder would land behind the link.

    Errors: FetchFailed.
    """
    place = tree.resolve() / path
    if place.resolve() != place or any(part.lower() in ("..", ".git") for part in Path(path).parts):
        raise FetchFailed("a submodule's place is not in the repository", "Correct the repository's tree.", path)


async def _submodules_of(address: GitAddress, token: str, tree: Path, limits: Limits) -> list[Submodule]:
    file = tree / ".gitmodules"
    if file.is_symlink() or not file.is_file():
        return []
    links, settings = submodules.Links(), submodules.Settings(file.stat().st_size)
    async with session(address, token, limits) as git:
        await git("-C", str(tree), "ls-tree", "-r", "-z", "HEAD", on_output=links.feed)
        await git("config", "--file", str(file), "--no-includes", "--list", "-z", on_output=settings.feed)
    addresses = settings.addresses(address)
    return [Submodule(path, commit, addresses[path]) for path, commit in links.commits().items() if path in addresses]


async def branches(address: GitAddress, token: str, limits: Limits) -> list[str]:
    """Names of the branches that can be deployed, the default one first, at most 1000. Errors: FetchFailed."""
    async with session(address, token, limits) as git:
        refs = await _remote_refs(git)
    first = refs.pop("HEAD", "").removeprefix("refs/heads/")
    names = filter(_is_usable, _branches_of(refs))
    return sorted(names, key=lambda name: (name != first, name))[:_MOST_BRANCHES]


def _branches_of(refs: Mapping[str, str]) -> list[str]:
    return [name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/")]


def _is_usable(branch: str) -> bool:
    with contextlib.suppress(SourceRefused):
        return bool(check_ref(branch))
    return False


class _Git:
    """git with the checked address, in an environment that holds nothing of the host's."""

    def __init__(self, address: GitAddress, limits: Limits, options: list[str], environment: dict[str, str]) -> None:
        self.address, self._limits, self._options, self._environment = address, limits, options, environment

    async def __call__(
        self,
        *arguments: str,
        say: LogCallback | None = None,
        on_output: OnOutput | None = None,
        stdin: bytes | None = None,
    ) -> Completed:
        limits = [f"--fsize={self._limits.bytes}", f"--data={_MEMORY_MB * 2**20}"]
        # Where the signal is not ignored, a part of git dies of a file that is too large and nobody says of what.
        argv = ["env", "--ignore-signal=XFSZ", "prlimit", *limits, "git", *_SAFE, *self._options, *arguments]
        try:
            return await run(
                argv, environment=self._environment, stdin=stdin, timeout=self._limits.seconds, on_line=say,
                on_output=on_output,
            )  # fmt: skip
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
        raise FetchFailed(
            f"the repository can't be used: {error}",
            "If this is meant, add the host to GIT_ALLOWED_PRIVATE_HOSTS."
            if error.is_private
            else "Check the address for typing mistakes.",
            error.quoted,
        ) from error
    token = token or address.token
    async with temporary.folder("better-paas-git-") as home:
        helper = home / "helper"
        # git starts this program itself, by its path; what it needs to know is in its environment.
        helper.write_text(f"#!{sys.executable} -IS\n" + Path(__file__).with_name("helper.py").read_text())
        helper.chmod(0o700)
        environment = {
            "HOME": str(home),
            "TMPDIR": str(home),
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


async def _remote_refs(git: _Git, *names: str) -> dict[str, str]:
    """Remote refs by name, all branches and tags unless names are given; HEAD gives the name of the default branch."""
    found = RefCount()
    wanted = names or ("refs/heads/*", "refs/tags/*")
    await git("ls-remote", "--symref", "--", git.address.url, "HEAD", *wanted, on_output=found.feed)
    return found.refs


async def _find(git: _Git, ref: str) -> str:
    """The full name of a branch or tag, or of the default branch for "". Errors: FetchFailed."""
    names: tuple[str, ...] = (f"refs/heads/{ref}", f"refs/tags/{ref}", *((ref,) if ref.startswith("refs/") else ()))
    # All of them are asked for only where they are needed: there may be very many.
    refs = await _remote_refs(git, *names) if ref else {}
    for name in names:
        if name in refs:
            return name
    refs = await _remote_refs(git)
    if not refs:
        raise FetchFailed("the repository is empty", "Push a first commit, then deploy again.")
    if not ref:
        return "HEAD" if "HEAD" in refs else next(iter(refs))
    if is_short_commit(ref):
        return _whole_commit(ref, refs)
    shown = ", ".join(sorted(_branches_of(refs))[:10])
    raise FetchFailed("the repository has no such branch or tag", _CHOOSE, f"'{ref}'; branches: {shown}")


def _whole_commit(short: str, refs: Mapping[str, str]) -> str:
    """Servers give commits by their full ids alone; those at the end of a branch or tag are known.

    Errors: FetchFailed.
    """
    found = {commit for commit in refs.values() if commit.startswith(short)}
    if len(found) == 1:
        return found.pop()
    raise FetchFailed(
        "the repository has no such branch or tag, and a commit is found by its full id alone",
        "Give all 40 characters: git rev-parse and the short id tells them.",
        short,
    )


async def _fetch_ref(git: _Git, address: GitAddress, ref: str, target: Path, say: LogCallback) -> str:
    """Fetch a ref or commit; what it is called in there."""
    arguments = ("-C", str(target), "fetch", "--quiet", "--no-tags", "--no-recurse-submodules")
    try:
        await git(*arguments, "--depth=1", "--", address.url, ref, say=say)
    except TooMuch:
        raise
    except FetchFailed:
        if not is_commit(ref):
            raise
        # Some servers give a single commit only as part of the whole history. Branches that nobody counted would be a
        # file each; and with a depth, however large, git speaks to no server that gives it a file for each object.
        branches = sorted(name for name in await _remote_refs(git) if name.startswith("refs/heads/"))
        named = "".join(f"{name}\n" for name in branches).encode()
        await git(*arguments, f"--depth={_ENDLESS}", "--stdin", "--", address.url, say=say, stdin=named)
        return ref
    return "FETCH_HEAD"


async def _describe(git: _Git, target: Path, commit: str) -> tuple[str, str, str, int]:
    """Its id, subject and author, and when it was committed."""
    shown = bytearray()

    def keep(chunk: bytes) -> None:
        shown.extend(chunk)
        if len(shown) > _MOST_SHOWN:
            raise TooMuch("the commit has a message that is too long", "Its first line may have 1 MiB. Amend it.")

    await git(
        "-C", str(target), "log", "-1", "--format=%H%x00%s%x00%an%x00%ct", "--no-show-signature", commit, on_output=keep
    )
    commit_id, message, author, committed = [*shown.decode(errors="replace").rstrip("\n").split("\0"), *[""] * 3][:4]
    return commit_id, message, author, int(committed) if committed.removeprefix("-").isdecimal() else 0


def _explain(error: ProgramFailed, address: GitAddress, limits: Limits) -> FetchFailed:
    """What git said, in words for the person who gave the address."""
    if error.code is None and "within" in error.reason:
        return FetchFailed(
            f"fetching the source took longer than {limits.seconds} s",
            "Try again; if the repository is large, raise GIT_TIMEOUT.",
            address.host,
        )
    output = error.output.lower()
    if any(words in output for words in ("file size limit", "file too large", "signal 25")) or error.code == 153:
        return too_large(limits.bytes)
    if any(words in output for words in ("out of memory", "cannot allocate memory", "unable to create thread")):
        return TooMuch(
            f"git needed more than {_MEMORY_MB} MiB of memory for the repository",
            "Take large files out of its history, or deploy the files themselves: paas deploy .",
        )
    said = _said(error)
    for signs, message, hint in _MEANINGS:
        if any(sign in output for sign in signs):
            return FetchFailed(message, hint, said)
    if temporary.is_full():  # git does not always say why it could not write
        return FetchFailed(_NO_SPACE, _MORE_SPACE, said)
    return FetchFailed("git could not fetch the repository", "Check the address and try again.", said)


def _said(error: ProgramFailed) -> str:
    """The line of git's, or of the server's that it talked to, that says most."""
    lines = error.output.splitlines()
    found = (line for start in ("remote: ", "fatal:", "error:") for line in lines if line.startswith(start))
    return next(found, error.reason)


_NO_SPACE = "git could not fetch the repository: no space left on the disk"
_MORE_SPACE = "Free some space on the server's disk, then deploy again."
# In this order: git's words for a refusal also hold those for a broken connection, and a full disk breaks anything.
_MEANINGS = (
    (
        ("no space left on device", "out of diskspace"),
        _NO_SPACE,
        _MORE_SPACE,
    ),
    (
        (
            "not our ref",
            "path argument 'fetch_head'",
            "bad object",
            "not a valid object name",
            "not a valid sha1",
            "not a tree object",
        ),
        "the repository has no such commit",
        "Give the full id of a commit that was pushed.",
    ),
    (
        ("returned error: 30", "from redirection", "redirect"),
        "the server redirects this address",
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
        "the server refused access to the repository",
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
        "the server can't be reached",
        "Is the server up, and is the address right?",
    ),
)
