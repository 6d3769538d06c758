"""DNS records at Cloudflare. Source of the calls: Cloudflare's API reference, version 4."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2

PUBLIC_ADDRESS = "https://api.cloudflare.com/client/v4"
_SECONDS = 20
_MOST_PAGES, _PER_PAGE = 20, 50


class CloudflareFailed(Exception):
    """Cloudflare refused a call or does not answer. The message is its own, without the token."""


@dataclass(frozen=True)
class Record:
    """status: created, updated or unchanged."""

    status: str
    zone: str


class Cloudflare:
    """One token. address: of the API."""

    def __init__(self, token: str, address: str = PUBLIC_ADDRESS) -> None:
        self._token, self._address = token, address.rstrip("/")

    async def verify(self) -> None:
        """Errors: CloudflareFailed if the token is not good."""
        async with self._client() as client:
            found = await self._call(client, "GET", "/user/tokens/verify")
        if found["result"].get("status") != "active":
            raise CloudflareFailed("the token is not active")

    async def point(self, host: str, address: str) -> Record:
        """Let `host` lead to `address`, past Cloudflare's proxy. Errors: CloudflareFailed."""
        kind = "AAAA" if ":" in address else "A"
        wanted = {"type": kind, "name": host, "content": address, "ttl": 1, "proxied": False}
        async with self._client() as client:
            zone, name = await self._zone_of(client, host)
            found = await self._call(client, "GET", f"/zones/{zone}/dns_records", params={"type": kind, "name": host})
            records = found["result"]
            if not records:
                await self._call(client, "POST", f"/zones/{zone}/dns_records", json=wanted)
                return Record("created", name)
            if records[0]["content"] == address and not records[0].get("proxied"):
                return Record("unchanged", name)
            await self._call(client, "PUT", f"/zones/{zone}/dns_records/{records[0]['id']}", json=wanted)
            return Record("updated", name)

    @contextlib.asynccontextmanager
    async def text_record(self, host: str, text: str) -> AsyncIterator[None]:
        """A TXT record that is there within the block. Errors: CloudflareFailed."""
        async with self._client() as client:
            zone, _ = await self._zone_of(client, host)
            record = {"type": "TXT", "name": host, "content": text, "ttl": 60}
            made = await self._call(client, "POST", f"/zones/{zone}/dns_records", json=record)
            try:
                yield
            finally:
                with contextlib.suppress(CloudflareFailed):  # a leftover does no harm
                    await self._call(client, "DELETE", f"/zones/{zone}/dns_records/{made['result']['id']}")

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(headers={"Authorization": f"Bearer {self._token}"}, timeout=_SECONDS)

    async def _zone_of(self, client: httpx2.AsyncClient, host: str) -> tuple[str, str]:
        """(id, name) of the longest zone that the host is in."""
        zones: list[tuple[str, str]] = []
        for page in range(1, _MOST_PAGES + 1):
            found = await self._call(client, "GET", "/zones", params={"page": page, "per_page": _PER_PAGE})
            zones += [(zone["id"], zone["name"]) for zone in found["result"]]
            if len(found["result"]) < _PER_PAGE:
                break
        fitting = [zone for zone in zones if host == zone[1] or host.endswith(f".{zone[1]}")]
        if not fitting:
            raise CloudflareFailed(f"this token sees no zone that {host} is in")
        return max(fitting, key=lambda zone: len(zone[1]))

    async def _call(self, client: httpx2.AsyncClient, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = await client.request(method, self._address + path, **options)
            answer: dict[str, Any] = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise CloudflareFailed(f"Cloudflare does not answer: {type(error).__name__}") from error
        if not answer.get("success"):
            said = "; ".join(str(entry.get("message")) for entry in answer.get("errors") or [])
            raise CloudflareFailed((said or f"Cloudflare answered {response.status_code}")[:300])
        return answer
