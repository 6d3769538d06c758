"""Structured logs on standard error: console lines for people, JSON for machines, both without secrets."""

import logging
import sys
from typing import Any

import structlog

from better_paas.kit.redact import redact_text, structlog_processor


class _RedactingFormatter(logging.Formatter):
    """For libraries that log through the standard module (uvicorn, httpx2)."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


def configure(*, form: str, level: str) -> None:
    """Set the log output of the process. form: `console` or `json`; level: a standard level name."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog_processor,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter("%(asctime)s [%(levelname)s] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
