"""Programs that ask for consent: our own, and those that register themselves. Pure.

A registration is not stored: the client id that is given out carries it, with a keyed digest.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from better_paas.errors import Invalid

CLI = "paas-cli"
# The form of a keyed digest; see Keyring.digest.
Digest = Callable[[bytes], str]

_REGISTERED = "reg_"
# Editors whose own address scheme brings the answer back to them.
_EDITOR_SCHEMES = ("cursor", "vscode", "vscode-insiders", "windsurf", "zed")
_MOST_REDIRECTS, _LONGEST_REDIRECT = 5, 300
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]{1,80}")


@dataclass(frozen=True)
class Client:
    """name: what it calls itself; nobody has checked that. redirects: where an answer may go."""

    id: str
    name: str
    redirects: tuple[str, ...]


def find(client_id: str, digest: Digest) -> Client:
    """Errors: Invalid for an id that was not given out here."""
    if client_id == CLI:
        return Client(CLI, "paas CLI", ("http://127.0.0.1/callback",))
    unknown = Invalid("unknown client", "Register it at /oauth/register, or run 'paas connect'.", code="invalid_client")
    body, _, proof = client_id.removeprefix(_REGISTERED).partition(".")
    if not client_id.startswith(_REGISTERED) or digest(body.encode()) != proof:
        raise unknown
    try:
        fields = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return Client(client_id, fields["name"], tuple(fields["redirects"]))
    except (ValueError, KeyError, binascii.Error):
        raise unknown from None


def register(name: str, redirects: Sequence[str], digest: Digest) -> Client:
    """A client of its own description. Errors: Invalid."""
    if not _NAME.fullmatch(name):
        raise Invalid("client_name must be 1 to 80 printable characters", code="invalid_client_metadata")
    if not 1 <= len(redirects) <= _MOST_REDIRECTS:
        raise Invalid(f"give 1 to {_MOST_REDIRECTS} redirect_uris", code="invalid_redirect_uri")
    for address in redirects:
        check_redirect(address)
    text = json.dumps({"name": name, "redirects": list(redirects)}, separators=(",", ":"))
    body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return Client(f"{_REGISTERED}{body}.{digest(body.encode())}", name, tuple(redirects))


def check_redirect(address: str) -> None:
    """Only where a code can't be read on the way: this computer, https, or an editor. Errors: Invalid."""
    refused = Invalid(
        "this redirect_uri is not allowed",
        "Use http://127.0.0.1:<port>/…, https://… or the scheme of a known editor.",
        code="invalid_redirect_uri",
    )
    if len(address) > _LONGEST_REDIRECT or not address.isascii() or re.search(r"[\s\\#]", address):
        raise refused
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise refused from None
    if parts.username is not None or parts.password is not None or not parts.hostname:
        raise refused
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (local or parts.scheme == "https" or parts.scheme in _EDITOR_SCHEMES):
        raise refused


def allows(client: Client, address: str) -> bool:
    """Whether an answer may go to `address`: exactly one of the client's, but for the port on this computer."""
    return any(_without_local_port(address) == _without_local_port(known) for known in client.redirects)


def _without_local_port(address: str) -> str:
    return re.sub(r"^(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::\d{1,5})?(?=/|$)", r"\1", address)


def place(address: str) -> str:
    """Where an answer goes, for the person who is asked."""
    parts = urlsplit(address)
    if parts.scheme == "http":
        return "this computer"
    return parts.hostname or "" if parts.scheme == "https" else f"the editor {parts.scheme}"
