"""Fetches a wildcard certificate by the challenge over DNS. Blocking; to be run in a thread."""

import contextlib
from datetime import datetime, timedelta
from pathlib import Path

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwk import JWKRSA

from better_paas.acme.authority import Authority, NoCertificate, TextRecord
from better_paas.kit.files import write_atomically

_KEY_BITS = 2048
_DEADLINE = timedelta(minutes=3)


def fetch(domain: str, authority: Authority, account_file: Path, text_record: TextRecord) -> tuple[bytes, bytes]:
    """(chain, key) in PEM for `*.domain`. Errors: NoCertificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    key_text = _text(key)
    try:
        connection = _connect(authority, account_file)
        order = connection.new_order(crypto_util.make_csr(key_text, domains=[f"*.{domain}"]))
        with contextlib.ExitStack() as records:
            for authorization in order.authorizations:
                challenge = next(
                    (found for found in authorization.body.challenges if isinstance(found.chall, challenges.DNS01)),
                    None,
                )
                if challenge is None:
                    raise NoCertificate("the authority offers no challenge over DNS")
                response, text = challenge.response_and_validation(connection.net.key)
                records.enter_context(text_record(f"_acme-challenge.{domain}", text))
                connection.answer_challenge(challenge, response)
            done = connection.poll_and_finalize(order, datetime.now() + _DEADLINE)  # acme's own clock
    except errors.ValidationError as error:
        reasons = [str(found.error) for one in error.failed_authzrs for found in one.body.challenges if found.error]
        raise NoCertificate("; ".join(reasons)[:500] or "the authority does not see the DNS record") from error
    except (errors.Error, messages.Error, requests.RequestException, OSError) as error:
        raise NoCertificate(f"{type(error).__name__}: {error}"[:500]) from error
    return done.fullchain_pem.encode(), key_text


def _connect(authority: Authority, account_file: Path) -> client.ClientV2:
    """With the account of this installation, made at the first time."""
    net = client.ClientNetwork(
        _account_key(account_file),
        user_agent="better-paas",
        verify_ssl=authority.root or True,  # type: ignore[arg-type]  # handed to requests, which takes a file
    )
    connection = client.ClientV2(client.ClientV2.get_directory(authority.directory, net), net)
    registration = messages.NewRegistration.from_data(email=authority.email or None, terms_of_service_agreed=True)
    try:
        connection.new_account(registration)
    except errors.ConflictError as known:
        net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())
    return connection


def _account_key(file: Path) -> JWKRSA:
    if not file.exists():
        key = rsa.generate_private_key(65537, _KEY_BITS)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(file, _text(key).decode())
    return JWKRSA(key=serialization.load_pem_private_key(file.read_bytes(), None))


def _text(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """In PEM, as both are stored."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
