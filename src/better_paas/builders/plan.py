"""What detection decided, as pure data that is shown to the user."""

import posixpath
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from better_paas.kit.quoted import Told

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


class NoPlan(Told):
    """The source can't be built. hint: what would make it buildable."""


class NoApp(NoPlan):
    """What names the language is there, but no app of it: it may be there for its tools alone."""


@dataclass(frozen=True)
class Overrides:
    """What the app's owner, or a file of the repository, wants instead of what detection finds; empty means no wish.

    build_method: auto, dockerfile, or plan to pass a Dockerfile over. packages, run_packages: of Debian, for building
    and for running. output: folder of a static site. site: whether to serve it as one. version: of the language.
    versions: of languages, whichever it is, as files for other hosts tell their builders.
    build_args: of an own Dockerfile. environment: plain variables of the image, or of an own Dockerfile's containers.
    health_path: what the probe asks for. health_status: its good answers, such as 200-399,401.
    """

    build_method: str = "auto"
    dockerfile_path: str = ""
    install_command: str = ""
    build_command: str = ""
    start_command: str = ""
    port: int | None = None
    kind: str = ""
    processes: dict[str, str] = field(default_factory=dict)
    release_command: str = ""
    packages: tuple[str, ...] = ()
    run_packages: tuple[str, ...] = ()
    output: str = ""
    site: bool | None = None
    single_page: bool | None = None
    version: str = ""
    build_args: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    health_path: str = ""
    health_status: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def exact(self, language: str) -> str:
        """The version that is used whatever else says: nothing else of the source is looked at then."""
        return self.version or self.tools.get(language, "")

    def over(self, other: "Overrides") -> "Overrides":
        """These wishes, and those of `other` where there are none. Of dictionaries each entry is a wish of its own."""
        merged: dict[str, Any] = {}
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, dict):
                merged[each.name] = {**theirs, **mine}
            else:
                merged[each.name] = theirs if mine in _NO_WISH else mine
        return replace(self, **merged)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Overrides":
        lists = {name: tuple(data.get(name, ())) for name in ("packages", "run_packages")}
        return cls(**{**data, **lists})


_NO_WISH: tuple[Any, ...] = ("", "auto", None, ())


@dataclass(frozen=True)
class BuildPlan:
    """runtime: what builds it (see NAMES). port: where the release listens, also given as PORT; 0 for a worker.

    context: the folder of the repository that is built from, if it is not the app's own. folder: the app's place in it.
    install_app: what makes the sources themselves importable, once they are there.
    processes: commands of those beside the main one. release: a command that is run once before the release starts.
    build_packages, run_packages: of Debian. tools: second languages of the build, by version; run_tools: those that are
    also there when it runs. output: folder of a static site that the build makes. environment: variables of the image,
    or of an own Dockerfile's containers.
    notes: what the user should know.
    """

    runtime: str
    # Of a static site, what builds it; Node if it is not said.
    built_by: str = ""
    version: str = ""
    framework: str = ""
    package_manager: str = ""
    manager_package: str = ""
    install: str = ""
    install_app: str = ""
    build: str = ""
    start: str = ""
    processes: dict[str, str] = field(default_factory=dict)
    release: str = ""
    port: int = DEFAULT_PORT
    output: str = ""
    single_page: bool = False
    dockerfile_path: str = ""
    context: str | None = None
    folder: str = ""
    # Files that the install step needs; with a final `/` whole folders.
    manifests: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    run_packages: tuple[str, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)
    run_tools: tuple[str, ...] = ()
    # Of PHP, beside those that every base has.
    extensions: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    build_args: dict[str, str] = field(default_factory=dict)
    health_path: str = ""
    health_status: str = ""
    # Whose caches its build may read and write: the project's.
    cache_scope: str = ""
    # Where volumes are mounted: a generated image has these folders, owned by the user that it runs as.
    mounts: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def summary(self) -> str:
        """One line for people, with what the repository wants to be run."""
        name = NAMES[self.runtime]
        parts = [f"{name} {self.version}".strip() if self.runtime != "static" else name, self.framework]
        parts.append(self.start or (f"serves {self.output}" if self.output else ""))
        parts.append(f"port {self.port}" if self.port else "serves no requests")
        parts.append(f"with {', '.join(self.processes)}" if self.processes else "")
        return " · ".join(part for part in parts if part)

    @property
    def language(self) -> str:
        """What the build stage is of: the runtime, but for static sites."""
        return (self.built_by or "node") if self.runtime == "static" else self.runtime

    @property
    def site(self) -> str:
        """The folder of the static site, below the build's context; "." for all of it."""
        return posixpath.normpath(posixpath.join(self.folder, self.output))

    def as_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BuildPlan":
        """Also of a plan that an older version stored."""
        lists = {
            each.name: tuple(data.get(each.name, ())) for each in fields(cls) if str(each.type).startswith("tuple")
        }
        return cls(**{**data, **lists})
