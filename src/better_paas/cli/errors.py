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
        self.hint, self.code, self.quoted = hint, code, ""


class ApiError(CliError):
    """The server said no. status: of HTTP. body: its answer."""

    def __init__(self, status: int, body: dict[str, object]) -> None:
        text = str(body.get("error") or f"the server answered {status}")
        hint = str(body.get("hint") or "")
        if status == 401:
            text, hint = "the token is not valid (any more)", "Run: paas connect"
        elif "failed sign-ins" in text:
            hint = f"Is the token still valid? Wait a little, then run: paas connect. ({hint.partition(',')[0]})"
        refused = status in (401, 403) or "failed sign-ins" in text
        super().__init__(text, hint, NOT_CONNECTED if refused else FAILED)
        self.quoted = str(body.get("quoted") or "")
        self.status, self.body = status, body
