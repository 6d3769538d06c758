"""`python -m better_paas` is the `better-paas` command."""

from better_paas.commands import main

if __name__ == "__main__":
    main()
