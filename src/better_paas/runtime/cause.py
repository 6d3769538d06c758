"""Why a build failed, in the words of the command that failed: the line that a person would look for in its output."""

import re
from collections import deque
from collections.abc import Iterable

from better_paas.kit.plain import one_line
from better_paas.kit.quoted import Statement
from better_paas.runtime.complaints import cause_of, unreachable
from better_paas.runtime.protocol import LogCallback

_KEPT = 1000
# What could not be reached further up was reached in the end.
_AT_THE_END = 30
# With the command behind it, a quotation is cut no earlier.
_LONGEST = 150
# Of a line no more is kept, nor of a failing command shown.
_LONGEST_LINE, _LONGEST_HEARD = 1000, 400
# What the engine's three builders say around a command that failed; its code follows.
_AROUND_COMMANDS = (
    ("executor failed running [", "]: "),
    ('process "', '" did not complete successfully'),
    ("The command '", "' returned a non-zero code: "),
)
_SHELL = re.compile(r"^/bin/sh -c ")
_STEP = re.compile(r"\[[^\]]*\d+/\d+\] |Step \d+/\d+ |Removing intermediate | ?---> |exporting |\$ ")
_COMPLAINT = re.compile(
    r"error|exception|fatal|panic|undefined|cannot|can't|could not|couldn't|not found|no such|no matching|denied"
    r"|failed|invalid|missing|unexpected|unknown",
    re.IGNORECASE,
)
# Said around the cause, by npm and its like, by Vite and by rake.
_AROUND = re.compile(
    r"npm (?:ERR!|error)(?: (?:code|path|command|errno|syscall|Lifecycle|workspace|location|A complete log).*)?$"
    r"|at .*[:(]\d+[:)]|see the log|error Command failed|info Visit|error during build:$|\(See full trace"
    r"|\[?notice\]? |make(\[\d+\])?: \*\*\*|ELIFECYCLE|WARN",
    re.IGNORECASE,
)


def words_of_failure(lines: Iterable[str]) -> str:
    """What a program that ended said of it: the line that names the cause, else its last complaint or line."""
    said = [shown for line in lines if (shown := one_line(line[:_LONGEST_HEARD]))]
    kept = [line for line in said if not _AROUND.match(line)]
    found = unreachable(said[-_AT_THE_END:]) or cause_of(kept)
    if not found:
        found = next((line for line in reversed(kept) if _COMPLAINT.search(line)), kept[-1] if kept else "")
    return found if len(found) <= _LONGEST else f"{found[: _LONGEST - 1]}…"


class Heard:
    """Passes a build's lines on, and remembers the last of them."""

    def __init__(self, say: LogCallback) -> None:
        self._say = say
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def __call__(self, line: str) -> None:
        self._say(line)
        kept = line[:_LONGEST_HEARD]
        if not _STEP.match(kept):
            self._lines.append(kept)

    def cause(self) -> str:
        """The line that names it; empty if nothing was said."""
        return words_of_failure(self._lines)

    def explain(self, failure: str) -> Statement:
        """What the builder says of a command that failed: its cause, then itself. Any other failure as it is."""
        for begin, end in _AROUND_COMMANDS:
            start, stop = failure.find(begin), failure.rfind(end)
            code = re.search("[0-9]{1,3}", failure[stop + len(end) :][:40]) if 0 <= start < stop else None
            if code is not None:
                command = one_line(failure[start + len(begin) : stop][:_LONGEST_LINE])
                return self.ended(_SHELL.sub("", command), int(code[0]))
        return Statement("the build failed", one_line(failure[:_LONGEST_LINE]))

    def ended(self, command: str, code: int) -> Statement:
        """The same for a command that is known."""
        cause = self.cause()
        said = f"{cause} ({command})" if cause else command
        if unreachable([cause]):
            return Statement(f"the build failed: it could not reach a server that it needs (code {code})", said)
        return Statement(f"the build failed: a command ended with code {code}", said)
