"""What the ingress says of its certificates: the files that it keeps, and why it could not get one."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

_LOG_TAIL = 512 * 1024


@dataclass(frozen=True)
class Found:
    """A certificate that is served. begins_at, expires_at: aware."""

    issuer: str
    begins_at: datetime
    expires_at: datetime

    @property
    def due_at(self) -> datetime:
        """When it is to be renewed: after two thirds of its life."""
        return self.expires_at - (self.expires_at - self.begins_at) / 3


def stored(folder: Path, host: str) -> Found | None:
    """The newest certificate for `host` among those that the ingress keeps in `folder`, or None."""
    files = [*folder.glob(f"caddy/certificates/*/{host}/{host}.crt")]
    found = [read for file in files if (read := read_certificate(file)) is not None]
    return max(found, key=lambda entry: entry.expires_at, default=None)


def read_certificate(file: Path) -> Found | None:
    """None if there is no readable certificate."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return None
    names = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    names = names or certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    issuer = str(names[0].value) if names else certificate.issuer.rfc4514_string()
    return Found(issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def last_error(folder: Path, host: str) -> str:
    """What the ingress said last when it could not get a certificate for `host`; empty if it never failed."""
    try:
        with (folder / "ingress.log").open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - _LOG_TAIL))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        if host not in line or "tls" not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        logger = str(entry.get("logger", ""))
        if logger.startswith("tls") and host in (entry.get("identifier"), *entry.get("identifiers", ())):
            return str(entry.get("error") or entry.get("problem") or entry.get("msg", ""))[:1000]
    return ""


def explain(error: str) -> tuple[str, str]:
    """(reason, what to do) of what a certificate authority or the ingress said, without its words."""
    lowered = error.lower()
    if "ratelimited" in lowered or "too many" in lowered:
        return "too many certificates were asked for", "Wait some hours; the certificate authority limits how many."
    if (
        "nxdomain" in lowered
        or "no valid a records" in lowered
        or "dns problem" in lowered
        or "no such host" in lowered
    ):
        return "its DNS record was not found", "Make an A record for this name that points to this server."
    if "caa" in lowered:
        return "a CAA record forbids this certificate authority", "Allow it in the CAA record of the domain."
    if any(word in lowered for word in ("connection refused", "timeout during connect", "timed out", "i/o timeout")):
        return (
            "the certificate authority can't reach this server",
            "Open ports 80 and 443 in the firewall, and forward them if the server is behind a router.",
        )
    if "unauthorized" in lowered or "invalid response" in lowered or "key authorization" in lowered:
        return (
            "another server answered in this one's place",
            "Does the DNS record, or a proxy in front, lead somewhere else? Let it point straight to this server.",
        )
    return "the certificate authority refused it", "It is tried again by itself, with growing pauses."
