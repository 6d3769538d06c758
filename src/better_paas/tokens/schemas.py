"""API types of signing in."""

from better_paas.kit.schema import Answer, Body


class VerifyBody(Body):
    token: str | None = None


class Verified(Answer):
    valid: bool = True


class Ticket(Answer):
    ticket: str
    expires_in: int
