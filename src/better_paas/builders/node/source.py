"""Where an app of Node is: alone, or in a folder of a workspace."""

from dataclasses import dataclass
from typing import Any

from better_paas.builders.files import Files, read_json, table


@dataclass(frozen=True)
class Source:
    """top: where things are installed. folder: where the app is in it; "" for the top itself. package: the app's."""

    top: Files
    folder: str
    package: dict[str, Any]

    @property
    def files(self) -> Files:
        return self.top.below(self.folder)

    @property
    def places(self) -> tuple[Files, ...]:
        """Where versions may be written, the nearest first."""
        return (self.files, self.top) if self.folder else (self.top,)

    @property
    def top_package(self) -> dict[str, Any]:
        return read_json(self.top, "package.json") if self.folder else self.package

    @property
    def dependencies(self) -> dict[str, Any]:
        """Of all kinds: the app's own."""
        return _dependencies(self.package)

    @property
    def inherited(self) -> dict[str, Any]:
        """Those of the top, which are there for its members as well."""
        return _dependencies(self.top_package) if self.folder else {}

    @property
    def running(self) -> dict[str, Any]:
        """Those that may be there when it runs; of its own those for development too, which is often a mistake."""
        return {**(table(self.top_package, "dependencies") if self.folder else {}), **self.dependencies}


def _dependencies(package: dict[str, Any]) -> dict[str, Any]:
    kinds = ("devDependencies", "optionalDependencies", "dependencies")
    return {name: value for kind in kinds for name, value in table(package, kind).items()}
