"""From a source tree to a plan with its Dockerfile, as shown to the user and as built."""

import asyncio
import shlex
from pathlib import Path

from better_paas.builders import dockerfile
from better_paas.builders.bases import Bases, NoBase, Say
from better_paas.builders.detect import detect
from better_paas.builders.files import TreeFiles
from better_paas.builders.languages import LANGUAGES, RUN
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides
from better_paas.errors import StepFailed
from better_paas.runtime.protocol import Recipe


async def make_plan(folder: Path, overrides: Overrides) -> BuildPlan:
    """Errors: StepFailed that says what was looked for."""
    try:
        return await asyncio.to_thread(lambda: detect(TreeFiles(folder), overrides))
    except NoPlan as error:
        raise StepFailed(str(error), error.hint, code="no_plan") from error


def preview(plan: BuildPlan, folder: Path, bases: tuple[str, str]) -> str:
    """The Dockerfile as the user sees it. bases: references for the language and for a site's server."""
    if plan.runtime == "dockerfile":
        return TreeFiles(folder).read(plan.dockerfile_path) or ""
    return dockerfile.generate(plan, *bases, has_variables=False)


async def make_recipe(plan: BuildPlan, folder: Path, bases: Bases, variables: dict[str, str], say: Say) -> Recipe:
    """Everything for the build, with the base images in place. Errors: StepFailed.

    variables: those that are not secret; the build command sees them, by a mount that no layer keeps.
    """
    files = TreeFiles(folder)
    ignore = files.read(f"{plan.dockerfile_path}.dockerignore") if plan.dockerfile_path else None
    ignore = ignore if ignore is not None else files.read(".dockerignore") or ""
    try:
        if plan.runtime == "dockerfile":
            text = files.read(plan.dockerfile_path)
            if text is None:
                raise StepFailed(f"there is no file {plan.dockerfile_path}", "Correct the Dockerfile's path.")
            for reference in dockerfile.base_images(text):
                await bases.pull(reference, say)
            return Recipe(text, False, ignore, {})
        language, server = await ensure_bases(plan, bases, say)
    except NoBase as error:
        raise StepFailed(str(error), error.hint, code="no_base_image") from error
    has_variables = bool(plan.build and variables)
    lent = {dockerfile.VARIABLES_FILE: _as_shell(variables)} if has_variables else {}
    if plan.runtime == "static":
        lent[f"{dockerfile.LENT}/Caddyfile"] = dockerfile.caddyfile(plan)
    if plan.runtime == "php":
        lent[f"{dockerfile.LENT}/apache.conf"] = dockerfile.apache_conf(plan)
    return Recipe(dockerfile.generate(plan, language, server, has_variables), True, ignore, lent)


async def ensure_bases(plan: BuildPlan, bases: Bases, say: Say) -> tuple[str, str]:
    """(base of the language, base of what runs, if that is another); a site without a build needs only the second."""
    if plan.runtime != "static":
        run = await bases.ensure(RUN, "", say) if LANGUAGES[plan.runtime].compiled else ""
        return await bases.ensure(plan.runtime, plan.version, say), run
    server = await bases.ensure("static", "", say)
    builds = plan.build or plan.install
    return (await bases.ensure("node", plan.version, say) if builds else "", server)


def _as_shell(variables: dict[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
