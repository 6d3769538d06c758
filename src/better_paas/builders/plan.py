"""What detection decided, as pure data that is shown to the user."""

from dataclasses import asdict, dataclass, field
from typing import Any

# What can be built, by the plan's `runtime`.
NAMES = {
    "python": "Python",
    "node": "Node",
    "static": "Static site",
    "dockerfile": "Dockerfile",
    "go": "Go",
    "php": "PHP",
    "ruby": "Ruby",
    "rust": "Rust",
    "java": "Java",
    "elixir": "Elixir",
    "dotnet": ".NET",
    "bun": "Bun",
    "deno": "Deno",
}
# Where nothing says otherwise.
DEFAULT_PORT = 8080


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
    kind: str = ""
    processes: dict[str, str] = field(default_factory=dict)
    release_command: str = ""


@dataclass(frozen=True)
class BuildPlan:
    """runtime: what builds it (see NAMES). port: where the release listens, also given as PORT; 0 for a worker.

    processes: commands of those beside the main one. release: a command that is run once before the release starts.
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
    processes: dict[str, str] = field(default_factory=dict)
    release: str = ""
    port: int = DEFAULT_PORT
    output: str = ""
    single_page: bool = False
    dockerfile_path: str = ""
    manifests: tuple[str, ...] = ()
    cache_scope: str = ""
    # Where volumes are mounted: a generated image has these folders, owned by the user that it runs as.
    mounts: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def summary(self) -> str:
        """One line for people."""
        name = NAMES[self.runtime]
        parts = [f"{name} {self.version}".strip() if self.runtime != "static" else name, self.framework]
        parts.append(self.start or (f"serves {self.output}" if self.output else ""))
        parts.append(f"port {self.port}" if self.port else "serves no requests")
        parts.append(f"with {', '.join(self.processes)}" if self.processes else "")
        return " · ".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "manifests": list(self.manifests),
            "mounts": list(self.mounts),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BuildPlan":
        lists = {name: tuple(data.get(name, ())) for name in ("manifests", "mounts", "notes")}
        return cls(**{**data, **lists})
