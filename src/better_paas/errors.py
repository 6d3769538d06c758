"""Errors with a stable code, a text for people, and a hint that says what to do."""


class StartRefused(Exception):
    """The server must not start. The message says why, the hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class PaasError(Exception):
    """An error that a caller caused or can do something about.

    code: stable, for machines. error: one sentence, as documented. hint: what to do now. quoted: what a stranger said
    to it (an app, a repository, a remote server), as it came: never a part of the other two.
    """

    status = 400
    code = "invalid"

    def __init__(
        self,
        error: str,
        hint: str | None = None,
        *,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        quoted: str = "",
    ) -> None:
        super().__init__(error)
        self.error, self.hint, self.quoted = error, hint, quoted
        self.code = code or type(self).code
        self.headers = headers or {}


class Invalid(PaasError):
    """The request itself is wrong."""


class Unauthorized(PaasError):
    status = 401
    code = "unauthorized"

    def __init__(self, error: str = "Unauthorized", hint: str | None = None) -> None:
        super().__init__(error, hint or "Send a valid token as 'Authorization: Bearer <token>'.")


class Forbidden(PaasError):
    status = 403
    code = "forbidden"


class NotFound(PaasError):
    status = 404
    code = "not_found"


class Conflict(PaasError):
    status = 409
    code = "conflict"


def refuse_stale(read_at: str | None, version: str) -> None:
    """read_at: the version that a caller changes, if it says so. Errors: Conflict."""
    if read_at is not None and read_at != version:
        raise Conflict("it was changed since you read it", "Read it again; change what is there now.", code="stale")


class TooLarge(PaasError):
    status = 413
    code = "too_large"


class TooManyRequests(PaasError):
    status = 429
    code = "too_many_requests"


class Unavailable(PaasError):
    """Something that the product needs does not answer."""

    status = 503
    code = "unavailable"


class SecretUnreadable(PaasError):
    """A stored secret can't be opened. Nothing goes on with an empty value in its stead."""

    status = 500
    code = "secret_unreadable"

    def __init__(self, error: str) -> None:
        super().__init__(
            f"A stored secret can't be opened: {error}",
            "Run 'better-paas keys verify'. If the key was lost, set the value again.",
        )


class StepFailed(PaasError):
    """A deployment step failed for a reason that its user can read."""

    status = 422
    code = "deployment_failed"
