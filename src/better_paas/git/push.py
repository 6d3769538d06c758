"""Adds commits without files to a branch: texts in a place whose history can be protected."""

from collections.abc import Sequence
from pathlib import Path

from better_paas.git.fetch import session
from better_paas.git.limits import Limits
from better_paas.git.source import GitAddress
from better_paas.kit import temporary

_AUTHOR = {
    "GIT_AUTHOR_NAME": "Better-PaaS",
    "GIT_AUTHOR_EMAIL": "better-paas@localhost",
    "GIT_COMMITTER_NAME": "Better-PaaS",
    "GIT_COMMITTER_EMAIL": "better-paas@localhost",
}


async def append(address: GitAddress, token: str, branch: str, messages: Sequence[str], limits: Limits) -> None:
    """One commit for each message, on top of `branch`, made if it is not there. Errors: FetchFailed.

    token: as for fetch, with the right to push. Never forced: a branch that went on meanwhile is an error.
    """
    ref = f"refs/heads/{branch}"
    async with session(address, token, limits, _AUTHOR) as git, temporary.folder("better-paas-git-") as folder:
        await git("init", "--quiet", "--bare", "--template=", str(folder))
        work = ("-C", str(folder))
        listed = await git("ls-remote", "--", address.url, ref)
        parent = listed.stdout.partition("\t")[0].strip()
        if parent:
            await git(*work, "fetch", "--quiet", "--no-tags", "--depth=1", "--", address.url, ref)
        tree = (await git(*work, "hash-object", "-t", "tree", "-w", "/dev/null")).stdout.strip()
        text = Path(folder) / "message"
        for message in messages:
            text.write_text(message)
            onto = ("-p", parent) if parent else ()
            parent = (await git(*work, "commit-tree", tree, *onto, "-F", str(text))).stdout.strip()
        await git(*work, "push", "--quiet", "--", address.url, f"{parent}:{ref}")
