"""`paas agents`, `audit`, `approve`, `deny`: what people look at. All but one's own actions take the admin token."""

import argparse
import os
from typing import Any

from better_paas.cli import config, output
from better_paas.cli.client import Api
from better_paas.cli.errors import NOT_CONNECTED, ApiError, CliError
from better_paas.kit.plain import one_line


def _api(options: argparse.Namespace) -> Api:
    """With PAAS_ADMIN_TOKEN where it is set: a stored agent token can't do these."""
    instance = config.current(options.instance)
    return Api(instance.url, os.environ.get("PAAS_ADMIN_TOKEN") or instance.token)


def _as_person(api: Api, call: Any) -> Any:
    """Errors: CliError with an agent's token: the server would count the refusal against it."""
    hint = "Set PAAS_ADMIN_TOKEN for this one command, use the dashboard, or run better-paas on the server."
    refused = CliError("this takes a person's sign-in, not an agent's token", hint, NOT_CONNECTED)
    if api.is_agent:
        raise refused
    try:
        return call()
    except ApiError as error:
        raise refused if error.status == 403 else error from error


def agents(options: argparse.Namespace) -> int:
    """All agent tokens, or revoke one."""
    api = _api(options)
    if options.revoke:
        _as_person(api, lambda: api.post("/api/agents/delete", id=options.revoke))
        if options.json:
            output.as_json({"revoked": options.revoke})
        else:
            output.say(f"Revoked {options.revoke}.")
        return 0
    found = _as_person(api, lambda: api.get("/api/agents"))
    if options.json:
        output.as_json(found)
        return 0
    rows = [
        (entry["id"], entry["name"], entry["profile"] or "custom", "suspended" if entry["suspendedAt"] else
         output.until(entry["expiresAt"]), output.ago(entry["lastUsedAt"]) or "never")
        for entry in found
    ]  # fmt: skip
    output.table(("ID", "NAME", "PROFILE", "EXPIRES", "LAST USED"), rows)
    return 0


def audit(options: argparse.Namespace) -> int:
    """The audit log with the admin token; else what this token did itself."""
    api = _api(options)
    path = "/api/agents/self/actions" if api.is_agent else "/api/audit-logs"
    found = api.get(path, limit=options.limit, action=options.action, outcome=options.outcome)
    if options.json:
        output.as_json(found)
        return 0
    rows = [
        (entry["createdAt"][:19].replace("T", " "), entry["actorName"] or entry["actorType"], entry["action"],
         entry["resourceName"] or entry["resourceId"] or "", entry["outcome"], entry["source"])
        for entry in found
        # What came of it stands in the next line.
        if entry["outcome"] != "intent" or options.outcome
    ]  # fmt: skip
    output.table(("TIME (UTC)", "WHO", "ACTION", "WHAT", "OUTCOME", "BY"), rows)
    return 0


def approve(options: argparse.Namespace) -> int:
    """Approve a call that waits, or show what waits."""
    api = _api(options)
    if options.id is None:
        found = _as_person(api, lambda: api.get("/api/approvals"))
        if options.json:
            output.as_json(found)
            return 0
        for entry in found:
            asked = f"{entry['id']}  {one_line(entry['agentName'])}: {one_line(entry['summary'])}"
            output.say(output.with_quotation(asked, entry.get("quoted")))
        output.say("paas approve ID, or paas deny ID --reason TEXT" if found else "No call waits for approval.")
        return 0
    answer = _as_person(api, lambda: api.post("/api/approvals/approve", id=options.id))
    output.say(output.with_quotation(f"Approved: {one_line(answer['summary'])}", answer.get("quoted")))
    return 0


def deny(options: argparse.Namespace) -> int:
    """Refuse a call that waits."""
    api = _api(options)
    answer = _as_person(api, lambda: api.post("/api/approvals/deny", id=options.id, reason=options.reason))
    output.say(output.with_quotation(f"Refused: {one_line(answer['summary'])}", answer.get("quoted")))
    return 0
