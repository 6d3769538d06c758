"""Git addresses and refs from people: parsed, checked, never passed on unread."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCP_LIKE = re.compile(r"(?P<user>[A-Za-z0-9._-]+)@(?P<host>[A-Za-z0-9.-]+):(?P<path>[^/].*)")
_OWNER_AND_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")
_USER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PATH = re.compile(r"/?[A-Za-z0-9~._/+@%-]{1,500}")
# What no name of a branch or tag has in it (git-check-ref-format).
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_LONGEST_REF_BYTES = 240
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
_PORTS = {"https": 443, "http": 80, "ssh": 22}
_LONGEST = 600


class SourceRefused(ValueError):
    """The text is no Git address or ref that the platform uses; the message says why."""


@dataclass(frozen=True)
class GitAddress:
    """A repository. user: only for ssh. The password that a pasted URL carried is in `token`, never in `url`."""

    scheme: str
    host: str
    port: int
    path: str
    user: str
    token: str

    @property
    def has_usual_port(self) -> bool:
        return self.port == _PORTS[self.scheme]

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.has_usual_port else f":{self.port}"
        user = f"{self.user}@" if self.user and self.scheme == "ssh" else ""
        return f"{self.scheme}://{user}{host}{port}/{self.path}"


def parse_address(text: str) -> GitAddress:
    """Read a URL, `owner/name`, `git@host:path`, a bare `host/path`, or a pasted `git clone …`.

    Errors: SourceRefused.
    """
    text = re.sub(r"^git\s+clone\s+", "", text.strip()).strip()
    if not text or len(text) > _LONGEST:
        raise SourceRefused("give the repository's address, such as https://github.com/owner/name")
    if _SPACE.search(text):  # urlsplit would drop some of these without a word
        raise SourceRefused("the repository's address must not hold spaces or control characters")
    if scp := _SCP_LIKE.fullmatch(text):
        text = f"ssh://{scp['user']}@{scp['host']}/{scp['path']}"
    elif _OWNER_AND_NAME.fullmatch(text):
        text = f"https://github.com/{text}"
    elif "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise SourceRefused("this is not an address") from error
    if parts.scheme not in _PORTS:
        raise SourceRefused("repositories are reached by https, http or ssh only")
    host, path = parts.hostname or "", parts.path.lstrip("/")
    if not _HOST.fullmatch(host):
        raise SourceRefused("the host in the repository's address is not valid")
    if not path or not _PATH.fullmatch(path) or ".." in path.split("/") or parts.query or parts.fragment:
        raise SourceRefused("the path in the repository's address is not valid")
    user = parts.username or ("git" if parts.scheme == "ssh" else "")
    if user and not _USER.fullmatch(user):
        raise SourceRefused("the user in the repository's address is not valid")
    token = ""
    if parts.scheme != "ssh" and parts.username:
        token = f"{parts.username}:{parts.password}" if parts.password else parts.username
    return GitAddress(parts.scheme, host, port or _PORTS[parts.scheme], path, user, token)


def check_ref(text: str) -> str:
    """A branch, tag or commit as Git's own rules allow, and never an option. Errors: SourceRefused."""
    parts = text.split("/")
    odd = _NO_REF.search(text) or text.endswith(".") or text.startswith("-") or text == "@"
    if odd or any(part[:1] in ("", ".") or part.endswith(".lock") for part in parts):
        raise SourceRefused("this is not a valid branch, tag or commit")
    if len(text.encode("utf-8", "surrogatepass")) > _LONGEST_REF_BYTES or not text.isprintable():
        raise SourceRefused("this is not a valid branch, tag or commit")
    return text


def is_short_commit(text: str) -> bool:
    return _SHORT_COMMIT.fullmatch(text) is not None


def is_commit(text: str) -> bool:
    return _COMMIT.fullmatch(text) is not None
