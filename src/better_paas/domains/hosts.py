"""Names of apps: the default one, custom ones, and the URL to show."""

import ipaddress
import re
import socket
from dataclasses import dataclass

import idna

from better_paas.errors import Invalid
from better_paas.kit.http import is_public

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PATH = re.compile(r"(?!\.\.?(?:/|$))[A-Za-z0-9._~-]++(?>/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]++)*+")
_LONGEST_HOST = 253
# With the slash that it begins with.
_LONGEST_PATH = 201
_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".test", ".lan", ".home.arpa", ".example", ".invalid")


@dataclass(frozen=True)
class HostRules:
    """suffix: what follows an app's name in its default host. tls: auto, off or external. own: the control plane's."""

    suffix: str
    tls: str
    http_port: int
    https_port: int
    own: str = ""

    def default_host(self, app_name: str) -> str:
        return f"{app_name}.{self.suffix}"

    def is_https(self, host: str) -> bool:
        """Whether the ingress gets a certificate for `host`."""
        if self.tls != "auto" or host.endswith(_LOCAL_ENDINGS) or host.endswith(".sslip.io"):
            return False
        return "." in host

    def url(self, name: str) -> str:
        """What a visitor types. name: a host, with a path if it has one."""
        host, _, path = name.partition("/")
        tail = f"/{path}" if path else ""
        if self.tls == "external":
            return f"https://{host}{tail}"
        if self.is_https(host):
            return f"https://{host}" + ("" if self.https_port == 443 else f":{self.https_port}") + tail
        return f"http://{host}" + ("" if self.http_port == 80 else f":{self.http_port}") + tail


def host_suffix(apps_domain: str | None, public_address: str | None) -> str:
    """APPS_DOMAIN, else `<public ip>.sslip.io`, else `localhost`."""
    if apps_domain:
        return normalise(apps_domain)
    if public_address:
        short = public_address.replace(":", "-")
        return (short if short.strip("-") == short else _in_full(public_address)) + ".sslip.io"
    return "localhost"


def _in_full(address: str) -> str:
    """A part of a name can't begin or end with '-', as short forms such as 2001:db8:: would."""
    return ipaddress.ip_address(address).exploded.replace(":", "-")


def find_public_address() -> str | None:
    """The address that this machine has on the internet, or None behind NAT. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.88.99.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return address if is_public(ipaddress.ip_address(address)) else None


def normalise(text: str) -> str:
    """A domain in the form in which it is compared and served. Errors: Invalid."""
    name = text.strip().rstrip(".").lower()
    refused = Invalid(f"'{text[:80]}' is not a domain name", "Give a name such as shop.example.com.")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            raise refused from None
    if not is_plain(name, ""):
        raise refused
    for label in name.split("."):
        check_label(label)
    return name


def check_label(label: str) -> None:
    """A part of a name in ASCII: `xn--` has to stand for letters that IDNA 2008 allows. Errors: Invalid.

    The ingress takes no configuration in which one can't be decoded; certificate authorities give none for the rest.
    """
    if label[2:4] != "--":
        return
    try:
        if label.startswith("xn--") and idna.alabel(idna.ulabel(label)).decode() == label:
            return
    except UnicodeError:  # as all errors of idna are
        pass
    raise Invalid(
        f"'{label[:63]}' is no part of a domain name: with '--' as its third and fourth character it has to begin with "
        "'xn--' and stand for letters",
        "Write the name in its own letters, such as bücher.example, or without '--' there.",
    )


def is_plain(host: str, path: str) -> bool:
    """Whether a name has the form that the ingress's routes are made from: nothing in it means more than itself."""
    labels = host.split(".")
    if len(host) > _LONGEST_HOST or len(labels) < 2 or labels[-1].isdigit():
        return False
    plain_path = not path or (path[0] == "/" and len(path) <= _LONGEST_PATH and _PATH.fullmatch(path[1:]) is not None)
    return plain_path and all(_LABEL.fullmatch(label) for label in labels)


def split_name(text: str) -> tuple[str, str]:
    """(host, path) of `example.com/api`; the path is empty or begins with `/`. Errors: Invalid."""
    host, _, path = text.strip().partition("/")
    path = path.strip("/")
    if path and (not _PATH.fullmatch(path) or len(path) >= _LONGEST_PATH):
        raise Invalid(
            f"'/{path[:80]}' is not a plain path", "Use letters, digits, '.', '_', '~' and '-' between the slashes."
        )
    return normalise(host), f"/{path}" if path else ""
