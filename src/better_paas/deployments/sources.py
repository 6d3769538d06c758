"""Brings a source tree to disk: from Git, or one of the samples that come with the product."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import better_paas
from better_paas.deployments.uploads import PREFIX as UPLOAD_PREFIX
from better_paas.deployments.uploads import Uploads, app_of, version_of
from better_paas.errors import StepFailed
from better_paas.git.errors import FetchFailed
from better_paas.git.fetch import Commit, fetch
from better_paas.git.limits import Limits
from better_paas.git.source import SourceRefused, parse_address

SAMPLE_PREFIX = "sample:"
_SAMPLES = Path(better_paas.__file__).with_name("samples")


@dataclass(frozen=True)
class SourceRef:
    """Where a source is. ref: a branch, tag, commit, or version of uploaded files. root_dir: what of it is the app."""

    repository: str
    ref: str
    token: str
    root_dir: str
    with_submodules: bool = False

    @property
    def is_upload(self) -> bool:
        return self.repository.startswith(UPLOAD_PREFIX)

    def __str__(self) -> str:
        """For people, without the token."""
        if self.is_upload:
            return "the uploaded files"
        return self.repository + (f" ({self.ref})" if self.ref else "")


async def fetch_source(
    source: SourceRef, target: Path, limits: Limits, say: Callable[[str], None], uploads: Uploads | None = None
) -> Commit:
    """Put the whole tree at `target`: all of it, or nothing if this is killed. Errors: StepFailed.

    uploads: where uploaded sources are; without it there are none.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    for folder in (target, unfinished):
        if folder.exists():
            await asyncio.to_thread(shutil.rmtree, folder)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if source.is_upload:
        commit = await _copy_upload(source, unfinished, uploads)
    else:
        commit = await _bring(source, unfinished, limits, say)
    unfinished.rename(target)
    return commit


async def _copy_upload(source: SourceRef, target: Path, uploads: Uploads | None) -> Commit:
    tree = uploads.newest(app_of(source.repository), source.ref) if uploads is not None else None
    if tree is None:
        raise StepFailed("the uploaded files are not there any more", "Upload them again: paas deploy .")
    await asyncio.to_thread(shutil.copytree, tree, target)
    return Commit(version_of(tree), "Uploaded files", "")


async def _bring(source: SourceRef, target: Path, limits: Limits, say: Callable[[str], None]) -> Commit:
    if source.repository.startswith(SAMPLE_PREFIX):
        name = source.repository.removeprefix(SAMPLE_PREFIX)
        await asyncio.to_thread(shutil.copytree, _SAMPLES / name, target)
        return Commit("", f"The sample {name}", "Better-PaaS")
    try:
        address, submodules = parse_address(source.repository), source.with_submodules
        return await fetch(address, source.ref, source.token, target, limits, say, with_submodules=submodules)
    except FetchFailed as error:
        raise StepFailed(str(error), error.hint, quoted=error.quoted) from error
    except SourceRefused as error:
        raise StepFailed(f"the repository's address can't be used: {error}", "Correct it in the settings.") from error


def app_folder(tree: Path, root_dir: str) -> Path:
    """The app's part of the tree, reached without following links. Errors: StepFailed."""
    folder = tree
    for part in Path(root_dir).parts:
        folder = folder / part
        if folder.is_symlink() or not folder.is_dir():
            raise StepFailed("the repository has no such folder", "Correct the root directory.", quoted=root_dir)
    return folder
