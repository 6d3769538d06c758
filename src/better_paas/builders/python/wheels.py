"""Packages that are compiled, since the version that is asked for is older than the Python that it is for."""

import re
from collections.abc import Iterable

from better_paas.builders import packages
from better_paas.builders.files import Files
from better_paas.builders.packages import Needs
from better_paas.builders.python.requirements import normal

_LOCKED = re.compile(r"^name = \"([\w.-]{1,100})\"\s{1,4}version = \"(\d[\w.]{0,50})\"", re.MULTILINE)
_PINNED = re.compile(r"[\"' \t]*+([A-Za-z0-9][\w.-]*+)(?:\[[^\]]*+\])?[ \t]*+={2,3}[ \t]*+(\d[\w.]*+)")
# The oldest version that PyPI has a file of for Python 3.11, 3.12 and 3.13 on x86-64, by its index.
_SINCE = (11, 12, 13)
_FIRST: dict[str, tuple[str, str, str]] = {
    "aiohttp": ("3.8.2", "3.9.0", "3.10.5"),
    "asyncpg": ("0.27.0", "0.29.0", "0.30.0"),
    "bitarray": ("2.6.1", "2.8.2", "2.9.3"),
    "cffi": ("1.15.1", "1.16.0", "1.17.0"),
    "frozenlist": ("1.3.3", "1.4.1", "1.5.0"),
    "gevent": ("22.10.1", "23.7.0", "24.10.1"),
    "greenlet": ("1.1.3", "3.0.0", "3.1.0"),
    "grpcio": ("1.49.0", "1.59.0", "1.66.2"),
    "hiredis": ("2.1.0", "2.3.2", "3.1.0"),
    "httptools": ("0.5.0", "0.6.1", "0.6.2"),
    "kiwisolver": ("1.4.4", "1.4.5", "1.4.7"),
    "lxml": ("4.9.1", "4.9.3", "5.3.0"),
    "lz4": ("4.1.0", "4.3.3", "4.4.3"),
    "matplotlib": ("3.6.0", "3.7.3", "3.9.2"),
    "msgpack": ("1.0.5", "1.0.6", "1.1.0"),
    "multidict": ("6.0.3", "6.0.5", "6.1.0"),
    "numpy": ("1.23.2", "1.26.0", "2.1.0"),
    "pandas": ("1.5.0", "2.1.1", "2.2.3"),
    "pillow": ("9.2.0", "10.0.0", "10.4.0"),
    "psycopg2-binary": ("2.9.5", "2.9.9", "2.9.10"),
    "pyyaml": ("6.0", "6.0.1", "6.0.2"),
    "pyzmq": ("23.2.1", "25.1.1", "26.1.0"),
    "rapidfuzz": ("2.5.0", "2.15.2", "3.9.6"),
    "regex": ("2022.9.11", "2023.10.3", "2024.9.11"),
    "ruamel-yaml-clib": ("0.2.7", "0.2.8", "0.2.9"),
    "scikit-learn": ("1.1.3", "1.3.1", "1.5.2"),
    "ujson": ("5.5.0", "5.8.0", "5.10.0"),
    "uvloop": ("0.17.0", "0.18.0", "0.21.0"),
    "yarl": ("1.8.2", "1.9.3", "1.9.5"),
    "zope-interface": ("5.5.0", "6.1", "6.4"),
    "zstandard": ("0.19.0", "0.22.0", "0.23.0"),
}
_NEEDS = {
    "cffi": Needs(f"{packages.COMPILER} libffi-dev"),
    "lxml": Needs(f"{packages.COMPILER} libxml2-dev libxslt1-dev", "libxml2 libxslt1.1"),
    "pillow": Needs(f"{packages.COMPILER} libjpeg-dev zlib1g-dev libfreetype6-dev", "libjpeg62-turbo libfreetype6"),
    "psycopg2-binary": packages.PYTHON["psycopg2"],
}
_COMPILED = Needs(packages.COMPILER)
_LONGEST_LOCK = 4 * 2**20


def compiled(files: Files, lines: Iterable[str], python: str) -> dict[str, str]:
    """Names and versions of those that have no file for this Python. lines: of what is required; python: as `3.12`."""
    minor = int(python.partition(".")[2] or 0)
    at = max((index for index, since in enumerate(_SINCE) if since <= minor), default=None)
    if at is None:
        return {}
    pinned = [(match[1], match[2]) for line in lines if (match := _PINNED.match(line))]
    for lock in ("uv.lock", "poetry.lock", "pdm.lock"):
        pinned += _LOCKED.findall(files.head(lock, _LONGEST_LOCK) or "")
    return {
        name: version
        for name, version in ((normal(name), version) for name, version in pinned)
        if name in _FIRST and _numbers(version) < _numbers(_FIRST[name][at])
    }


def needs(name: str) -> Needs:
    """What compiling one of them takes."""
    return _NEEDS.get(name, _COMPILED)


def _numbers(version: str) -> list[int]:
    return [*(int(number) for number in re.findall(r"\d{1,9}", version)), 0, 0, 0][:3]
