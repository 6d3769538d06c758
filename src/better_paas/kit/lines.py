"""Whole lines out of pieces of text. A secret is looked for in a line: none may be cut in two before that."""

LONGEST = 64 * 1024
TOO_LONG = b"(a line of more than 64 KiB is not shown)"


class LineBuffer:
    """Takes bytes as they come and gives the lines that are complete, without their ends."""

    def __init__(self) -> None:
        self._rest = b""
        self._too_long = False

    @property
    def is_empty(self) -> bool:
        """Whether the last piece ended with its line."""
        return not self._rest and not self._too_long

    def feed(self, data: bytes) -> list[bytes]:
        *lines, rest = (self._rest + data).split(b"\n")
        if lines and self._too_long:
            lines[0], self._too_long = TOO_LONG, False
        if len(rest) > LONGEST:
            # What is left of a secret at the cut could not be told from other text.
            rest, self._too_long = b"", True
        self._rest = rest
        return [line if len(line) <= LONGEST else TOO_LONG for line in lines]

    def flush(self) -> list[bytes]:
        """What came without a line's end."""
        rest, self._rest = TOO_LONG if self._too_long else self._rest, b""
        self._too_long = False
        return [rest] if rest else []
