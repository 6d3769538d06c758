"""What is said to whom no request is read from, or not to its end."""

import json
from functools import lru_cache
from http import HTTPStatus

_HINTS = {
    HTTPStatus.REQUEST_TIMEOUT: "Send it again, over a better line.",
    HTTPStatus.TOO_MANY_REQUESTS: "Close some connections, then try again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Try again in some seconds.",
}


@lru_cache(maxsize=32)
def refusal(status: HTTPStatus, error: str) -> bytes:
    """A whole answer that ends its connection, in the API's form of errors."""
    body = json.dumps({"error": error, "code": status.name.lower(), "hint": _HINTS.get(status)}).encode()
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(["Retry-After: 10"] if status in (429, 503) else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
