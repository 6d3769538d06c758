"""What secrets look like: names that tell, and forms of values that do. The client has this too, without libraries.

The dashboard marks variables by the same rule (dashboard/src/apps/secretForms.ts); tests/secret_names.json is true of
both.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """sign: tells that it is there (an expression of RE2). expression: finds it, and can't backtrack. before, behind:
    what of it may be shown."""

    sign: str
    expression: str
    before: str
    behind: str = ""


def _any_case(word: str) -> str:
    """An expression that is much quicker than one that ignores the case of everything."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in word)


def _behind(words: Iterable[str], end: str) -> str:
    """An expression for the place behind one of the words and an end of one character."""
    return "(?:" + "|".join(f"(?<={word}{end})" for word in words) + ")"


_HEADERS = [_any_case(word) for word in ("bearer", "basic")]
_PARAMETERS = [_any_case(word) for word in ("token", "ticket", "password", "secret")]
_BLANK = r"[ \t]"
_CREDENTIAL = "[A-Za-z0-9._~+/=-]"
_VALUE = r"""[^&\s"']"""
# Possessive repetitions behind a beginning that is quickly found: nothing is looked at twice, and no form goes over a
# line's end.
FORMS = (
    Form(r"://[^/\s@:]+(:[^/\s@]*)?@", r"://[^/\s@:]++(?::[^/\s@]*+)?@", "://", "@"),
    Form(r"bpagt_[A-Za-z0-9_-]{8}", r"bpagt_[A-Za-z0-9_-]{8,}+", "bpagt_"),
    Form(
        f"({'|'.join(_HEADERS)}){_BLANK}+{_CREDENTIAL}{{8}}",
        f"([rRcC]{_BLANK}){_behind(_HEADERS, _BLANK)}{_BLANK}*+{_CREDENTIAL}{{8,}}+",
        r"\1",
    ),
    Form(
        f"({'|'.join(_PARAMETERS)})={_VALUE}",
        f"([nNtTdD]=){_behind(_PARAMETERS, '=')}{_VALUE}++",
        r"\1",
    ),
)
_FOUND = [re.compile(form.expression) for form in FORMS]
_KEY = "PRIVATE KEY-----"
# Of names in small letters: what may stand anywhere, what is a word of its own, and ends.
_ANYWHERE = ("secret", "token", "passw", "passphrase", "credential", "private", "apikey", "authorization", "cookie")
_WORDS = {"auth", "dsn", "pass", "pgpass", "pwd", "salt"}
_ENDS = ("_key", "database_url", "redis_url")
# Meant for everyone: a key that is no secret, and variables that front ends put into their pages.
_PUBLIC_KEYS = ("public_key", "publishable_key")
_PUBLIC = ("expo_public_", "gatsby_", "next_public_", "nuxt_public_", "public_", "react_app_", "vite_", "vue_app_")


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable's name or its value's form says that it is a secret."""
    return _is_secret_name(name.lower()) or _KEY in value or any(found.search(value) for found in _FOUND)


def _is_secret_name(name: str) -> bool:
    if name.startswith(_PUBLIC):
        return False
    if any(word in name for word in _ANYWHERE) or not _WORDS.isdisjoint(name.split("_")):
        return True
    return name.endswith(_ENDS) and not name.endswith(_PUBLIC_KEYS)
