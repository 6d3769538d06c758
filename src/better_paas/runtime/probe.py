"""Looks at a release from outside until it answers; the image needs no tool for that."""

import asyncio
import contextlib
from dataclasses import dataclass

import httpx2

_ATTEMPT_SECONDS = 2.0
_PAUSES = (0.05, 0.1, 0.1, 0.2, 0.2, 0.3, 0.5)
_LAST_PAUSE = 1.0
# The engine's port forwarder accepts before the app listens, and then hangs up at once.
_HANG_UP_SECONDS = 0.15
_HEAD = 300


@dataclass(frozen=True)
class Probe:
    """healthy, and what was last seen, for people. body: the head of the last answer."""

    healthy: bool
    seen: str
    body: str = ""


def pause_before(attempt: int) -> float:
    """Seconds to wait before attempt number `attempt` (0 is the second one): short at first."""
    return _PAUSES[attempt] if attempt < len(_PAUSES) else _LAST_PAUSE


async def once(port: int, path: str) -> Probe:
    """One look at 127.0.0.1:`port`. With a path any HTTP status below 500 is healthy, else an open port is."""
    return await _http(port, path) if path else await _tcp(port)


async def _http(port: int, path: str) -> Probe:
    url, headers = f"http://127.0.0.1:{port}{path}", {"User-Agent": "better-paas-probe"}
    try:
        # The whole attempt is bounded: an answer may also never end. Reading the certificates of all authorities,
        # which nobody needs here, would stop the server for 60 ms.
        async with (
            asyncio.timeout(_ATTEMPT_SECONDS),
            httpx2.AsyncClient(timeout=None, trust_env=False, verify=False) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            seen = f"GET {path} answered {response.status_code}"
            return Probe(response.status_code < 500, seen, await _head(response))
    except TimeoutError:
        return Probe(False, f"no answer to GET {path} within {_ATTEMPT_SECONDS:.0f} s")
    except httpx2.HTTPError as error:
        return Probe(False, f"GET {path} failed: nothing listens yet ({type(error).__name__})")


async def _head(response: httpx2.Response) -> str:
    """The beginning of a failing answer; of a good one nothing is read."""
    text = ""
    if response.status_code >= 500:
        async for part in response.aiter_text():
            text += part
            if len(text) >= _HEAD:
                break
    return text[:_HEAD]


async def _tcp(port: int) -> Probe:
    nothing = Probe(False, "nothing listens on the port yet")
    try:
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return nothing
    try:
        async with asyncio.timeout(_HANG_UP_SECONDS):
            data = await reader.read(1)
        return Probe(True, "the port speaks first") if data else nothing
    except TimeoutError:
        return Probe(True, "the port is open")
    except OSError:
        return nothing
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
