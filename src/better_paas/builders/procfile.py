"""Procfiles: `name: command` lines, as Heroku defined them."""

import re

from better_paas.builders.files import Files

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$")


def web_command(files: Files) -> str:
    """The command of the `web` process, or "" if there is none."""
    for line in (files.read("Procfile") or "").splitlines():
        match = _LINE.match(line.strip())
        if match and match[1] == "web":
            return match[2].strip()
    return ""
