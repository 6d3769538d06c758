"""Why a source can't be had."""

from better_paas.kit.quoted import Told


class FetchFailed(Told):
    """The source can't be had. The message says why, the hint what to do."""


class TooMuch(FetchFailed):
    """It passes a limit: asking for it in another way would not help."""
