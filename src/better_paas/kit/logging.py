"""Structured logs on standard error: console lines for people, JSON for machines, both without secrets.

A line that can't be written, as on a full disk, is counted and dropped: it must not end what it tells of.
"""

import contextlib
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

from better_paas.kit.redact import redact_text, structlog_processor
from better_paas.kit.seldom import Seldom

_Event = MutableMapping[str, Any]
_Processor = Callable[[Any, str, _Event], Any]


class _Output:
    """Standard error, as far as it can be written to. lost: lines that could not."""

    def __init__(self) -> None:
        self.lost = 0
        self._stream: TextIO = sys.stderr

    def use(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        # ValueError: it is closed, or its encoding lacks a character.
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1
        return len(text)

    def flush(self) -> None: ...


_output = _Output()


def lost_lines() -> int:
    """How many lines of the log could not be written since the process began."""
    return _output.lost


class _RedactingFormatter(logging.Formatter):
    """For libraries that log through the standard module (uvicorn, httpx2)."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


class _Handler(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name is the library's
        _output.lost += 1


def _whole(processors: list[_Processor]) -> _Processor:
    """All of them as one that always gives a line: what is logged may be anything, such as an object whose own
    description fails."""

    def render(logger: Any, method: str, event: _Event) -> Any:
        text = event.get("event")
        try:
            found: Any = event
            for processor in processors:
                found = processor(logger, method, found)
            return found
        except Exception as error:
            _output.lost += 1
            return f"{method}: {redact_text(str(text))} (the rest can't be shown: {type(error).__name__})"

    return render


def configure(*, form: str, level: str) -> None:
    """Set the log output of the process. form: `console` or `json`; level: a standard level name."""
    is_terminal = False
    with contextlib.suppress(ValueError):
        is_terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=is_terminal)
    )
    _output.use(sys.stderr)
    structlog.configure(
        processors=[
            _whole(
                [
                    structlog.contextvars.merge_contextvars,
                    structlog.processors.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.format_exc_info,
                    structlog_processor,
                    renderer,
                ]
            )
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(_output),  # type: ignore[arg-type]  # all of a file that it uses
        cache_logger_on_first_use=True,
    )
    handler = _Handler(_output)
    handler.setFormatter(_RedactingFormatter("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    handler.addFilter(Seldom())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
