"""The rules for an app's requests as people write them, and as they are stored and shown."""

import re
from typing import Annotated

import bcrypt
from pydantic import AfterValidator, Field, field_validator

from better_paas.domains.routing import Routing
from better_paas.errors import Invalid
from better_paas.kit.redact import MASK
from better_paas.kit.schema import Answer, Body, Version
from better_paas.kit.versions import fingerprint

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
# The ingress would read what stands in braces as a name of one of its own values.
_HEADER_VALUE = re.compile(r"[^{}\x00-\x1f\x7f]{0,2000}")
# What frames the answer: changed by hand it would break it.
_FRAMING = ("content-length", "transfer-encoding", "connection", "upgrade", "host")
_BCRYPT_COST = 10
_MEGABYTE = 2**20


def _check_headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        _check_header_name(name)
        if not _HEADER_VALUE.fullmatch(text):
            raise ValueError(f"the value of {name} must be one line without braces, at most 2,000 characters")
    return value


def _check_header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
        raise ValueError(f"'{name[:40]}' can't be the name of a header that is set or removed")
    return name


HeaderName = Annotated[str, AfterValidator(_check_header_name)]


class Account(Body):
    """password: `***` keeps the one that is stored under this name."""

    username: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,100}$")
    password: str = Field(min_length=1, max_length=72, description="At most 72 bytes.")

    @field_validator("password")
    @classmethod
    def _fits(cls, value: str) -> str:
        if len(value.encode()) > 72:
            raise ValueError("must be at most 72 bytes")
        return value


class RoutingBody(Body):
    """How the ingress treats the app's requests; it takes effect at once. Only what is sent is changed."""

    version: Version | None = None
    force_https: bool | None = Field(None, description="Send visitors who come by HTTP to HTTPS; true unless set.")
    basic_auth: list[Account] | None = Field(None, max_length=50, description="With any, all visitors sign in.")
    response_headers: Annotated[dict[str, str], AfterValidator(_check_headers)] | None = Field(None, max_length=50)
    remove_headers: list[HeaderName] | None = Field(None, max_length=50)
    max_body_mb: int | None = Field(None, ge=0, le=1024 * 1024, description="Largest request in MiB; 0 for any.")
    timeout_seconds: int | None = Field(
        None, ge=0, le=86400, description="Seconds until an answer has to begin; 0 for no limit."
    )


class AccountAnswer(Answer):
    username: str
    password: str


class RoutingAnswer(Answer):
    force_https: bool
    basic_auth: list[AccountAnswer]
    response_headers: dict[str, str]
    remove_headers: list[str]
    max_body_mb: int
    timeout_seconds: int
    version: str


def hashes(body: RoutingBody) -> dict[str, str]:
    """Of the new passwords, by name; each takes about 50 ms of a processor."""
    return {
        account.username: bcrypt.hashpw(account.password.encode(), bcrypt.gensalt(_BCRYPT_COST)).decode()
        for account in body.basic_auth or ()
        if account.password != MASK
    }


def version_of(routing: Routing) -> str:
    return fingerprint(routing.as_dict())


def changed(before: Routing, body: RoutingBody, hashes: dict[str, str]) -> Routing:
    """hashes: of the new passwords. Errors: Invalid for a password that is to be kept but is not there."""
    largest = before.largest_body if body.max_body_mb is None else body.max_body_mb * _MEGABYTE
    return Routing(
        force_https=before.force_https if body.force_https is None else body.force_https,
        accounts=before.accounts if body.basic_auth is None else _accounts(before, body.basic_auth, hashes),
        set_headers=before.set_headers if body.response_headers is None else tuple(body.response_headers.items()),
        drop_headers=before.drop_headers if body.remove_headers is None else tuple(body.remove_headers),
        largest_body=largest,
        answer_seconds=before.answer_seconds if body.timeout_seconds is None else body.timeout_seconds,
    )


def _accounts(before: Routing, wanted: list[Account], hashes: dict[str, str]) -> tuple[tuple[str, str], ...]:
    stored = dict(before.accounts)
    result: dict[str, str] = {}
    for account in wanted:
        if account.password == MASK:
            if account.username not in stored:
                raise Invalid(f"basicAuth: there is no {account.username} yet", "Send a password for a new name.")
            result[account.username] = stored[account.username]
        else:
            result[account.username] = hashes[account.username]
    return tuple(result.items())


def answer(routing: Routing) -> RoutingAnswer:
    """Without the passwords, and without their hashes."""
    return RoutingAnswer(
        force_https=routing.force_https,
        basic_auth=[AccountAnswer(username=name, password=MASK) for name, _ in routing.accounts],
        response_headers=dict(routing.set_headers),
        remove_headers=list(routing.drop_headers),
        max_body_mb=routing.largest_body // _MEGABYTE,
        timeout_seconds=routing.answer_seconds,
        version=version_of(routing),
    )
