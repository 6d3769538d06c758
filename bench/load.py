"""Requests at a steady rate, one every 1/rate seconds, over kept connections. An answer's time counts from when its
request was due, so that a slow answer can't hide the wait of those behind it."""

import asyncio
import contextlib
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

CONNECTIONS = 64
_ANSWER_SECONDS = 10.0


@dataclass
class Result:
    """milliseconds: of each good answer. failures: other statuses, and kinds of requests that got no answer.

    reopened: requests on a kept connection that the other end closed at that moment, without a byte. As every browser
    does, they were sent once more on a new one (RFC 9110, 9.2.2; a loaded configuration closes idle connections).
    """

    milliseconds: list[float] = field(default_factory=list)
    reopened: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def p99(self) -> float:
        """Of answers that all came."""
        assert not self.failed, self.failed
        return statistics.quantiles(self.milliseconds, n=100)[98]

    @property
    def total(self) -> int:
        return len(self.milliseconds) + self.failed


async def steady(
    address: str, port: int, host: str, rate: float, seconds: float, path: str = "/", token: str = ""
) -> Result:
    """Of GET with this Host, and as a bearer of the token."""
    result, idle = Result(), asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None]()
    for _ in range(CONNECTIONS):
        idle.put_nowait(None)
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    question = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n".encode()

    async def one(due: float) -> None:
        kept = await idle.get()
        try:
            was_kept = kept is not None
            kept = kept or await asyncio.open_connection(address, port)
            async with asyncio.timeout(_ANSWER_SECONDS):
                try:
                    head = await _head(kept, question)
                except (EOFError, ConnectionError) as error:
                    if not was_kept or getattr(error, "partial", b""):
                        raise
                    kept[1].close()
                    result.reopened += 1
                    kept = await asyncio.open_connection(address, port)
                    head = await _head(kept, question)
                reader = kept[0]
                await reader.readexactly(_length(head))
            if not head.startswith(b"HTTP/1.1 200"):
                result.failures[head[9:12].decode()] += 1
            else:
                result.milliseconds.append((time.perf_counter() - due) * 1000)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            result.failures[type(error).__name__] += 1
            if kept is not None:
                kept[1].close()
            kept = None
        idle.put_nowait(kept)

    begun, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        pause = due - time.perf_counter()
        await asyncio.sleep(max(0.0, pause))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    while not idle.empty():
        kept = idle.get_nowait()
        if kept is not None:
            kept[1].close()
            with contextlib.suppress(OSError):
                await kept[1].wait_closed()
    return result


def percentile(text: str, which: int) -> float:
    """Of what wrk printed, in ms."""
    found = re.search(rf"\b{which}%\s+([\d.]+)(us|ms|s)", text)
    assert found is not None, text
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


async def _head(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], question: bytes) -> bytes:
    connection[1].write(question)
    return await connection[0].readuntil(b"\r\n\r\n")


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise EOFError("an answer without a length")
