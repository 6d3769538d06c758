"""A second language in the image: Node for the assets of apps in other languages."""

import re
from dataclasses import replace

from better_paas.builders.files import Files, exists, read_json, table
from better_paas.builders.node import managers, version, workspace
from better_paas.builders.plan import BuildPlan, Overrides

# Whose assets are made by a script of package.json, and not by a command of the framework that calls it.
_BUILT_BY_SCRIPT = ("php", "python")


def with_assets(plan: BuildPlan, files: Files, overrides: Overrides) -> BuildPlan:
    """The plan with what package.json asks for, where it stands beside another language."""
    if plan.runtime not in ("php", "python", "ruby", "elixir"):
        return plan
    place = "assets" if plan.runtime == "elixir" else ""
    found = _assets(files.below(place), place, overrides)
    needs_node = plan.runtime == "ruby" and _runs_scripts(files)
    if found is None or (plan.runtime == "python" and "build" not in found.scripts):
        if not needs_node:
            return plan
        node, note = version.wanted(overrides, {}, files)
        notes = (*plan.notes, note) if note else plan.notes
        return replace(plan, tools={**plan.tools, "node": node}, run_tools=(*plan.run_tools, "node"), notes=notes)
    build = f"{found.build} && {plan.build}" if plan.build and found.build else plan.build or found.build
    is_static = plan.framework in ("Rails", "Laravel", "Symfony", "Django", "Phoenix")
    return replace(
        plan,
        manager_package=found.manager.package,
        install=overrides.install_command or " && ".join(part for part in (plan.install, found.install) if part),
        build=overrides.build_command or (build if plan.runtime in _BUILT_BY_SCRIPT else plan.build),
        manifests=(*plan.manifests, *found.manifests) if plan.manifests and found.manifests else (),
        tools={**plan.tools, "node": found.version, **({"bun": "1"} if found.manager.name == "bun" else {})},
        run_tools=plan.run_tools if is_static and not needs_node else (*plan.run_tools, "node"),
        notes=(*plan.notes, *found.notes),
    )


class _Found:
    """What a package.json beside another language asks for."""

    def __init__(self, files: Files, folder: str, overrides: Overrides) -> None:
        package = read_json(files, "package.json")
        self.scripts = table(package, "scripts")
        self.manager = managers.choose(files, package)
        members = workspace.members(files)
        workspace.refuse_strangers(files, "", members, self.manager)
        install, manifests, self.notes = managers.install(
            self.manager, files, package, members.values(), ["", *members.values()]
        )
        within = f"cd {folder} && " if folder else ""
        self.install = f"({within}{install})" if folder and install else install
        self.manifests = () if folder else manifests
        self.build = within + self.manager.runs("build") if "build" in self.scripts else ""
        self.version, note = version.wanted(overrides, package, files)
        self.notes = [*self.notes, *([note] if note else [])]


def _assets(files: Files, folder: str, overrides: Overrides) -> _Found | None:
    if not exists(files, "package.json"):
        return None
    found = _Found(files, folder, overrides)
    return found if found.install or found.build else None


def _runs_scripts(files: Files) -> bool:
    """Gems that call Node when the app runs."""
    text = (files.read("Gemfile") or "") + (files.head("Gemfile.lock", 200_000) or "")
    return bool(re.search(r"\b(execjs|uglifier|autoprefixer-rails|react-rails|coffee-rails)\b", text))
