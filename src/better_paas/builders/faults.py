"""Which wishes can't be. One rule for each, whoever wishes: the app's settings, our file, or files for others."""

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

from better_paas.builders import procfile
from better_paas.builders.plan import NoPlan, Overrides

# As Debian names them (Policy, section 5.6.7).
PACKAGE = r"[a-z0-9][a-z0-9.+-]{1,100}"
MOST_PACKAGES = 100
_HEALTH_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,299}")
_STATUSES = re.compile(r"([1-5]\d\d)(?:-([1-5]\d\d))?", re.ASCII)


def faults(wanted: Overrides) -> Iterator[tuple[str, NoPlan]]:
    """(field, what is wrong with it), for each wish that can't be, wherever the app is."""
    for field, check in _CHECKS.items():
        try:
            check(getattr(wanted, field))
        except NoPlan as error:
            yield field, error


def is_health_path(text: str) -> bool:
    return _HEALTH_PATH.fullmatch(text) is not None


def are_statuses(text: str) -> bool:
    """Statuses and ranges of them, parted by commas."""
    found = [_STATUSES.fullmatch(part.strip()) for part in text.split(",")]
    return all(match is not None and int(match[1]) <= int(match[2] or match[1]) for match in found)


def is_package(name: str) -> bool:
    return re.fullmatch(PACKAGE, name) is not None


def _check_health_path(path: str) -> None:
    if path and not is_health_path(path):
        raise NoPlan("this is no path of a URL", "A health path begins with '/', like /healthz.", path)


def _check_health_status(statuses: str) -> None:
    if statuses and not are_statuses(statuses):
        raise NoPlan("these are no statuses", "Give statuses or ranges of them, such as 200-399,401.", statuses)


def _check_packages(names: tuple[str, ...]) -> None:
    for name in names:
        if not is_package(name):
            raise NoPlan("this is no name of a Debian package", "Names are like libpq-dev.", name)
    if len(names) > MOST_PACKAGES:
        raise NoPlan(f"at most {MOST_PACKAGES} Debian packages", "Build an image of your own with a Dockerfile.")


def check_output(text: str, app: str = "") -> None:
    """Below the app, or elsewhere in what is built. app: its folder there. Errors: NoPlan."""
    folder = posixpath.normpath(posixpath.join(app, text.strip("/")))
    if folder.startswith("..") or not re.fullmatch(r"[\w.@-]*+(?>/[\w.@-]++)*+", folder):
        raise NoPlan("this is no folder that a site can be in", "Give it relative to the app, like dist.", text)


def _check_processes(commands: dict[str, str]) -> None:
    procfile.check_names([name for name, command in commands.items() if command])


def _check_version(version: str) -> None:
    if not re.fullmatch(r"[\w.+-]{0,50}", version):
        raise NoPlan("this is no version of a language", "Versions are like 3.12 or 22.", version)


_CHECKS: dict[str, Callable[[Any], None]] = {
    "health_path": _check_health_path,
    "health_status": _check_health_status,
    "packages": _check_packages,
    "run_packages": _check_packages,
    "output": check_output,
    "processes": _check_processes,
    "version": _check_version,
}
