"""Watching a deployment to its end."""

import time
from typing import Any

from better_paas.cli import output
from better_paas.cli.client import Api
from better_paas.cli.errors import UNREACHABLE, ApiError, CliError
from better_paas.cli.patience import Patience
from better_paas.kit.plain import one_line

_PAUSE_SECONDS = 0.5


def follow(api: Api, name: str, deployment_id: str, quiet: bool = False) -> dict[str, Any]:
    """Print the log as it comes, until the deployment has ended; what it came to. A lost line is taken up again.

    name: the app's, for what is said when the server does not come back, or when a person wants no more.
    """
    last, patience = "", Patience()
    watch = f"The deployment goes on. Watch it: paas build-logs {one_line(name)} -f"
    try:
        while True:
            failed: CliError
            try:
                for event_id, kind, data in api.events("/api/deployments/logs/stream", last, id=deployment_id):
                    last = event_id or last
                    patience.renew()
                    if kind == "end":
                        return _settled(api, deployment_id)
                    for line in data if not quiet else ():
                        output.log_line(line)
                failed = CliError("the log ended early", watch, UNREACHABLE)
            except ApiError as error:
                failed = error
            except CliError as error:
                failed = CliError(str(error), watch, error.code)
            patience.wait(failed)
    except KeyboardInterrupt:
        output.tell(f"\n{watch}")
        raise


def _settled(api: Api, deployment_id: str) -> dict[str, Any]:
    """What went live and ends at once is no success."""
    while True:
        found = dict(api.get("/api/deployments/get", id=deployment_id))
        if found["settled"]:
            return found
        time.sleep(_PAUSE_SECONDS)


def result(api: Api, app_id: str, deployment: dict[str, Any], as_json: bool) -> int:
    """Tell how it ended; the exit code."""
    good = deployment["status"] == "success"
    app = api.get("/api/apps/get", id=app_id)
    if as_json:
        output.as_json({"app": app, "deployment": deployment})
    elif good:
        output.say(output.style(f"{one_line(app['name'])} is live: {one_line(app['url'])}", "green"))
    else:
        words = {"cancelled": "was cancelled"}.get(deployment["status"], "failed")
        output.tell(output.style(f"The deployment {words}: {one_line(deployment['error'])}".rstrip(": "), "red"))
        if said := output.quotation(deployment.get("quoted")):
            output.tell(said)
    return 0 if good else 1
