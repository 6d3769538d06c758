"""Proves identity tokens of CI systems (OpenID Connect) with the keys that their issuer publishes."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt

from better_paas.errors import Forbidden, Invalid, Unavailable

_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "PS256")
_SECONDS = 10.0
_LARGEST = 256 * 1024
_KEYS_SECONDS = 600.0
# A new key is looked for at most this often: anybody can send a token that names one.
_LEAST_PAUSE = 10.0
_LEEWAY = 30


@dataclass
class _Keys:
    """at: when they were asked for last, on the monotonic clock. problem: why that failed."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    found: dict[str, jwt.PyJWK] = field(default_factory=dict)
    at: float = float("-inf")
    problem: Unavailable | None = None


@dataclass
class Issuers:
    """Keys of the issuers, fetched when they are needed and kept for ten minutes."""

    _keys: dict[str, _Keys] = field(default_factory=dict)

    async def claims(self, token: str, trusted: set[str], audiences: list[str]) -> dict[str, Any]:
        """The claims of a token that is genuine, of a trusted issuer, for one of `audiences` and not expired.

        Errors: Forbidden, Invalid; Unavailable while the issuer can't be reached.
        """
        issuer, key_id = _unproven(token)
        if issuer not in trusted:
            raise Forbidden("Forbidden: no trust rule names this issuer", f"The token is of {issuer[:200]}.")
        key = await self._key(issuer, key_id)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=audiences,
                issuer=issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.InvalidAudienceError:
            wanted = " or ".join(audiences)[:300]
            raise Forbidden(
                "Forbidden: the identity token is for another audience", f"Ask for one with the audience {wanted}."
            ) from None
        except jwt.ExpiredSignatureError:
            raise Forbidden("Forbidden: the identity token has expired", "Ask the CI system for a new one.") from None
        except jwt.PyJWTError as error:
            raise Forbidden("Forbidden: the identity token is not genuine", type(error).__name__) from None
        return claims

    async def _key(self, issuer: str, key_id: str) -> jwt.PyJWK:
        known = self._keys.setdefault(issuer, _Keys())
        # One question at a time, and none too soon after the last, whatever that came to.
        async with known.lock:
            age = time.monotonic() - known.at
            if age > _KEYS_SECONDS or (key_id not in known.found and age > _LEAST_PAUSE):
                known.at, known.problem = time.monotonic(), None
                try:
                    known.found = await _fetch_keys(issuer)
                except Unavailable as error:
                    known.problem = error  # those of before are good meanwhile
        if key_id not in known.found and known.problem is not None:
            raise known.problem
        key = known.found.get(key_id)
        if key is None:
            raise Forbidden("Forbidden: the identity token is not genuine", "Its issuer has no such key.")
        return key


def _unproven(token: str) -> tuple[str, str]:
    """(issuer, key id) as the token says itself. Errors: Invalid."""
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        return str(claims["iss"]), str(header.get("kid", ""))
    except (jwt.PyJWTError, KeyError, ValueError):
        raise Invalid("this is no identity token", "Send the JWT that the CI system gives.") from None


async def _fetch_keys(issuer: str) -> dict[str, jwt.PyJWK]:
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=False) as client:
            about = await _json(client, issuer.rstrip("/") + "/.well-known/openid-configuration")
            address = str(about.get("jwks_uri", ""))
            if about.get("issuer") != issuer or urlsplit(address).scheme != urlsplit(issuer).scheme:
                raise Unavailable("the issuer's description is of another issuer", "Check the trust rule.")
            keys = (await _json(client, address)).get("keys", [])
        return {str(key.get("kid", "")): made for key in keys if (made := _usable(key)) is not None}
    except (
        *(httpx2.HTTPError, httpx2.InvalidURL, jwt.PyJWTError),
        *(ValueError, AttributeError, TypeError, RecursionError),
    ) as error:
        raise Unavailable(f"the keys of {issuer} can't be had", f"{type(error).__name__}. Try again.") from error


def _usable(key: dict[str, Any]) -> jwt.PyJWK | None:
    """A key for signatures; issuers publish others beside them."""
    if key.get("kty") not in ("RSA", "EC") or key.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(key)
    except jwt.PyJWTError:
        return None


async def _json(client: httpx2.AsyncClient, address: str) -> dict[str, Any]:
    async with client.stream("GET", address) as response:
        response.raise_for_status()
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise ValueError("too large")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
