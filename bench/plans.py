"""`python -m bench.plans <folder>`: our plans beside those of Railpack, which are facts of what such sources need.

folder: a checkout of Railpack with its `examples` and `core/__snapshots__`. Every example of a language that we claim is
planned, and compared in what matters: runtime, version, install, build, start, packages and second languages.
Large trees are planned besides; it fails where one takes longer than is promised.
✓ the same; ≈ by other means as well (the reason is said); ✗ not as well.
"""

import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.table import row
from better_paas.builders import relaxed
from better_paas.builders.detect import detect
from better_paas.builders.files import TreeFiles
from better_paas.builders.languages import LANGUAGES
from better_paas.builders.plan import BuildPlan, NoPlan, Overrides

# C++, Gleam and shell scripts, which we do not claim; of the last three the first word does not say so.
_NOT_CLAIMED = ("cpp-", "gleam", "shell-", "dockerignore", "secrets", "railpack-env-configuration")
_LANGUAGES = ("elixir", "dotnet", "go", "java", "rust", "deno", "ruby", "python")
# What Railpack adds to speed up or to make its own tools work, and no app asks for.
_THEIR_OWN = re.compile(r"libatomic1|libjemalloc.*|cargo|rustc|gpg|tar|ca-certificates|git|zip|unzip")
# What Chrome's own package asks for, or every image has; a browser without a screen needs none of it.
_NOT_NEEDED = {"libc6", "libgcc1", "lsb-release", "wget", "xdg-utils", "xvfb"}
# What the official image has.
_OF_IMAGE = {"dotnet": {"libicu-dev"}, "ruby": {"libmagickwand-dev", "libicu-dev", "default-libmysqlclient-dev"}}
_MANAGERS = re.compile(r"\b(npm|pnpm|yarn|bun|uv|pip|poetry|pdm|pipenv|composer|bundle|mix|go|dotnet)\b")
_MIGRATES = re.compile(r"(?:\S+ )?(manage.py migrate|db:migrate)\S*(?: --noinput)? && ")
_MOST_MILLISECONDS = 200
_LARGE_FOLDERS = 200
SAME, AS_WELL, WORSE = "✓", "≈", "✗"


@dataclass(frozen=True)
class Theirs:
    """What a snapshot says, in our words. commands: by step."""

    runtime: str
    tools: frozenset[str]
    commands: dict[str, list[str]]
    start: str
    output: str
    build_packages: frozenset[str]
    run_packages: frozenset[str]

    @classmethod
    def read(cls, file: Path) -> "Theirs":
        data = json.loads(file.read_text())
        commands: dict[str, list[str]] = {}
        names: list[str] = []
        for step in data["steps"]:
            for command in step.get("commands", []):
                if "cmd" in command:
                    commands.setdefault(step["name"], []).append(command["cmd"])
                    names.append(command.get("customName", ""))
        listed = " ".join(name.partition(": ")[2] for name in names if name.startswith("install mise"))
        tools = frozenset(re.findall(r"[a-z]+", listed))
        steps = {step["name"] for step in data["steps"]}
        served = "packages:caddy" in steps
        runtime = next((name for name in _LANGUAGES if name in tools and not ({"node", "bun"} & tools)), "node")
        runtime = "php" if "packages:image" in steps else "ruby" if "ruby" in tools else runtime
        packages = [
            frozenset(
                name
                for command in commands.get(f"packages:apt:{stage}", [])
                for name in command.partition("install -y ")[2].strip("'").split()
            )
            for stage in ("build", "runtime")
        ]
        deploy = data["deploy"]
        inputs = [entry for entry in deploy.get("inputs", []) if entry.get("step") == "build"]
        included = [path for entry in inputs for path in entry.get("include", [])]
        return cls(
            "static" if served else runtime,
            tools & {"node", "bun", "python"},
            commands,
            deploy.get("startCommand", ""),
            included[-1].strip("/") if served and included else "",
            *packages,
        )


class Comparison:
    """One example, point by point. findings: (mark, what, why)."""

    def __init__(self, folder: Path, theirs: Theirs, ours: BuildPlan) -> None:
        self._folder, self._theirs, self._ours = folder, theirs, ours
        try:
            file = next(file for name in ("package.json", "package.json5") if (file := folder / name).is_file())
            self._package = relaxed.loads(file.read_text())
        except (StopIteration, ValueError):
            self._package = {}
        self.findings = [*self._runtime(), *self._version(), *self._install(), *self._build(), *self._start()]
        self.findings += [*self._packages(), *self._tools()]

    @property
    def mark(self) -> str:
        marks = {mark for mark, _, _ in self.findings}
        return next((mark for mark in (WORSE, AS_WELL) if mark in marks), SAME)

    def _runtime(self) -> Iterator[tuple[str, str, str]]:
        wanted, got = self._theirs.runtime, self._ours.runtime
        if wanted != got and {wanted, got} != {"node", "bun"}:
            yield WORSE, "runtime", f"{got}, not {wanted}"

    def _version(self) -> Iterator[tuple[str, str, str]]:
        language = "node" if self._ours.runtime == "static" else self._ours.runtime
        wanted = _pinned(self._folder, self._package, language)
        got = self._ours.version or LANGUAGES[language].newest
        if wanted and not _fits(got, wanted):
            said = any(wanted.lstrip("^~>=v") in note for note in self._ours.notes)
            yield AS_WELL if said else WORSE, "version", f"{got}, not {wanted}{' (a note says so)' if said else ''}"

    def _install(self) -> Iterator[tuple[str, str, str]]:
        steps = self._theirs.commands
        wanted = " ; ".join(command for name in steps if name.startswith("install") for command in steps[name])
        wanted = re.sub(r"npm i -g corepack\S*|pnpm add -g node-gyp|gem install", "", wanted)
        managers, ours = (
            set(_MANAGERS.findall(wanted)),
            f"{self._ours.install} {self._ours.build} {self._ours.install_app}",
        )
        missing = managers - set(_MANAGERS.findall(ours))
        needs = any(self._package.get(key) for key in ("dependencies", "devDependencies", "workspaces"))
        if (missing and self._package and not needs) or (
            missing == {"composer"} and set(_composer(self._folder)) <= {"php"}
        ):
            yield AS_WELL, "install", "nothing is required, so nothing is installed"
        elif missing == {"dotnet"} or missing == {"go"}:
            yield AS_WELL, "install", "the build fetches it"
        elif missing:
            yield WORSE, "install", f"{self._ours.install or 'nothing'}, not {wanted}"
        elif "npm install" in wanted and "npm ci" in ours:
            in_step = _in_step(self._folder, self._package)
            yield (
                AS_WELL if in_step else WORSE,
                "install",
                "by the lock alone" + ("" if in_step else ", which it breaks"),
            )
        yield from self._manager()

    def _manager(self) -> Iterator[tuple[str, str, str]]:
        """Its version: a lock of another one is not read."""
        pinned = str(self._package.get("packageManager") or "").partition("@")[2]
        engines = self._package.get("engines") or {}
        pinned = pinned or str(engines.get(self._ours.package_manager, ""))
        lock = self._folder / "yarn.lock"
        if not pinned and lock.is_file():
            written = re.search(r"^  version: (\d)", lock.read_text()[:500], re.MULTILINE)
            pinned = {"4": "2", "5": "3", "6": "3"}.get(written[1], "4") if written else "1"
        got = self._ours.manager_package
        if pinned and got and not _fits(got.rpartition("@")[2], pinned):
            yield WORSE, "install", f"{got}, not {pinned}"

    def _build(self) -> Iterator[tuple[str, str, str]]:
        ours = f"{self._ours.build} {self._ours.install_app} ./{self._ours.folder}"
        for command in self._theirs.commands.get("build", []):
            command = command.removeprefix("sh -c '").removesuffix("'")
            if re.fullmatch(r"mkdir .*|cp .*|chmod .*|caddy .*|mix compile|.*bootsnap.*|mkdir -p storage.*", command):
                continue
            words = re.findall(
                r"run build|[a-z_]+ sync|nx build|next build|[a-z]+:(?:cache|precompile)|npm ci", command
            )
            words += re.findall(
                r"cargo build|go build|mvn|gradlew|dotnet publish|mix \S+|deno cache|lsb_release", command
            )
            package = re.search(r"--package (\S+)| (\./\S+)$|nx build \S*?([a-z]+)$", command)
            words += [next(found for found in package.groups() if found)] if package else []
            if re.search(r"artisan \w+:cache", command) and "artisan optimize" in self._ours.start:
                yield AS_WELL, "build", "caches are made when it starts, with the app's variables"
                continue
            for word in words or [command]:
                same = word in ours or (word == "run build" and re.search(r"\byarn build", ours))
                same = same or (word == "uv sync" and "uv sync" in self._ours.install)
                if not same:
                    yield WORSE, "build", f"“{self._ours.build}” has no “{word}”"

    def _start(self) -> Iterator[tuple[str, str, str]]:
        compiled = self._ours.runtime in ("go", "rust", "java", "dotnet", "elixir", "php")
        if self._theirs.runtime == "static":
            yield from self._site()
        elif compiled and self._ours.start:
            program = re.search(r"bin/([a-z0-9_-]+)$", self._theirs.start)
            if self._ours.runtime == "rust" and program and program[1] not in self._ours.build:
                yield WORSE, "start", f"the build makes no {program[1]}"
        else:
            yield from self._archives()
            yield from self._command()

    def _site(self) -> Iterator[tuple[str, str, str]]:
        wanted, got = self._theirs.output or ".", self._ours.output
        if self._theirs.commands.get("build") == ["caddy fmt --overwrite Caddyfile"]:
            # Of an example without a build only its Staticfile says which folder.
            said = self._folder / "Staticfile"
            root = re.search(r"^root: (\S+)", said.read_text(), re.MULTILINE) if said.is_file() else None
            wanted = root[1] if root else "."
        if wanted != got:
            yield WORSE, "start", f"serves {got or 'nothing'}, not {wanted}"

    def _archives(self) -> Iterator[tuple[str, str, str]]:
        settings = self._folder / ".yarnrc.yml"
        in_archives = self._ours.manager_package.startswith("@yarnpkg")
        in_archives = in_archives and not (settings.is_file() and "node-modules" in settings.read_text())
        if in_archives and not re.match(r"yarn\b", self._ours.start):
            yield WORSE, "start", f"{self._ours.start} finds no packages: they are in Yarn's archives"

    def _command(self) -> Iterator[tuple[str, str, str]]:
        wanted, got = self._expanded(self._theirs.start), self._expanded(self._ours.start)
        # Theirs starts at the top and goes to the folder; our images are in it already.
        wanted = wanted.removeprefix(f"cd {self._ours.folder} && ") if self._ours.folder else wanted
        if migrates := _MIGRATES.search(wanted):
            wanted = wanted.replace(migrates[0], "")
            if migrates[1] not in f"{self._ours.release} {got}":
                yield WORSE, "start", "no migrations"
            got = _MIGRATES.sub("", got).removeprefix("exec ")
        served = re.match(r"(gunicorn|uvicorn) (\w+):", got)
        if served and wanted == f"python {served[2]}.py":
            yield AS_WELL, "start", f"{served[1]}, not its development server"
        elif got.startswith("puma ") and wanted.startswith("rackup"):
            yield AS_WELL, "start", "puma itself, which rackup would start"
        elif _words(wanted) != _words(got):
            yield (AS_WELL if _words(wanted) < _words(got) else WORSE), "start", f"{got}, not {wanted}"

    def _expanded(self, command: str) -> str:
        """With the script in place of what runs it, and without what changes nothing."""
        scripts = self._package.get("scripts") or {}
        if re.fullmatch(r"(npm|pnpm|bun|yarn)( run)? start", command.strip()):
            command = scripts.get("start", command)
        command = re.sub(
            r"bundle exec |npx |pnpm exec |npm exec |bin/(?=rails)|rake (?=db)|python (?=manage)", "", command
        )
        return re.sub(r"\$\{PORT:-\d+\}", "$PORT", command)

    def _packages(self) -> Iterator[tuple[str, str, str]]:
        made = LANGUAGES["node" if self._ours.runtime == "static" else self._ours.runtime].made
        of_base = set((made.packages if made else "").split()) | set(LANGUAGES[self._ours.runtime].run_packages.split())
        both = {*self._ours.build_packages, *self._ours.run_packages} | of_base
        for name in sorted(self._theirs.build_packages | self._theirs.run_packages):
            if _THEIR_OWN.fullmatch(name) or name in both or name in _OF_IMAGE.get(self._ours.runtime, ()):
                continue
            if name in _NOT_NEEDED and "libnss3" in both:
                continue
            if name in both or _plain(name) in {_plain(each) for each in both}:
                continue
            yield WORSE, "packages", f"no {name}"

    def _tools(self) -> Iterator[tuple[str, str, str]]:
        ours = {self._ours.runtime, *self._ours.tools}
        ours |= {"node"} if self._ours.runtime == "static" and self._ours.build else set()
        ours |= {"python"} if "python3" in (*self._ours.build_packages, *self._ours.run_packages) else set()
        for name in sorted(self._theirs.tools - ours):
            if name == "python" and "pdm" not in self._ours.package_manager and self._theirs.runtime == "python":
                continue
            yield WORSE, "tools", f"no {name}"


def _composer(folder: Path) -> dict[str, object]:
    composer = json.loads((folder / "composer.json").read_text())
    return {**composer.get("require", {}), **({"autoload": 1} if composer.get("autoload") else {})}


def _in_step(folder: Path, package: dict[str, object]) -> bool:
    """Whether the lock of npm holds what package.json asks for; npm ci fails where it does not."""
    lock = json.loads((folder / "package-lock.json").read_text())
    locked = (lock.get("packages") or {}).get("", {})
    return all(locked.get(kind, {}) == package.get(kind, {}) for kind in ("dependencies", "devDependencies"))


def _words(command: str) -> frozenset[str]:
    """Of a command, without the order of its options."""
    return frozenset(re.findall(r"[^\s'\"]+", command))


def _plain(package: str) -> str:
    """A library, whether for building or running, whatever its number."""
    return re.sub(r"^lib|-dev$|[0-9.]+$|[0-9]+t64$|-[0-9.-]+$", "", re.sub(r"-dev$", "", package))


_PINS = {
    "node": (("mise.toml", r'^node = "(.+)"'), (".node-version", r"(\S+)"), (".nvmrc", r"(\S+)"), (".tool-versions", r"^nodejs (.+)")),
    "python": ((".python-version", r"^([\d.]+)"), (".tool-versions", r"^python (.+)"), ("mise.toml", r'^python = "(.+)"')),
    "ruby": (("mise.toml", r'^ruby = "(.+)"'), (".ruby-version", r"(\S+)"), ("Gemfile", r"^ruby ['\"](.+)['\"]")),
    "go": (("mise.toml", r'^go = "(.+)"'), ("go.mod", r"^go (\S+)"), ("go.work", r"^go (\S+)")),
    "rust": ((".tool-versions", r"^rust (.+)"), ("rust-toolchain.toml", r'channel = "(.+)"'), ("Cargo.toml", r'rust-version = "(.+)"')),
    "deno": ((".deno-version", r"(\S+)"),),
    "bun": ((".bun-version", r"(\S+)"),),
    "elixir": (("mise.toml", r'^elixir = "(.+)"'), ("mix.exs", r'elixir: "(.+?)"')),
    "java": (("railpack.json", r"zulu-(\d+)"), ("pom.xml", r"<maven.compiler.(?:source|release)>(\d+)"), ("app/build.gradle.kts", r"JavaLanguageVersion.of\((\d+)\)")),
    "dotnet": (("global.json", r'"version": "(\d+\.\d+)'),),
    "php": (("composer.json", r'"php": "([^"]+)"'),),
}  # fmt: skip


def _pinned(folder: Path, package: dict[str, object], language: str) -> str:
    """What the example says of its version; "" if it wants the newest or says nothing. engines.node comes first."""
    engines = package.get("engines")
    if language == "node" and isinstance(engines, dict) and engines.get("node", "*") != "*":
        return str(engines["node"])
    for name, pattern in _PINS.get(language, ()):
        if (folder / name).is_file() and (found := re.search(pattern, (folder / name).read_text(), re.MULTILINE)):
            return found[1] if re.search(r"\d", found[1]) else ""
    return ""


def _fits(version: str, wanted: str) -> bool:
    ours = [int(part) for part in re.findall(r"\d+", version)]
    theirs = [int(part) for part in re.findall(r"\d+", wanted)]
    if re.match(r"\s*(>=|\^|~>)", wanted):
        return ours >= theirs[: len(ours)]
    return ours[: len(theirs)] == theirs[: len(ours)]


def compare(folder: Path) -> int:
    """Print the table; how many examples are planned as well."""
    total, counts = Counter[str](), Counter[str]()
    print("| example | | why |\n|---|---|---|")
    for snapshot in sorted((folder / "core/__snapshots__").glob("*_1.snap.json")):
        name = snapshot.name.removeprefix("TestGenerateBuildPlanForExamples_").removesuffix("_1.snap.json")
        if name.startswith(_NOT_CLAIMED):
            continue
        example = folder / "examples" / name
        try:
            ours = detect(TreeFiles(example), Overrides(build_method="plan"))
            compared = Comparison(example, Theirs.read(snapshot), ours)
            mark, why = (
                compared.mark,
                "; ".join(f"{what}: {text}" for each, what, text in compared.findings if each != SAME),
            )
        except NoPlan as error:
            mark, why = WORSE, f"no plan: {error} {error.quoted}"
        counts[mark] += 1
        total[name.partition("-")[0]] += mark != WORSE
        total[f"{name.partition('-')[0]} of"] += 1
        print(f"| {name} | {mark} | {why} |")
    as_well, all_of = counts[SAME] + counts[AS_WELL], sum(counts.values())
    print()
    for language in sorted(key for key in total if not key.endswith(" of")):
        row(language, str(total[language]), str(total[f"{language} of"]), "")
    row("all", f"{as_well} ({counts[SAME]} the same)", str(all_of), f"{as_well / all_of:.1%}")
    return as_well


def _node_tree(folders: int) -> dict[str, str]:
    tree = {"package.json": '{"private": true, "workspaces": ["packages/*"]}', "package-lock.json": "{}"}
    for number in range(folders):
        manifest = {"name": f"p{number}", "scripts": {"build": "tsc", "start": "node index.js"}}
        manifest["dependencies"] = {f"p{number + 1}": "*"} if number < 5 else {}
        tree[f"packages/p{number}/package.json"] = json.dumps(manifest)
        tree |= {f"packages/p{number}/src/module{other}.js": "export default 1\n" for other in range(49)}
    return tree


def _go_tree(folders: int) -> dict[str, str]:
    tree = {"go.mod": "module shop\n\ngo 1.24\n", "cmd/server/main.go": "package main\n"}
    for number in range(folders):
        tree |= {f"internal/p{number}/file{other}.go": f"package p{number}\n" for other in range(50)}
    return tree


def _python_tree(folders: int) -> dict[str, str]:
    tree = {
        "requirements.txt": "fastapi\ncelery\n",
        "service/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
    }
    for number in range(folders):
        tree |= {f"shop/p{number}/module{other}.py": "x = 1\n" for other in range(49)}
        tree[f"shop/p{number}/__init__.py"] = ""
    return tree


def _many_members_tree(folders: int) -> dict[str, str]:
    """Each of the members needs those before it, and the app all of them."""
    members = folders * 2
    tree = {
        "package.json": json.dumps({"name": "all", "private": True, "devDependencies": {"turbo": "2"}}),
        "pnpm-workspace.yaml": "packages:\n  - apps/*\n  - packages/*\n",
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
    }
    for number in range(members):
        needs = {f"@shop/p{other}": "workspace:*" for other in range(max(0, number - 5), number)}
        manifest = {"name": f"@shop/p{number}", "scripts": {"build": "tsc"}, "dependencies": needs}
        tree[f"packages/p{number}/package.json"] = json.dumps(manifest)
        tree |= {f"packages/p{number}/src/module{other}.ts": "export default 1\n" for other in range(24)}
    needs = {"next": "15", **{f"@shop/p{number}": "workspace:*" for number in range(members)}}
    scripts = {"build": "next build", "start": "next start"}
    tree["apps/web/package.json"] = json.dumps({"name": "web", "scripts": scripts, "dependencies": needs})
    return tree


def _many_packages_tree(folders: int) -> dict[str, str]:
    """Nothing of the packages starts: only what stands behind them does."""
    tree = {"requirements.txt": "fastapi\n", "shop/service/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
    for number in range(folders * 25):
        tree[f"p{number}/__init__.py"] = "x" * 3000
        tree[f"p{number}/module.py"] = "x = 1\n"
    return tree


# By what is planned: the tree of so many folders with fifty files each, or of as many files in smaller ones, and the
# folder of the app in it.
_LARGE_TREES: dict[str, tuple[Callable[[int], dict[str, str]], str]] = {
    "a member of a Node workspace": (_node_tree, "packages/p0"),
    "a Go module": (_go_tree, ""),
    "a Python app": (_python_tree, ""),
    "a member of 400 of a Node workspace": (_many_members_tree, "apps/web"),
    "a Node workspace of 400 members": (_many_members_tree, ""),
    "a Python app among 5,000 packages": (_many_packages_tree, ""),
}


def time_a_large_tree(tree: dict[str, str], folder: str) -> float:
    """Milliseconds that planning the app in `folder` takes."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for name, text in tree.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        started = time.perf_counter()
        detect(TreeFiles(root), Overrides(), folder)
        return (time.perf_counter() - started) * 1000


def time_large_trees() -> bool:
    """Print how long each takes; whether all are planned in time."""
    taken = {name: time_a_large_tree(make(_LARGE_FOLDERS), folder) for name, (make, folder) in _LARGE_TREES.items()}
    for name, milliseconds in taken.items():
        row(f"planning 10,000 files: {name}", f"{milliseconds:.0f} ms", f"{_MOST_MILLISECONDS} ms", "")
    return max(taken.values()) <= _MOST_MILLISECONDS


def main() -> None:
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "core/__snapshots__").is_dir():
        sys.exit("usage: python -m bench.plans <a checkout of Railpack>")
    compare(Path(sys.argv[1]))
    if not time_large_trees():
        sys.exit("a large tree is not planned in time")


if __name__ == "__main__":
    main()
