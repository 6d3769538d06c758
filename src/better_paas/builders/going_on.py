"""Commands that go on from what was found: `...` in them stands for that, as railpack and nixpacks have it."""

from dataclasses import replace

from better_paas.builders.plan import BuildPlan, Overrides

FOUND = "..."
_AND = " && "


def without(wanted: Overrides) -> Overrides:
    """Without those commands: what is found does not know of them."""
    return replace(
        wanted,
        install_command="" if _goes_on(wanted.install_command) else wanted.install_command,
        build_command="" if _goes_on(wanted.build_command) else wanted.build_command,
    )


def filled(plan: BuildPlan, wanted: Overrides) -> BuildPlan:
    """The plan that was found without them, with them."""
    if _goes_on(wanted.install_command) and wanted.install_command != FOUND:
        # It may read any file: all of the source has to be there. Then the app itself can be installed at once.
        install = _filled(wanted.install_command, _AND.join(filter(None, (plan.install, plan.install_app))))
        plan = replace(plan, install=install, install_app="", manifests=())
    if _goes_on(wanted.build_command):
        plan = replace(plan, build=_filled(wanted.build_command, plan.build))
    return plan


def _goes_on(command: str) -> bool:
    return FOUND in command.split(_AND)


def _filled(command: str, found: str) -> str:
    return _AND.join(part for each in command.split(_AND) if (part := found if each == FOUND else each))
