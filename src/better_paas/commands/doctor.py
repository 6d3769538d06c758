"""`better-paas doctor`: what is wrong, and what to do about it."""

import json
import shutil
from typing import Annotated, Any

from cyclopts import Parameter

from better_paas.commands.local import answers, call
from better_paas.settings import load_or_exit

_MARKS = {"good": "✓", "notice": "▲", "bad": "✗"}


def doctor(
    *, as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print the findings as JSON.")] = False
) -> None:
    """Look at everything that apps depend on. Exit code 1 if something is to be mended."""
    found = call("GET", "/api/system/doctor") if answers() else _without_server()
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found)
    raise SystemExit(any(finding["level"] == "bad" for finding in found["findings"]))


def _show(found: dict[str, Any]) -> None:
    width = max(len(finding["name"]) for finding in found["findings"])
    for finding in found["findings"]:
        print(f"{_MARKS[finding['level']]} {finding['name']:<{width}}  {finding['state']}")
        if finding["advice"]:
            print(f"  {'':<{width}}  → {finding['advice']}")
    print(f"\n{found['summary']}")


def _without_server() -> dict[str, Any]:
    """What can be said while no server runs."""
    configured = load_or_exit()
    host, port = configured.listen
    findings = [
        {
            "name": "Server",
            "level": "bad",
            "state": f"None answers at {host}:{port}",
            "advice": "Start it with './run', 'better-paas serve' or 'systemctl start better-paas'. "
            "Apps and the ingress go on meanwhile.",
        }
    ]
    if configured.data_dir.exists():
        free = shutil.disk_usage(configured.data_dir).free // 2**20
        level = "bad" if free < configured.disk_floor_mb else "good"
        advice = "Free some space: without it the server can't write." if level == "bad" else ""
        findings.append({"name": "Disk", "level": level, "state": f"{free} MiB are free", "advice": advice})
    else:
        advice = "Set BETTER_PAAS_DATA_DIR to the folder that the server uses, or start it once."
        state = f"{configured.data_dir} is not there"
        findings.append({"name": "Data directory", "level": "bad", "state": state, "advice": advice})
    return {"summary": "The server does not run.", "findings": findings}
