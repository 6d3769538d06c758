"""Looks at a release from outside until it answers; the image needs no tool for that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

import httpx2

_ATTEMPT_SECONDS = 2.0
# A first page may take its time. What accepts a request and says nothing for this long is as up as it gets.
_ANSWER_SECONDS = 10.0
_PAUSES = (0.05, 0.1, 0.1, 0.2, 0.2, 0.3, 0.5)
_LAST_PAUSE = 1.0
# The engine's port forwarder accepts before the app listens, and then hangs up at once.
_HANG_UP_SECONDS = 0.15
_HEAD = 300
_AGENT = "better-paas-probe"
_REQUEST = f"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {_AGENT}\r\nConnection: close\r\n\r\n".encode()
# A client of HTTP/2 begins with this and its settings; so does the server with its own (RFC 9113, section 3.4).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS_FRAME, _FRAME_HEAD = 4, 9
GOOD_STATUS = "200-399"


class Speaks(StrEnum):
    """What a release understands: the ingress has to speak it."""

    HTTP = "http"
    # HTTP/2 alone, without TLS, as servers of gRPC do.
    HTTP2 = "h2c"
    # Something else, or nothing by itself.
    OTHER = "other"


@dataclass(frozen=True)
class Probe:
    """healthy, and what was last seen, for people. body: the head of a failing answer, as the app wrote it.

    warning: what is odd about a release that is up all the same.
    """

    healthy: bool
    seen: str
    body: str = ""
    speaks: Speaks = Speaks.HTTP
    warning: str = ""


_NOTHING = Probe(False, "nothing listens on the port yet")


def pause_before(attempt: int) -> float:
    """Seconds to wait before attempt number `attempt` (0 is the second one): short at first."""
    return _PAUSES[attempt] if attempt < len(_PAUSES) else _LAST_PAUSE


async def once(port: int, path: str, good_status: str = "") -> Probe:
    """One look at 127.0.0.1:`port`. With a path its status decides, else that there is any answer at all.

    good_status: such as 200-299,401; empty for GOOD_STATUS.
    """
    return await _health(port, path, good_status) if path else await _answer(port)


async def is_open(port: int) -> Probe:
    """The same, but the app is asked nothing: for looking again and again."""
    return await _tcp(port)


def is_good(status: int, good: str) -> bool:
    """good: numbers and ranges of statuses, parted by commas."""
    for part in (good or GOOD_STATUS).split(","):
        first, _, last = part.strip().partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


async def _health(port: int, path: str, good_status: str) -> Probe:
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    try:
        # Of parts: no path, whoever wrote it, leads to another host.
        url = httpx2.URL(scheme="http", host="127.0.0.1", port=port, raw_path=path.encode())
        # The whole attempt is bounded: an answer may also never end. Reading the certificates of all authorities,
        # which nobody needs here, would stop the server for 60 ms.
        async with (
            asyncio.timeout(_ATTEMPT_SECONDS),
            httpx2.AsyncClient(timeout=None, trust_env=False, verify=False) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            healthy = is_good(response.status_code, good_status)
            seen = f"the health path answered {response.status_code}"
            return Probe(healthy, seen, "" if healthy else await _head(response))
    except TimeoutError:
        return Probe(False, f"the health path gave no answer within {_ATTEMPT_SECONDS:.0f} s")
    except (httpx2.InvalidURL, UnicodeError):
        return Probe(False, "the health path is no path of a URL, such as /healthz")
    except httpx2.HTTPError as error:
        return Probe(False, f"the health path can't be asked: nothing listens yet ({type(error).__name__})")


async def _head(response: httpx2.Response) -> str:
    """The beginning of a failing answer."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return ""
    # As it came: unpacking, and encodings that an app may name, take as long as it likes.
    content = b""
    async for part in response.aiter_raw():
        content += part
        if len(content) >= _HEAD * 4:
            break
    return content.decode("utf-8", "replace")[:_HEAD]


async def _answer(port: int) -> Probe:
    """Whether it answers a request, whatever that says; an open port is enough only of what speaks no HTTP."""
    said = await _exchange(port, _REQUEST, _ANSWER_SECONDS)
    if said is None:
        seen = f"the port is open, and gave no answer to GET / within {_ANSWER_SECONDS:.0f} s"
        return Probe(True, seen, warning=f"{seen}: a health path that answers sooner would tell whether it is well")
    if said.startswith(b"HTTP/1."):
        return _of_status(said)
    if said and not _is_settings(said):
        return Probe(True, "the port answers, though not by HTTP", speaks=Speaks.OTHER)
    if _is_settings(said) or _is_settings(await _exchange(port, _PREFACE, _ATTEMPT_SECONDS) or b""):
        return Probe(True, "it speaks HTTP/2 without TLS", speaks=Speaks.HTTP2)
    return await _tcp(port)


def _of_status(said: bytes) -> Probe:
    status = said[9:12].decode("ascii", "replace")
    seen = f"it answered {status}"
    if not status.startswith("5"):
        return Probe(True, seen)
    return Probe(True, seen, warning=f"its first page fails: GET / answered {status}")


def _is_settings(said: bytes) -> bool:
    return len(said) >= _FRAME_HEAD and said[3] == _SETTINGS_FRAME and said[5:9] == b"\0\0\0\0"


async def _exchange(port: int, request: bytes, seconds: float) -> bytes | None:
    """The first bytes of the answer; empty if it hung up, None if it said nothing."""
    try:
        async with asyncio.timeout(seconds), _connected(port) as (reader, writer):
            writer.write(request)
            await writer.drain()
            return await reader.read(_HEAD)
    except TimeoutError:
        return None
    except OSError:
        return b""


async def _tcp(port: int) -> Probe:
    try:
        async with asyncio.timeout(_ATTEMPT_SECONDS), _connected(port) as (reader, _):
            try:
                async with asyncio.timeout(_HANG_UP_SECONDS):
                    data = await reader.read(1)
            except TimeoutError:
                return Probe(True, "the port is open", speaks=Speaks.OTHER)
            return Probe(True, "the port speaks first", speaks=Speaks.OTHER) if data else _NOTHING
    except (OSError, TimeoutError):
        return _NOTHING


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
