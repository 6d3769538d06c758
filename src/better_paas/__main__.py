"""`better-paas`, also as `python -m better_paas`."""

import sys


def main() -> None:
    """Entry point. Exit codes: 0 well, 1 failed, 2 wrong use."""
    # What reads command lines would stay in the server's memory for as long as it runs.
    if sys.argv[1:] == ["serve"]:
        from better_paas.kit.memory import begin

        begin()
        from better_paas.server import run

        run()
    else:
        from better_paas.commands import app

        app()


if __name__ == "__main__":
    main()
