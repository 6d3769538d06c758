"""`better-paas`, also as `python -m better_paas`."""

import sys


def main() -> None:
    """Entry point. Exit codes: 0 well, 1 failed, 2 wrong use."""
    # What reads command lines would stay in the server's memory for as long as it runs, and so would what the console
    # log takes along for coloured tracebacks: 10 MB for what a log file can't show.
    if sys.argv[1:] == ["serve"]:
        sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
        from better_paas.server import run

        run()
    else:
        from better_paas.commands import app

        app()


if __name__ == "__main__":
    main()
