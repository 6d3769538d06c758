"""Masking of secrets in log text, in MB a second of one core, beside the plain expressions that it took before.

Run: .venv/bin/python -m bench.redaction. The baseline gets ordinary lines alone: the worst ones would take it minutes.
"""

import random
import re
import string
import time
from collections.abc import Callable

from bench.table import row
from better_paas.kit.redact import Redactor

_BYTES = 4_000_000
_LONG = 60_000
_EXPRESSIONS = [
    re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s@:]+(:[^/\s@]*)?@", re.IGNORECASE),
    re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"),
    re.compile(r"\bbpagt_[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?i)\b(token|ticket|access_token|password|secret)=([^&\s\"']+)"),
]
WORST = {
    "lower-case letters": "a",
    "hex": "0123456789abcdef",
    "base32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "addresses that lead nowhere": "://a:",
    "headers without a value": "bearer ",
    "blanks": " ",
    "nothing but secrets": "token=abcdef&",
}


def ordinary() -> list[str]:
    """Lines of a web server."""
    chance = random.Random(1)
    words = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 9))) for _ in range(2000)]
    line = '10.0.{0}.7 - - [30/Nov/2026:13:{1}:00 +0000] "GET /{2}/{3}?page={0} HTTP/1.1" 200 {0}{1} "https://example.com/{3}"'
    return [
        line.format(chance.randint(0, 99), chance.randint(10, 59), chance.choice(words), chance.choice(words))
        for _ in range(_BYTES // 100)
    ]


def rate(work: Callable[[list[str]], object], lines: list[str]) -> float:
    """MB a second, the best of three."""
    size, best = sum(map(len, lines)), 0.0
    for _ in range(3):
        started = time.process_time()
        work(lines)
        best = max(best, size / (time.process_time() - started) / 1e6)
    return best


def main() -> None:
    redactor = Redactor([f"secret-value-{number:04}" for number in range(200)])
    lines = ordinary()

    def plainly(found: list[str]) -> None:
        for line in found:
            for expression in _EXPRESSIONS:
                line = expression.sub("***", line)

    def in_blocks(found: list[str]) -> None:
        for start in range(0, len(found), 200):
            redactor.lines(found[start : start + 200])

    before = rate(plainly, lines)
    for what, work in (("lines in blocks", in_blocks), ("line by line", lambda found: list(map(redactor.text, found)))):
        found = rate(work, lines)
        row(f"ordinary, {what}", f"{found:.0f} MB/s", f"{before:.1f} MB/s", f"{found / before:.1f}")
    for what, piece in WORST.items():
        long = [(piece * _LONG)[:_LONG]] * (_BYTES // _LONG)
        found = rate(lambda given: list(map(redactor.text, given)), long)
        row(f"worst: {what}", f"{found:.0f} MB/s", "", "")


if __name__ == "__main__":
    main()
