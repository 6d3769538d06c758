"""A Dockerfile's text to its instructions, and back.

BuildKit's rules (moby/buildkit, frontend/dockerfile/parser). Its versions do not agree on everything: what is written
back reads the same to all of them, and what can't be written so is refused. Linear in the text, with limits.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from better_paas.builders.plan import NoPlan

# Far above any real Dockerfile: a hostile one ends here before it takes long.
LARGEST_TEXT = 1024 * 1024
_MOST_LINES = 10_000
_MOST_INSTRUCTIONS = 1_000
_MOST_FLAGS = 1_000
# Characters, of all together: instructions without their heredocs; flags; lines that begin heredocs.
_MOST_TEXT = 256 * 1024
_MOST_OF_A_KIND = 32 * 1024
# BuildKit's own limit.
_LONGEST_LINE = 65_535

NAMES = frozenset(
    {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"}
    | {"ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
# What Go's unicode.IsSpace knows, which is not what Python's str.strip takes away.
GO_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000"
)
BLANK = "[\t\v\f\r ]"

_ALL, _FLAGS, _WITH_HEREDOCS = "its instructions", "flags", "lines with '<<'"
_DIRECTIVE = re.compile(rf"#[{GO_SPACE}]*([a-zA-Z][a-zA-Z0-9]*)[\t\f\r ]*=[\t\f\r ]*([^\t\f\r ].*)")
_NAME = re.compile(rf"([^\t\v\f\r ]*)(?:{BLANK}+|$)")
_FLAG = re.compile(r"""(--(?>[^\s"'\\`]++|"[^"\\`]*+"|'[^'\\`]*+')*+)(?=[\s]|$)""", re.ASCII)
_BLANKS = re.compile(r"[\t\n\v\f\r ]*")
_BARE_FLAG = re.compile(r"--[!#-&(-\[\]-_a-~]+")

# The words of a line that has "<<": quoted or escaped blanks belong to them, variables stay as they are.
_VARIABLE = r"""\$(?:\{\w++(?::?[-+?][^{}$'"\\<\s]*+)?\}|[@*#?$!0-]|(?!\{))"""
_WORDS = re.compile(
    rf"""(?P<space>[{GO_SPACE}]+)
       | (?P<ambiguous><<[\t\r\ ])
       | (?P<word>(?> [^{GO_SPACE}\\'"$<]++ | \\(?:.|$) | '[^']*+' | <<(?![\t\r\ ]) | <(?!<) | {_VARIABLE}
                    | "(?> [^"\\$]++ | \\["$\\] | \\(?!$) | {_VARIABLE} )*+" )++)""",
    re.VERBOSE | re.DOTALL,
)
_HEREDOC = re.compile(r"[0-9]*<<(-?)([^<]*)")
_HEREDOC_NAME = re.compile(r"""(["']?)([A-Za-z0-9_][A-Za-z0-9_.-]*)\1""")


class BadDockerfile(NoPlan):
    """It can't be read, or asks for what a build may not have. line: where, from 1. quoted: what of it is meant."""

    def __init__(self, line: int, message: str, hint: str, quoted: str = "") -> None:
        super().__init__(f"line {line} of the Dockerfile: {message}", hint, quoted)
        self.line = line


@dataclass(frozen=True)
class Instruction:
    """name: in capitals; of an ONBUILD trigger the trigger's own. line: where it begins, from 1.

    flags: like `--mount=type=cache,target=/x`, without quotes. parts: what follows them, one for each line that it is
    continued over. heredocs: the lines that belong to it, as they are.
    """

    name: str
    line: int
    flags: tuple[str, ...]
    parts: tuple[str, ...]
    heredocs: tuple[str, ...] = ()
    is_trigger: bool = False

    @property
    def arguments(self) -> str:
        return "".join(self.parts).strip(GO_SPACE)

    def flag(self, name: str) -> list[str]:
        """The values of `--name=`."""
        return [flag.partition("=")[2] for flag in self.flags if flag.partition("=")[0] == f"--{name}"]

    def list_form(self) -> list[str] | None:
        """The words of the JSON form; None if it is not in that."""
        words, rest = _json_list(self.arguments)
        return words if not rest else None


@dataclass(frozen=True)
class Dockerfile:
    """escape: the character that continues lines and escapes, a backslash or a backtick."""

    escape: str
    instructions: tuple[Instruction, ...]

    def render(self) -> str:
        """As text that every version of BuildKit reads alike; each instruction keeps its line where it can."""
        lines = ["# escape=`"] if self.escape == "`" else []
        for instruction in self.instructions:
            lines += [""] * (instruction.line - 1 - len(lines))
            lines += self._lines(instruction)
        return "\n".join(lines) + "\n"

    def _lines(self, instruction: Instruction) -> list[str]:
        head = ["ONBUILD"] if instruction.is_trigger else []
        head += [instruction.name, *(_quoted(flag, instruction.line) for flag in instruction.flags)]
        first = instruction.parts[0] if instruction.parts else ""
        # A bare `--` ends the flags: without it the arguments would be taken for one.
        head += ["--"] if first.lstrip(GO_SPACE).startswith("--") else []
        parts = [" ".join(head) + (f" {first}" if first else ""), *instruction.parts[1:]]
        return [*(part + self.escape for part in parts[:-1]), parts[-1], *instruction.heredocs]

    def changed(self, change: Callable[[Instruction], Iterable[Instruction]]) -> "Dockerfile":
        """With what `change` makes of each instruction in its place."""
        return dataclasses.replace(
            self, instructions=tuple(made for instruction in self.instructions for made in change(instruction))
        )


def parse(text: str) -> Dockerfile:
    """Errors: BadDockerfile."""
    return _Parser(text).read()


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > LARGEST_TEXT or text.count("\n") > _MOST_LINES:
            raise BadDockerfile(
                min(text.count("\n"), _MOST_LINES) + 1,
                f"it has more than {_MOST_LINES} lines or {LARGEST_TEXT // 2**20} MiB",
                "Put long scripts and data into files of their own and COPY them.",
            )
        # The builder's own line end alone counts: str.splitlines knows a dozen more.
        self._lines = text.removeprefix("\ufeff").removesuffix("\n").split("\n")
        self._next = 0
        self._escape = "\\"
        self._flags = 0
        self._budget = Counter({_ALL: _MOST_TEXT, _FLAGS: _MOST_OF_A_KIND, _WITH_HEREDOCS: _MOST_OF_A_KIND})
        if "\0" in text:
            raise BadDockerfile(text[: text.index("\0")].count("\n") + 1, "it has a NUL byte", "Save it as plain text.")

    def read(self) -> Dockerfile:
        self._directives()
        found: list[Instruction] = []
        while self._next < len(self._lines):
            if (instruction := self._instruction()) is None:
                continue
            found.append(instruction)
            if len(found) > _MOST_INSTRUCTIONS:
                raise BadDockerfile(
                    instruction.line,
                    f"it has more than {_MOST_INSTRUCTIONS} instructions",
                    "Put several commands into one RUN, or into a script.",
                )
        if not found:
            raise BadDockerfile(1, "it has no instructions", "A Dockerfile begins with its base image: a FROM line.")
        return Dockerfile(self._escape, tuple(found))

    def _directives(self) -> None:
        """The comments at the top that steer the builder. None is passed on but `escape`: see `render`."""
        seen: set[str] = set()
        while self._next < len(self._lines):
            match = _DIRECTIVE.fullmatch(self._lines[self._next].rstrip("\r").lstrip(GO_SPACE))
            name = match[1].lower() if match else ""
            if match is None or name not in ("syntax", "escape", "check"):
                return
            self._next += 1
            value = match[2].rstrip("\t\f\r ")
            if name in seen:
                raise BadDockerfile(self._next, f"a second '# {name}=' directive", "Take one of them away.")
            seen.add(name)
            if name == "escape":
                if value not in ("\\", "`"):
                    raise BadDockerfile(self._next, "'# escape=' names no escape character", "Use \\ or `.", value)
                self._escape = value
            if name == "syntax" and not _BUILTIN_SYNTAX.fullmatch(value):
                raise BadDockerfile(
                    self._next,
                    "'# syntax=' would load a builder of a stranger",
                    "Only docker/dockerfile is known, and the engine's own builder stands in for it. "
                    "Take the line away.",
                    value,
                )

    def _instruction(self) -> Instruction | None:
        """What begins at the next line; None if that says nothing."""
        start = self._next + 1
        first = self._take().lstrip(GO_SPACE)
        if not first or first.startswith("#"):
            return None
        parts = [first]
        self._spend(_ALL, first, start)
        while (continued := self._continued(parts[-1])) is not None:
            parts[-1] = continued
            if (following := self._continuation()) is None:
                break
            parts.append(following)
            self._spend(_ALL, following, start)
        while len(parts) > 1 and not parts[-1].strip(GO_SPACE):
            parts.pop()  # continued to the end of the file, where nothing is
        parts[-1] = parts[-1].rstrip(GO_SPACE)
        if self._continued(parts[-1]) is not None:
            raise BadDockerfile(
                self._next, f"an odd blank follows the {self._escape} at the end", "Take the blank or both away."
            )
        return self._of(start, parts)

    def _take(self) -> str:
        self._next += 1
        line = self._lines[self._next - 1]
        if len(line) >= _LONGEST_LINE:
            raise BadDockerfile(self._next, f"it is longer than {_LONGEST_LINE} characters", "Break it up.")
        return line.rstrip("\r")

    def _spend(self, kind: str, text: str, line: int) -> None:
        self._budget[kind] -= len(text)
        if self._budget[kind] < 0:
            raise BadDockerfile(
                line, f"too much text in {kind} up to here", "Put long scripts and data into files and COPY them."
            )

    def _continued(self, part: str) -> str | None:
        """What the line says before the escape character that continues it; None if it is not continued."""
        bare = part.rstrip(" \t")
        if not bare.endswith(self._escape) or bare.endswith(self._escape * 2):
            return None
        return bare[:-1]

    def _continuation(self) -> str | None:
        """The next line that is neither empty nor a comment: both may stand within an instruction."""
        while self._next < len(self._lines):
            line = self._take()
            if (text := line.lstrip(GO_SPACE)) and not text.startswith("#"):
                return line
        return None

    def _of(self, line: int, parts: list[str]) -> Instruction:
        joined = "".join(parts)
        name, position = self._name(joined, len(joined) - len(joined.lstrip(GO_SPACE)), line)
        flags, position = self._read_flags(joined, position, line)
        is_trigger = name == "ONBUILD"
        if is_trigger:
            if flags:
                raise BadDockerfile(line, "ONBUILD has no flags", "Write them after the instruction that it keeps.")
            name, position = self._name(joined, position, line)
            if name in ("ONBUILD", "FROM", "MAINTAINER"):
                raise BadDockerfile(line, f"ONBUILD can't keep {name}", "Take the line away.")
            flags, position = self._read_flags(joined, position, line)
        made = Instruction(name, line, flags, _cut(parts, position), (), is_trigger)
        if name in ("RUN", "COPY", "ADD") and "<<" in joined:
            return dataclasses.replace(made, heredocs=self._heredocs(made, joined))
        return made

    def _name(self, joined: str, position: int, line: int) -> tuple[str, int]:
        match = _NAME.match(joined, position)
        name = match[1].upper() if match and match[1].isascii() else ""
        if match is None or name not in NAMES:
            shown = joined[position : position + 30].strip(GO_SPACE)
            raise BadDockerfile(
                line,
                "it begins with no instruction",
                "Is the line before it meant to be continued with a backslash?",
                shown,
            )
        return name, match.end()

    def _read_flags(self, joined: str, position: int, line: int) -> tuple[tuple[str, ...], int]:
        flags: list[str] = []
        while joined.startswith("--", position := _skip(joined, position)):
            match = _FLAG.match(joined, position)
            if match is None or not match[1].isascii() or not match[1].isprintable():
                raise BadDockerfile(
                    line,
                    "a flag can't be read",
                    "Flags have no escapes and plain letters alone; quotes in them must end before the line does.",
                )
            position = match.end()
            self._spend(_FLAGS, match[1], line)
            if (flag := re.sub(r"\"([^\"]*)\"|'([^']*)'", r"\1\2", match[1])) == "--":
                break
            flags.append(flag)
            self._flags += 1
            if self._flags > _MOST_FLAGS:
                raise BadDockerfile(line, f"more than {_MOST_FLAGS} flags", "Take some away.")
        return tuple(flags), _skip(joined, position)

    def _heredocs(self, instruction: Instruction, joined: str) -> tuple[str, ...]:
        line = instruction.line
        words, rest = _json_list(instruction.arguments)
        if words is not None:
            if rest:
                raise BadDockerfile(line, "builders do not agree on text behind a JSON list", "Take one of them away.")
            return ()
        self._spend(_WITH_HEREDOCS, joined, line)
        begin = self._next
        for is_indented, end in _heredoc_names(joined, line):
            while self._next < len(self._lines):
                text = self._take()
                if (text.lstrip("\t") if is_indented else text) == end:
                    break
            else:
                raise BadDockerfile(line, "a heredoc does not end", "A line with its name alone ends it.", end)
        return tuple(self._lines[begin : self._next])


# Its versions differ from the engine's own builder in what they know, not in what the same words mean.
_BUILTIN_SYNTAX = re.compile(
    r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::[a-zA-Z0-9_.-]+)?(?:@sha256:[0-9a-f]{64})?"
)


def _heredoc_names(joined: str, line: int) -> list[tuple[bool, str]]:
    """(is it `<<-`, the line that ends it) of each heredoc that the line begins."""
    found: list[tuple[bool, str]] = []
    position = 0
    while position < len(joined):
        match = _WORDS.match(joined, position)
        if match is None or match["ambiguous"]:
            raise BadDockerfile(
                line,
                "builders do not agree on what '<<' means here",
                "Write <<EOF without a blank, with quotes that end, and no ${…} beyond ${NAME:-text} beside it.",
            )
        position = match.end()
        begins = _HEREDOC.fullmatch(match["word"] or "")
        if begins is None or not begins[2]:
            continue
        name = _HEREDOC_NAME.fullmatch(begins[2])
        if name is None:
            raise BadDockerfile(
                line,
                "a heredoc has a name that builders do not agree on",
                "Use letters and digits, like <<EOF, and a blank.",
                begins[2],
            )
        found.append((bool(begins[1]), name[2]))
    return found


def _json_list(text: str) -> tuple[list[str] | None, str]:
    """(the words of a JSON list of texts that `text` begins with, what follows it)."""
    if not text.startswith("["):
        return None, text
    try:
        words, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None, text
    return (words, text[end:]) if all(isinstance(word, str) for word in words) else (None, text)


def _skip(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position


def _cut(parts: list[str], position: int) -> tuple[str, ...]:
    """`parts` without the first `position` characters of them together."""
    for index, part in enumerate(parts):
        if position < len(part):
            return (part[position:], *parts[index + 1 :])
        position -= len(part)
    return ()


def _quoted(flag: str, line: int) -> str:
    if _BARE_FLAG.fullmatch(flag):
        return flag
    quote = "'" if "'" not in flag else '"'
    if quote in flag:
        raise BadDockerfile(line, "a flag has quotes of both kinds", "Use one kind.")
    return f"--{quote}{flag.removeprefix('--')}{quote}"
