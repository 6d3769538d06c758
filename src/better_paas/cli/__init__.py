"""The client command `paas`. It needs neither the server's parts nor its packages."""

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point. Exit codes: see errors.py."""
    from better_paas.cli.run import run

    sys.exit(run(sys.argv[1:]))
