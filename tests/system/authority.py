"""A certificate authority that speaks ACME (a Caddy of its own), and the DNS that it believes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dnslib import QTYPE, RR, TXT
from dnslib.server import BaseResolver, DNSServer

from tests.system.servers import free_port, wait_until


class Texts(BaseResolver):
    """TXT records by name, for the challenge over DNS. Whatever is not there does not exist."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}

    def resolve(self, request, handler):
        reply = request.reply()
        found = self.texts.get(str(request.q.qname).rstrip(".").lower(), [])
        for text in found if request.q.qtype == QTYPE.TXT else []:
            reply.add_answer(RR(str(request.q.qname), QTYPE.TXT, rdata=TXT(text), ttl=1))
        if not found:
            reply.header.rcode = 3
        return reply


class Authority:
    """Issues certificates that live for twelve hours. hosts: addresses by name, as this authority knows them."""

    def __init__(self, folder: Path, hosts: dict[str, str]) -> None:
        self.names = Texts()
        dns_port, self.port = free_port(), free_port()
        self._dns = DNSServer(self.names, address="127.0.0.1", port=dns_port)
        self._dns.start_thread()
        self._hosts = folder / "hosts"
        self.root = folder / "caddy/pki/authorities/local/root.crt"
        self.directory = f"https://127.0.0.1:{self.port}/acme/local/directory"
        folder.mkdir()
        self._hosts.write_text("".join(f"{at} {name}\n" for name, at in {"localhost": "127.0.0.1", **hosts}.items()))
        acme = {
            "handler": "acme_server",
            "policy": {"allow_wildcard_names": True},
            "ca": "local",
            "lifetime": "12h",
            "resolvers": [f"127.0.0.1:{dns_port}"],
        }
        config = {
            "admin": {"disabled": True},
            "apps": {
                "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
                "http": {
                    "http_port": free_port(),
                    "servers": {
                        "acme": {
                            "listen": [f"127.0.0.1:{self.port}"],
                            "routes": [{"match": [{"host": ["127.0.0.1"]}], "handle": [acme]}],
                            "automatic_https": {"disable_redirects": True},
                        }
                    },
                },
                "tls": {"automation": {"policies": [{"subjects": ["127.0.0.1"], "issuers": [{"module": "internal"}]}]}},
            },
        }
        (folder / "config.json").write_text(json.dumps(config))
        program = Path(sys.executable).with_name("caddy")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                # A mount namespace of its own: the machine's hosts file stays as it is.
                [
                    "unshare",
                    "--mount",
                    "sh",
                    "-c",
                    'mount --bind "$1" /etc/hosts && exec "$2" run --config "$3"',
                    "ca",
                    self._hosts,
                    program,
                    folder / "config.json",
                ],
                env={**os.environ, "XDG_DATA_HOME": str(folder), "HOME": str(folder)},
                stdout=log,
                stderr=log,
            )
        wait_until(self.root.exists, 20)

    def issue(self, host: str, public_key, begins: timedelta, ends: timedelta) -> bytes:
        """A certificate for `host` beside the protocol, with the issuer's; times from now."""
        own = self.root.with_name("intermediate.crt").read_bytes()
        issuer = x509.load_pem_x509_certificate(own)
        signer = serialization.load_pem_private_key(self.root.with_name("intermediate.key").read_bytes(), None)
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
            .sign(signer, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM) + own

    def close(self) -> None:
        self._dns.stop()
        self._dns.server.server_close()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)


def self_signed(folder: Path, host: str) -> tuple[Path, Path]:
    """Files of a certificate for `host` that is its own authority, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(moment - timedelta(days=1)).not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private
