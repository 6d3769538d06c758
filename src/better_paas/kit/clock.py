"""The time, in the one form that the product stores and sends."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime, precision: str = "milliseconds") -> str:
    """RFC 3339 text in UTC with `Z`. precision: seconds, milliseconds or microseconds."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def iso(moment: datetime | None) -> str | None:
    """RFC 3339 text with milliseconds and `Z`; None stays None."""
    if moment is None:
        return None
    return rfc3339(moment)
