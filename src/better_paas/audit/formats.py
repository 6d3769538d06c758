"""The forms in which entries leave: JSON lines as they are, and OCSF for security tools. Pure."""

import json
from datetime import datetime
from typing import Any

# OCSF 1.6: API Activity, Authentication, Account Change.
_API, _AUTHENTICATION, _ACCOUNT = (6003, "API Activity"), (3002, "Authentication"), (3001, "Account Change")
_ACTIVITIES = {"create": 1, "deploy": 1, "list": 2, "get": 2, "update": 3, "rename": 3, "delete": 4}
_OTHER = 99
_STATUS = {"success": (1, "Success"), "failure": (2, "Failure"), "denied": (2, "Failure")}


def to_jsonl(record: str) -> str:
    """One line."""
    return record + "\n"


def to_ocsf(record: str) -> str:
    """One event of OCSF 1.6 as a line of JSON. type_uid = class_uid * 100 + activity_id."""
    entry: dict[str, Any] = json.loads(record)
    action = str(entry.get("action", ""))
    verb = action.partition(":")[2].partition("_")[0]
    if action == "auth:verify":
        (class_uid, class_name), activity = _AUTHENTICATION, 1
    elif action.startswith("agent:"):
        (class_uid, class_name), activity = _ACCOUNT, {"create": 1, "child": 1, "delete": 6}.get(verb, _OTHER)
    else:
        (class_uid, class_name), activity = _API, _ACTIVITIES.get(verb, _OTHER)
    status_id, status = _STATUS.get(str(entry.get("outcome")), (0, "Unknown"))
    moment = datetime.fromisoformat(str(entry["createdAt"]))
    event = {
        "class_uid": class_uid,
        "class_name": class_name,
        "category_uid": class_uid // 1000,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "severity_id": 3 if entry.get("outcome") == "denied" else 1,
        "time": int(moment.timestamp() * 1000),
        "status_id": status_id,
        "status": status,
        "status_detail": entry.get("error", ""),
        "metadata": {
            "version": "1.6.0",
            "uid": str(entry["seq"]),
            "correlation_uid": entry.get("requestId", ""),
            "product": {"name": "Better-PaaS", "vendor_name": "Better-PaaS"},
        },
        "actor": {
            "user": {
                "uid": entry.get("actorId", ""),
                "name": entry.get("actorName") or entry.get("actorId", ""),
                "type": entry.get("actorType", ""),
            }
        },
        "src_endpoint": {"ip": entry.get("ipAddress", "")},
        "api": {"operation": action, "request": {"uid": entry.get("requestId", "")}},
        "resources": [
            {
                "type": entry.get("resourceType", ""),
                "uid": entry.get("resourceId", ""),
                "name": entry.get("resourceName", ""),
            }
        ],
        "unmapped": {
            "outcome": entry.get("outcome", ""),
            "source": entry.get("source", ""),
            "payload": entry.get("payload", {}),
        },
    }
    return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


FORMATS = {"jsonl": to_jsonl, "ocsf": to_ocsf}
