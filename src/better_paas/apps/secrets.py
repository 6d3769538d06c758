"""An app's secret values: sealed in its row, opened where they are used."""

from sqlalchemy.orm import Session

from better_paas.apps.models import App
from better_paas.db.sealed import place, seal, seal_mapping, unseal, unseal_mapping
from better_paas.deployments import service as deployments
from better_paas.deployments.models import Release
from better_paas.kit.secret_forms import looks_secret

# A shorter value under a telling name (TOKEN_TTL=3600) would mask ordinary words.
_LIKELY_LENGTH = 8


def _place(app: App, column: str) -> str:
    return place("apps", app.id, column)


def git_token(session: Session, app: App) -> str:
    """The deploy token, or nothing. Errors: SecretUnreadable."""
    return unseal(session, _place(app, "git_token"), app.git_token)


def set_git_token(session: Session, app: App, token: str) -> None:
    app.git_token = seal(session, _place(app, "git_token"), token)


def environment(session: Session, app: App) -> dict[str, str]:
    """All variables with their values. Errors: SecretUnreadable."""
    return unseal_mapping(session, _place(app, "env_vars"), app.env_vars)


def set_environment(session: Session, app: App, values: dict[str, str]) -> None:
    app.env_vars = seal_mapping(session, _place(app, "env_vars"), values)


def secret_values(session: Session, app: App, release: Release | None = None) -> list[str]:
    """Every value of this app that no log may show; those of a release too, which may still have older ones."""
    token, variables = git_token(session, app), environment(session, app)
    parts = [token, token.partition(":")[2]] if token else []
    older: list[str] = []
    if release is not None:
        kept = deployments.settings_of(session, release)
        older = [kept["environment"][key] for key in kept.get("secretKeys", ()) if key in kept["environment"]]
    marked = [variables[key] for key in app.secret_keys if key in variables]
    # Nobody said so of these, but their name or form does.
    likely = [value for key, value in variables.items() if len(value) >= _LIKELY_LENGTH and looks_secret(key, value)]
    return [*parts, *marked, *likely, *older]
