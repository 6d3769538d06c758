"""`better-paas approve` and `deny`: a person's answer to a call that an agent asked for."""

from typing import Any

from better_paas.commands.local import call
from better_paas.kit.plain import one_line
from better_paas.kit.quoted import Statement


def approve(approval_id: str = "") -> None:
    """Approve a call that waits. Without an id: show what waits."""
    if not approval_id:
        _show()
        return
    answer = call("POST", "/api/approvals/approve", id=approval_id)
    print(f"Approved: {_asked(answer)}")
    print(f"{answer['agentName']} may make this very call once, until {answer['expiresAt'][11:16]} UTC.")


def deny(approval_id: str, *, reason: str = "") -> None:
    """Refuse a call that waits. The agent reads the reason when it tries again."""
    print(f"Refused: {_asked(call('POST', '/api/approvals/deny', id=approval_id, reason=reason))}")


def _asked(answer: dict[str, Any]) -> str:
    return str(Statement(answer["summary"], answer["quoted"]))


def _show() -> None:
    waiting = call("GET", "/api/approvals")
    if not waiting:
        print("No call waits for approval.")
    for entry in waiting:
        print(f"{entry['id']}  {one_line(entry['agentName'])}: {_asked(entry)}")
    if waiting:
        print("\nbetter-paas approve <id>, or better-paas deny <id>")
