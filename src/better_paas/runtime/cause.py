"""Why a build failed, in the words of the command that failed: the line that a person would look for in its output."""

import re
from collections import deque

from better_paas.kit.plain import one_line
from better_paas.runtime.protocol import Say

_KEPT = 200
_LONGEST = 300
# What the engine's three builders say of a command that failed.
_COMMAND = re.compile(
    r"(?:executor failed running \[(?P<first>.*)\]|process \"(?P<second>.*)\" did not complete successfully"
    r"|The command '(?P<third>.*)' returned a non-zero code): (?:exit code: )?(?P<code>\d+)",
    re.DOTALL,
)
_SHELL = re.compile(r"^/bin/sh -c ")
_STEP = re.compile(r"\[[^\]]*\d+/\d+\] |Step \d+/\d+ |Removing intermediate | ?---> |exporting |\$ ")
_COMPLAINT = re.compile(
    r"error|exception|fatal|panic|undefined|cannot|can't|could not|couldn't|not found|no such|no matching|denied"
    r"|failed|invalid|missing|unexpected|unknown",
    re.IGNORECASE,
)
# Said around the cause, by npm and its like.
_AROUND = re.compile(
    r"npm (?:ERR!|error)(?: (?:code|path|command|errno|syscall|Lifecycle|workspace|location|A complete log).*)?$"
    r"|error Command failed|info Visit|\[?notice\]? |make(\[\d+\])?: \*\*\*|ELIFECYCLE|WARN",
    re.IGNORECASE,
)


class Heard:
    """Passes a build's lines on, and remembers the last of them."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def __call__(self, line: str) -> None:
        self._say(line)
        if not _STEP.match(line):
            self._lines.append(line)

    def cause(self) -> str:
        """The last complaint, else the last line; empty if nothing was said."""
        lines = [shown for line in self._lines if (shown := one_line(line)) and not _AROUND.match(shown)]
        found = next((line for line in reversed(lines) if _COMPLAINT.search(line)), lines[-1] if lines else "")
        return found if len(found) <= _LONGEST else f"{found[: _LONGEST - 1]}…"

    def explain(self, failure: str) -> str:
        """What the builder says of a command that failed, with the cause in front; any other failure as it is."""
        match = _COMMAND.search(failure)
        if match is None:
            return failure
        command = _SHELL.sub("", one_line(match["first"] or match["second"] or match["third"]))
        return self.ended(command, int(match["code"]))

    def ended(self, command: str, code: int) -> str:
        """The same for a command that is known."""
        end = f"'{command}' ended with code {code}"
        return f"{cause} ({end})" if (cause := self.cause()) else end
