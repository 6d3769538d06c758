"""Watching a deployment to its end."""

from typing import Any

from better_paas.cli import output
from better_paas.cli.client import Api
from better_paas.cli.errors import UNREACHABLE, ApiError, CliError
from better_paas.cli.patience import Patience
from better_paas.kit.plain import one_line


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
                        return dict(api.get("/api/deployments/get", id=deployment_id))
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
    return 0 if good else 1
