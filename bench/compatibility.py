"""Public repositories as they are: which go live without a setting, which with one, and why.

Run as root on a machine with Docker: .venv/bin/python -m bench.compatibility <folder> [--only TEXT] [--keep FILE] [--page]

folder: checkouts, or bare repositories, of those that `bench/compatibility.toml` lists, each in `owner+name` (a bare
one may be in `repo` below that). Each is deployed at its commit as a newcomer would, with nothing but its address and,
for one of several apps, its folder; what is served is asked for as a visitor. One that is not live so is deployed again
with the settings that the list has for it. --keep: results, which a later run goes on from. --page: write
docs/compatibility.md from all results.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from tests.system.servers import GitServer, PaasServer, app_ports

LIST = Path(__file__).with_suffix(".toml")
PAGE = Path(__file__).parent.parent / "docs" / "compatibility.md"
_MOST_SECONDS = 1200
_MOST_REDIRECTS = 4


@dataclass(frozen=True)
class Known:
    """An entry of the list: see there."""

    name: str
    commit: str
    kind: str
    folder: str = ""
    text: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    elsewhere: str = ""

    @property
    def key(self) -> str:
        return f"{self.name}/{self.folder}".rstrip("/") + f"@{self.commit[:10]}"


@dataclass(frozen=True)
class Try:
    """error: why it is not live, in the platform's words, or what was served instead. seconds: until it was live."""

    error: str
    seconds: float

    @property
    def is_live(self) -> bool:
        return not self.error


def listed() -> list[Known]:
    return [Known(**entry) for entry in tomllib.loads(LIST.read_text())["repository"]]


def git_directory(folder: Path, known: Known) -> Path:
    """Of its checkout. Errors: SystemExit, with what is missing."""
    place = folder / known.name.replace("/", "+")
    found = next((path for path in (place / ".git", place / "repo", place) if (path / "HEAD").exists()), None)
    if found is None:
        raise SystemExit(f"{place} is missing: git clone {known.name} there, at {known.commit}")
    return found


def served_by(git: GitServer, known: Known, directory: Path) -> str:
    """The address of a repository that holds the commit's tree."""
    made = git.repository(f"{known.name.replace('/', '-')}.git")
    environment = {**os.environ, "GIT_DIR": str(directory), "GIT_WORK_TREE": str(made.work)}
    with tempfile.TemporaryDirectory() as scratch:
        environment["GIT_INDEX_FILE"] = f"{scratch}/index"
        subprocess.run(["git", "read-tree", known.commit], env=environment, check=True)
        # A checkout without its largest files is as good, unless the app needs them.
        subprocess.run(["git", "checkout-index", "--all", "--force"], env=environment, capture_output=True, check=False)
    made.commit({}, known.commit)
    return made.url


def attempt(paas: PaasServer, known: Known, url: str, settings: dict[str, Any]) -> Try:
    name = known.key.lower().replace("/", "-").replace(".", "-").replace("@", "-").replace("_", "-")[-40:].strip("-")
    started = time.monotonic()
    app = paas.deploy(name, url, rootDir=known.folder, **settings)
    ended = paas.ended(app["deploymentId"], _MOST_SECONDS)
    seconds = time.monotonic() - started
    try:
        if ended["status"] != "success":
            log = paas.deployment_log(app["deploymentId"]).splitlines()
            print("\n".join(f"    {line}" for line in log[-25:]), flush=True)
            return Try(" ".join(part for part in (ended["error"], ended["quoted"]) if part), seconds)
        return Try(_not_served(paas, known, paas.app(app["id"])["defaultHost"]), seconds)
    finally:
        paas.purge(app)


def _not_served(paas: PaasServer, known: Known, host: str) -> str:
    """What a visitor gets that is not the app's page; "" for the page."""
    place = f"http://{host}/"
    for _ in range(_MOST_REDIRECTS):
        parts = urlsplit(place)
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        answer: httpx2.Response = paas.visit(parts.hostname or host, path)
        if answer.status_code not in (301, 302, 303, 307, 308):
            break
        place = urljoin(place, answer.headers["location"])
    if answer.status_code != 200:
        return f"{place} is answered with {answer.status_code}"
    if known.text.lower() not in answer.text.lower():
        return f"{place} does not show “{known.text}”: {answer.text[:200]!r}"
    return ""


def tries(paas: PaasServer, git: GitServer, folder: Path, known: Known) -> Iterator[Try]:
    url = served_by(git, known, git_directory(folder, known))
    alone = attempt(paas, known, url, {})
    yield alone
    if not alone.is_live and known.settings:
        yield attempt(paas, known, url, known.settings)


def page(results: dict[str, list[Try]]) -> str:
    """docs/compatibility.md."""
    rows, entries = [], [known for known in listed() if known.key in results and not known.elsewhere]
    alone = sum(results[known.key][0].is_live for known in entries)
    live = sum(results[known.key][-1].is_live for known in entries)
    for known in entries:
        first, last = results[known.key][0], results[known.key][-1]
        place = f"https://github.com/{known.name}/tree/{known.commit}/{known.folder}".rstrip("/")
        said = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in known.settings.items())
        needs = "" if first.is_live else f"{known.why}: {said}" if last.is_live else (known.why or last.error)
        mark = "as it is" if first.is_live else "with a setting" if last.is_live else "no"
        shown = f"{known.name} {known.folder}".strip()
        rows.append(f"| [{shown}]({place}) | {known.kind} | {mark} | {last.seconds:.0f} | {needs.replace('|', '/')} |")
    table = "\n".join(rows)
    not_counted = [f"{known.name} ({known.elsewhere})" for known in listed() if known.elsewhere]
    repositories = len({known.name for known in entries})
    return f"""# What goes live as it is

{len(entries)} apps of {repositories} public repositories of the kinds that people deploy, each at one commit. They were chosen before they were
tried, and need nothing but PyPI, the npm registry and Debian's packages, which is what the machine that tries them can
reach. **{alone} of {len(entries)} ({100 * alone / len(entries):.0f} %) are live with nothing but their address** and, where a repository has several apps, the folder
of the one; {live} of {len(entries)} are with a setting. A repository counts as live when a visitor gets its page.

Made by `python -m bench.compatibility <folder with checkouts> --page` from `bench/compatibility.toml`. Seconds are from
the request to live, on two cores.

| repository | kind | live | seconds | what it needs |
|---|---|---|---|---|
{table}

Chosen too and not counted, each for its own reason: {"; ".join(not_counted)}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="those whose name has this text")
    parser.add_argument("--keep", type=Path, help="a file of results, which is gone on from")
    parser.add_argument("--page", action="store_true", help="write docs/compatibility.md")
    options = parser.parse_args()
    results: dict[str, list[Try]] = {}
    if options.keep and options.keep.exists():
        kept = json.loads(options.keep.read_text())
        results = {key: [Try(**each) for each in found] for key, found in kept.items()}
    wanted = [known for known in listed() if options.only in known.key and not known.elsewhere]
    with tempfile.TemporaryDirectory() as scratch:
        git = GitServer(Path(scratch))
        paas = PaasServer(
            Path(scratch) / "data", APP_PORTS=app_ports(27000, 200), HEALTH_TIMEOUT="90", DRAIN_SECONDS="2"
        )
        paas.start()
        try:
            for known in wanted:
                if known.key in results:
                    continue
                results[known.key] = list(tries(paas, git, options.folder, known))
                for found in results[known.key]:
                    print(
                        f"{known.key}: {'live' if found.is_live else found.error} ({found.seconds:.0f} s)", flush=True
                    )
                if options.keep:
                    said = {key: [asdict(each) for each in found] for key, found in results.items()}
                    options.keep.write_text(json.dumps(said, indent=1))
        finally:
            paas.close()
            git.close()
    live = [key for key, found in results.items() if found[0].is_live]
    in_all = sum(found[-1].is_live for found in results.values())
    print(f"{len(live)} of {len(results)} live as they are, {in_all} in all")
    if options.page:
        PAGE.write_text(page(results))


if __name__ == "__main__":
    main()
