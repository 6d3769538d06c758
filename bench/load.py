"""Requests at a steady rate, one every 1/rate seconds, over kept connections. An answer's time counts from when its
request was due, so that a slow answer can't hide the wait of those behind it."""

import asyncio
import contextlib
import re
import statistics
import time
from dataclasses import dataclass, field

CONNECTIONS = 64
_ANSWER_SECONDS = 10.0


@dataclass
class Result:
    """milliseconds: of each good answer. failed: other statuses, and requests that got no answer."""

    milliseconds: list[float] = field(default_factory=list)
    failed: int = 0

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
            reader, writer = kept or await asyncio.open_connection(address, port)
            kept = reader, writer
            async with asyncio.timeout(_ANSWER_SECONDS):
                writer.write(question)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_length(head))
            if not head.startswith(b"HTTP/1.1 200"):
                result.failed += 1
            else:
                result.milliseconds.append((time.perf_counter() - due) * 1000)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            result.failed += 1
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


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise EOFError("an answer without a length")
