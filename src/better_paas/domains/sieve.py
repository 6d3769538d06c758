"""Finds the names that the ingress refuses, by halving: only after it has refused the whole."""

from collections.abc import Awaitable, Callable

from better_paas.domains.claims import Claim, sites_of
from better_paas.domains.render import Site

Refuses = Callable[[list[Site]], Awaitable[bool]]


async def sift(trusted: list[Claim], others: list[Claim], refuses: Refuses) -> tuple[list[Claim], list[Claim]]:
    """(what is accepted all together, what is refused). trusted: accepted before, and so hardly at fault.

    With n names of which k are bad it asks about 2 k log2 n times.
    """
    kept: list[Claim] = []
    refused: list[Claim] = []

    async def look(part: list[Claim]) -> None:
        if not part:
            return
        if not await refuses(sites_of([*kept, *part])):
            kept.extend(part)
        elif len(part) == 1:
            refused.extend(part)
        else:
            middle = len(part) // 2
            await look(part[:middle])
            await look(part[middle:])

    await look(trusted)
    await look(others)
    return kept, refused
