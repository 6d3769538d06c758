"""`python -m better_paas.cli`, where the command is not on the path."""

from better_paas.cli import main

main()
