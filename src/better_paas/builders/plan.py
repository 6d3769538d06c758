"""What detection decided, as pure data that is shown to the user."""

from dataclasses import asdict, dataclass, field
from typing import Any


class NoPlan(ValueError):
    """The source can't be built. hint: what would make it buildable."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Overrides:
    """What the app's owner wants instead of what detection finds; empty means no wish."""

    build_method: str = "auto"
    dockerfile_path: str = ""
    install_command: str = ""
    build_command: str = ""
    start_command: str = ""
    port: int | None = None


@dataclass(frozen=True)
class BuildPlan:
    """runtime: dockerfile, python, node or static. port: where the release listens, also given as PORT.

    output: folder of a static site that the build makes. notes: what the user should know.
    """

    runtime: str
    version: str = ""
    framework: str = ""
    package_manager: str = ""
    manager_package: str = ""
    install: str = ""
    build: str = ""
    start: str = ""
    port: int = 8080
    output: str = ""
    single_page: bool = False
    dockerfile_path: str = ""
    manifests: tuple[str, ...] = ()
    cache_scope: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def summary(self) -> str:
        """One line for people."""
        name = {"python": "Python", "node": "Node", "static": "Static site", "dockerfile": "Dockerfile"}[self.runtime]
        parts = [f"{name} {self.version}".strip() if self.runtime != "static" else name, self.framework]
        parts.append(self.start or (f"serves {self.output}" if self.output else ""))
        parts.append(f"port {self.port}")
        return " · ".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "manifests": list(self.manifests), "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BuildPlan":
        return cls(**{**data, "manifests": tuple(data["manifests"]), "notes": tuple(data["notes"])})
