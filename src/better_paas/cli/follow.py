"""Watching a deployment to its end."""

from typing import Any

from better_paas.cli import output
from better_paas.cli.client import Api
from better_paas.cli.errors import UNREACHABLE, ApiError, CliError
from better_paas.kit.plain import one_line

_ATTEMPTS = 10


def follow(api: Api, deployment_id: str, quiet: bool = False) -> dict[str, Any]:
    """Print the log as it comes, until the deployment has ended; what it came to. A lost line is taken up again."""
    last, attempts = "", 0
    while True:
        try:
            for event_id, name, data in api.events("/api/deployments/logs/stream", last, id=deployment_id):
                last, attempts = event_id or last, 0
                if name == "end":
                    return dict(api.get("/api/deployments/get", id=deployment_id))
                for line in data if not quiet else ():
                    output.log_line(line)
            attempts += 1
        except ApiError:
            raise
        except CliError:
            attempts += 1
            if attempts >= _ATTEMPTS:
                raise
        if attempts >= _ATTEMPTS:
            raise CliError("the log ended early", "paas build-logs shows it.", UNREACHABLE)


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
