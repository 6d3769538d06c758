"""API types of signing in, and of refusals."""

from better_paas.kit.schema import Answer, Body


class ErrorAnswer(Answer):
    """Every error. code: stable, for machines. hint: what to do.

    quoted: what the app, the repository or a remote server said to it; never a part of the others.
    """

    error: str
    code: str
    hint: str | None
    quoted: str | None
    request_id: str | None


class VerifyBody(Body):
    token: str | None = None


class Verified(Answer):
    valid: bool = True


class Ticket(Answer):
    ticket: str
    expires_in: int
