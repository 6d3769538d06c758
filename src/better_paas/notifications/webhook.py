"""Sends notices to a web address, as JSON that chat services read, too."""

import asyncio
from dataclasses import asdict, dataclass

import httpx2
import structlog

_SECONDS = 10.0
_PAUSES = (0.0, 5.0, 30.0)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Notice:
    """kind: approval or agent. id: of the approval or agent. text: one sentence. url: where to act, or empty."""

    kind: str
    id: str
    text: str
    url: str


async def send(address: str, notice: Notice) -> None:
    """POST it, three times at most; a failure is logged. `text` is what Slack and Mattermost show."""
    body = asdict(notice) | {"text": f"{notice.text} {notice.url}".strip()}
    reason = ""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        try:
            async with httpx2.AsyncClient(timeout=_SECONDS) as client:
                (await client.post(address, json=body)).raise_for_status()
            return
        except httpx2.HTTPError as error:
            # The address itself may be the credential: it stays out of the log.
            reason = type(error).__name__
    _log.warning("a notice could not be sent to NOTIFY_URL", reason=reason, kind=notice.kind, id=notice.id)
