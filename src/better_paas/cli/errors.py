"""What can go wrong, and the exit code that tells it to scripts."""

OK, FAILED, USAGE, NOT_CONNECTED, UNREACHABLE, NEEDS_APPROVAL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EXIT_CODES = {
    OK: "it worked",
    FAILED: "it failed; for deploy, redeploy and rollback: the deployment failed",
    USAGE: "the command was not understood",
    NOT_CONNECTED: "not connected, or the token is not valid or may not do this",
    UNREACHABLE: "the server can't be reached",
    NEEDS_APPROVAL: "a person has to approve the call first",
    INTERRUPTED: "interrupted by Ctrl-C",
}


class CliError(Exception):
    """The message says what is wrong, the hint what to do."""

    def __init__(self, message: str, hint: str = "", code: int = FAILED) -> None:
        super().__init__(message)
        self.hint, self.code = hint, code


class ApiError(CliError):
    """The server said no. status: of HTTP. body: its answer."""

    def __init__(self, status: int, body: dict[str, object]) -> None:
        text = str(body.get("error") or f"the server answered {status}")
        super().__init__(text, str(body.get("hint") or ""), NOT_CONNECTED if status in (401, 403) else FAILED)
        self.status, self.body = status, body
