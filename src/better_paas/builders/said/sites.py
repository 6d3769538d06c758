"""Staticfile and Caddyfile: how a static site wants to be served."""

import re

from better_paas.builders.files import Files, read_yaml
from better_paas.builders.plan import Overrides
from better_paas.builders.said.wish import Said, text, unread

_YES = (True, "enabled", "true", "yes")
_NO = (False, "disabled", "false", "no")


def staticfile(files: Files) -> Said:
    data = read_yaml(files, "Staticfile")
    fallback = data.get("index_fallback", data.get("pushstate"))
    root = text(data.get("root"))
    return Said(
        Overrides(
            output=root.strip("/") if root not in (".", "./") else "",
            site=True if root else None,
            single_page=True if fallback in _YES else False if fallback in _NO else None,
        ),
        unread("Staticfile", data, "root", "index_fallback", "pushstate"),
    )


def caddyfile(files: Files) -> Said:
    """Of a site that serves files: its folder, and whether unknown paths get its index."""
    content = files.read("Caddyfile") or ""
    if "file_server" not in content or "reverse_proxy" in content or "php_fastcgi" in content:
        return Said()
    root = re.search(
        r"^[ \t]*+root (?>\* )?+(?>/app/|/srv/|\./)?+([\w.-]++(?>/[\w.-]++)*+)/?+[ \t]*+$", content, re.MULTILINE
    )
    tries = re.search(r"^[ \t]*+try_files [^\n]*", content, re.MULTILINE)
    falls_back = "/index.html" in tries[0].split()[-1:] if tries else None
    note = "Caddyfile: read for its folder and its fallback; its other rules are not used."
    return Said(Overrides(output=root[1] if root else "", single_page=falls_back or None), (note,))
