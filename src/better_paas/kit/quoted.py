"""What strangers wrote, apart from what the platform says of it.

A sentence of the platform is fixed text, with numbers and with values that it made or checked itself: ids, names of
apps, codes. What an app, a repository, a remote server or a build said stands beside it as a quotation, so that nobody,
person or model, takes the one for the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

from better_paas.kit.plain import one_line
from better_paas.kit.redact import redact_text

LONGEST = 200
# What is looked at of a longer text; only its beginning is shown.
_READ = 4_000
# Between the two in one column. Neither holds a control character.
_MARK = "\x1f"


def quote(text: str, redact: Callable[[str], str] = redact_text, longest: int = LONGEST) -> str:
    """`text` on one visible line, without credentials, cut where everybody can see it."""
    # Once more behind the cleaning: a secret with an escape in it is one again without that.
    line = redact(one_line(redact(text[:_READ])))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def subject(text: str) -> str:
    """A commit's first line, or its author, as short as they are meant to be."""
    return quote(text, longest=100)


class Told(Exception):
    """An error for people: its text is the platform's own. hint: what to do. quoted: what a stranger said, raw."""

    def __init__(self, sentence: str, hint: str = "", quoted: str = "") -> None:
        super().__init__(sentence)
        self.hint, self.quoted = hint, quoted


@dataclass(frozen=True)
class Statement:
    """sentence: the platform's. quoted: what a stranger said to it, as `quote` gives it; empty for nothing."""

    sentence: str
    quoted: str = ""

    @classmethod
    def of(cls, error: BaseException, redact: Callable[[str], str] = redact_text) -> "Statement":
        return cls(str(error), quote(getattr(error, "quoted", ""), redact))

    def __str__(self) -> str:
        """For people, where there is room for one text only."""
        return f"{self.sentence} “{self.quoted}”" if self.quoted else self.sentence

    def __bool__(self) -> bool:
        return bool(self.sentence)

    def stored(self) -> str:
        """Both in one column, so that they come apart again."""
        return f"{one_line(self.sentence)}{_MARK}{self.quoted}" if self else ""

    @classmethod
    def read(cls, stored: str, unmarked: str) -> "Statement":
        """unmarked: the sentence for a text from before there were quotations: all of it may be a stranger's."""
        sentence, mark, quoted = stored.partition(_MARK)
        return cls(sentence, quoted) if mark or not stored else cls(unmarked, quote(stored))
