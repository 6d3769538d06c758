"""`paas completion`: a script for the shell, made from the parser."""

import argparse

import shtab

from better_paas.cli.run import build


def completion(options: argparse.Namespace) -> int:
    """Print it: eval "$(paas completion bash)"."""
    print(shtab.complete(build(), options.shell))
    return 0
