"""What most commands begin with: the connection, an app by its name, and waiting for a person's yes."""

import argparse
import time
from collections.abc import Callable
from typing import Any

from better_paas.cli import config, output
from better_paas.cli.client import Api, NeedsApproval
from better_paas.cli.errors import NEEDS_APPROVAL, ApiError, CliError
from better_paas.kit.plain import one_line

_PAUSE = 2.0


def api_of(options: argparse.Namespace) -> Api:
    """The API with the stored token. Errors: CliError if there is none."""
    instance = config.current(getattr(options, "instance", None))
    return Api(instance.url, instance.token)


def app_named(api: Api, named: str) -> dict[str, Any]:
    """An app by its name or id. Errors: CliError that names those that there are."""
    apps = api.get("/api/apps")
    if (found := find_app(apps, named)) is not None:
        return found
    names = ", ".join(one_line(app["name"]) for app in apps[:10])
    raise CliError(f"there is no app '{named}'", f"Apps: {names}." if names else "Deploy one: paas deploy")


def find_app(apps: list[dict[str, Any]], named: str) -> dict[str, Any] | None:
    """By id first: an app that is called like another's id must not stand in for it."""
    return next((app for key in ("id", "name") for app in apps if app[key] == named), None)


def project_named(api: Api, named: str) -> str:
    """The id of a project by its name or id. Errors: CliError."""
    for project in api.get("/api/projects"):
        if named in (project["name"], project["id"]):
            return str(project["id"])
    raise CliError(f"there is no project '{named}'", "paas apps shows the projects of all apps.")


def approved(api: Api, wait: bool, call: Callable[[], Any]) -> Any:
    """The answer of `call`. wait: if a person has to say yes, wait for it and call again."""
    try:
        return call()
    except NeedsApproval as asked:
        if not wait:
            raise
        answer = asked.answer
    question = f"A person has to approve this: {one_line(answer['summary'])}"
    output.tell(output.with_quotation(question, answer.get("quoted")))
    output.tell(f"Decide here: {one_line(answer['url'])}")
    output.tell("Waiting…")
    while (status := _status(api, answer["approvalId"])) == "pending":
        time.sleep(_PAUSE)
    if status == "expired":
        raise CliError("nobody answered in time", "Run the command again.", NEEDS_APPROVAL)
    return call()


def _status(api: Api, approval_id: str) -> str:
    try:
        return str(api.get("/api/approvals/get", id=approval_id)["status"])
    except ApiError as error:
        raise CliError("the question is gone", "Run the command again.") from error
