"""From a source tree to a plan with its Dockerfile, as shown to the user and as built."""

import shlex
from pathlib import Path

from better_paas.builders import dockerfile
from better_paas.builders.bases import Bases, LogCallback, NoBase
from better_paas.builders.languages import LANGUAGES, RUN, is_made_here
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides
from better_paas.errors import StepFailed
from better_paas.runtime.protocol import Recipe
from better_paas.untrusted.reader import AllowedDockerfile, SourceReader


class Planner:
    """What it reads of the source is read by a program of its own. Errors of all: StepFailed."""

    def __init__(self, reader: SourceReader, bases: Bases) -> None:
        self._reader, self._bases = reader, bases

    async def make_plan(self, tree: Path, folder: str, overrides: Overrides) -> BuildPlan:
        """For the app in `folder` of the repository at `tree`. The error says what was looked for."""
        try:
            return await self._reader.plan(tree, folder, overrides)
        except NoPlan as error:
            raise _failed(error) from error

    async def preview(
        self, plan: BuildPlan, tree: Path, folder: str, bases: tuple[str, str], tools: dict[str, str]
    ) -> str:
        """The Dockerfile as the user sees it.

        folder: of the tree, what it is built from. bases: references for the language and for a site's server; tools:
        for others.
        """
        try:
            if plan.runtime == "dockerfile":
                return await self._reader.text(tree, folder, plan.dockerfile_path) or ""
            return await self._reader.generated(plan, *bases, has_variables=False, tools=tools)
        except NoPlan as error:
            raise _failed(error) from error

    async def make_recipe(
        self, plan: BuildPlan, tree: Path, folder: str, variables: dict[str, str], say: LogCallback
    ) -> Recipe:
        """Everything for the build, with the base images in place.

        folder: of the tree, what it is built from. variables: what installing and building may know, by a mount that
        no layer keeps.
        """
        try:
            ignore = await self._ignore_rules(plan, tree, folder)
            if plan.runtime == "dockerfile":
                text = await self._reader.text(tree, folder, plan.dockerfile_path)
                if text is None:
                    path = plan.dockerfile_path
                    raise StepFailed("there is no such Dockerfile", "Correct the Dockerfile's path.", quoted=path)
                allowed, lent = await self._allowed(text, plan.build_args, say), dict[str, str]()
            else:
                text, lent = await self._generated(plan, variables, say)
                allowed = await self._allowed(text, {}, say)
            return Recipe(allowed.text, plan.runtime != "dockerfile", ignore, lent, allowed.has_heredocs)
        except NoPlan as error:
            raise _failed(error) from error
        except NoBase as error:
            raise StepFailed(str(error), error.hint, code="no_base_image", quoted=error.quoted) from error

    async def _allowed(self, text: str, arguments: dict[str, str], say: LogCallback) -> AllowedDockerfile:
        """The Dockerfile as it may be built, with all its images in place. Errors: NoBase, NoPlan."""
        found = await self._reader.allowed(text, arguments)
        for reference in found.images:
            for trigger in await self._bases.pull(reference, say):
                try:
                    named = await self._reader.images_of_trigger(trigger, found.stages)
                except NoPlan as error:
                    quoted = f"{reference}: {error.quoted}"
                    raise NoBase(
                        f"a base image adds a step to each build on it: {error}", error.hint, quoted
                    ) from error
                for other in named:
                    await self._bases.pull(other, say)
        return found

    async def _generated(
        self, plan: BuildPlan, variables: dict[str, str], say: LogCallback
    ) -> tuple[str, dict[str, str]]:
        """(Dockerfile, files that it is lent)."""
        language, server = await self._ensure_bases(plan, say)
        tools = {name: await self._tool(name, version, language, say) for name, version in plan.tools.items()}
        has_variables = bool(variables and (plan.install or plan.install_app or plan.build))
        lent = {dockerfile.VARIABLES_FILE: _as_shell(variables)} if has_variables else {}
        if plan.runtime == "static":
            lent[f"{dockerfile.LENT}/Caddyfile"] = dockerfile.caddyfile(plan)
        if plan.runtime == "php":
            lent[f"{dockerfile.LENT}/apache.conf"] = dockerfile.apache_conf(plan)
        return await self._reader.generated(plan, language, server, has_variables, tools), lent

    async def _tool(self, name: str, version: str, base: str, say: LogCallback) -> str:
        """The image that a second language is copied from; "" if the base has it, being made here."""
        if name in LANGUAGES:
            return await self._bases.ensure(name, version, say)
        return "" if is_made_here(base) else self._bases.official(name, version)

    async def _ignore_rules(self, plan: BuildPlan, tree: Path, folder: str) -> str:
        """Those of the Dockerfile, if it has some of its own, else those of the tree."""
        if plan.dockerfile_path:
            own = await self._reader.text(tree, folder, f"{plan.dockerfile_path}.dockerignore")
            if own is not None:
                return own
        return await self._reader.text(tree, folder, ".dockerignore") or ""

    async def _ensure_bases(self, plan: BuildPlan, say: LogCallback) -> tuple[str, str]:
        """(base of the language, base of what runs, if it is another); a site without a build needs only the second."""
        bases = self._bases
        if plan.runtime != "static":
            run = await bases.ensure(RUN, "", say) if LANGUAGES[plan.runtime].compiled else ""
            return await bases.ensure(plan.runtime, plan.version, say), run
        server = await bases.ensure("static", "", say)
        builds = plan.build or plan.install
        return (await bases.ensure(plan.language, plan.version, say) if builds else "", server)


def _failed(error: NoPlan) -> StepFailed:
    return StepFailed(str(error), error.hint, code="no_plan", quoted=error.quoted)


def _as_shell(variables: dict[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
