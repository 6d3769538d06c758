"""Checkpoints as signed notes: the form of C2SP `tlog-checkpoint` and `signed-note` with Ed25519."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from better_paas.kit.files import write_atomically

KEY_FILE, PUBLIC_FILE = "audit.key", "audit.pub"
_ED25519 = b"\1"
_SIGNED_BY = "\u2014 "


class NoteRefused(ValueError):
    """The text is no checkpoint that this key signed. The message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """The log's size and root at a moment. time: as the server's clock had it, RFC 3339."""

    origin: str
    size: int
    root: bytes
    time: str

    def body(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\ntime {self.time}\n"


@dataclass(frozen=True)
class Verifier:
    """A name and a public key, as `<name>+<hash>+<key>` (the vkey of a signed note)."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Errors: NoteRefused."""
        parts = text.strip().split("+", 2)  # base64 may hold a "+" too
        try:
            name, _, encoded = parts
            raw = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise NoteRefused("this is no public key of an audit log") from None
        if len(raw) != 33 or raw[:1] != _ED25519:
            raise NoteRefused("this is no Ed25519 key")
        return cls(name, raw[1:])

    @property
    def key_hash(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def text(self) -> str:
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in `note`, if this key signed it. Errors: NoteRefused."""
        body, separator, signatures = note.partition("\n\n")
        body += "\n"
        if not separator:
            raise NoteRefused("it has no signature")
        for line in signatures.splitlines():
            name, _, encoded = line.removeprefix(_SIGNED_BY).rpartition(" ")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error):
                continue
            if name != self.name or raw[:4] != self.key_hash:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(raw[4:], body.encode())
            except InvalidSignature:
                raise NoteRefused("its signature is wrong") from None
            return _parse_body(body)
        raise NoteRefused("it is not signed by this log's key")


class Signer:
    """The log's key. It stands in the data directory, readable by its owner alone."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier(name, key.public_key().public_bytes_raw())

    @classmethod
    def load(cls, folder: Path, name: str) -> "Signer":
        """The key in `folder`, made if there is none; its public half is put beside it."""
        path = folder / KEY_FILE
        if path.exists():
            loaded = serialization.load_pem_private_key(path.read_bytes(), None)
            if not isinstance(loaded, Ed25519PrivateKey):
                raise NoteRefused(f"{path} is no Ed25519 key")
            signer = cls(name, loaded)
        else:
            signer = cls(name, Ed25519PrivateKey.generate())
            pem = signer._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_atomically(path, pem.decode())
        public = folder / PUBLIC_FILE
        if not public.exists() or public.read_text().strip() != signer.verifier.text():
            write_atomically(public, signer.verifier.text() + "\n", 0o644)
        return signer

    def sign(self, checkpoint: Checkpoint) -> str:
        body = checkpoint.body()
        raw = self.verifier.key_hash + self._key.sign(body.encode())
        return f"{body}\n{_SIGNED_BY}{self.verifier.name} {base64.b64encode(raw).decode()}\n"


def _parse_body(body: str) -> Checkpoint:
    lines = body.splitlines()
    try:
        origin, size, root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError, binascii.Error):
        raise NoteRefused("its text is no checkpoint") from None
    time = next((line.removeprefix("time ") for line in lines[3:] if line.startswith("time ")), "")
    return Checkpoint(origin, size, root, time)
