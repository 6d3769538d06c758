"""No regular expression of the product takes long, whatever text it meets: none may be a way to hold the server up."""

import ast
import json
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import better_paas

ROOT = Path(better_paas.__file__).parent
LENGTH = 1_000_000
MOST_SECONDS = 0.05
# What is found is paid for besides: each match makes something.
SECONDS_A_MATCH = 4e-7
# Characters of the longest text that reaches an expression, where what is before it sees to that.
BOUNDS = {
    "builders/node/frameworks.py _DEVELOPMENT": 2000,
    "builders/node/frameworks.py _COMMENT": 100_000,
    "builders/own.py REFERENCE": 512,
    "builders/versions.py _BOUND": 200,
    "builders/versions.py _HYPHEN": 200,
    "builders/instructions.py _WORDS": 64 * 1024,
    "engine/build.py _OURS": 4096,
    "runtime/cause.py _STEP": 1000,
    "runtime/cause.py _COMPLAINT": 1000,
    "runtime/cause.py _AROUND": 1000,
}
# Expressions that are put together when they are used, and what tries them on the worst of texts.
ELSEWHERE = {
    "builders/java.py": "fixed words, on a file of at most 1 MiB: test_languages.py",
    "builders/substitution.py": "one character, and patterns of Dockerfiles: test_instructions.py (patterns)",
    "kit/redact.py": "the forms of secret_forms.py: test_redact.py (test_no_line_takes_long)",
    "kit/secret_forms.py": "the same",
    "kit/unpack.py": "numbers of fixed length, on a header of 512 bytes: test_unpack.py",
    "runtime/complaints.py": "on lines of at most 1000 characters: test_cause.py",
    "settings.py": "of the platform's own settings",
}
_METHODS = {"search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split"}


@dataclass(frozen=True)
class Expression:
    where: str
    pattern: str
    flags: int
    method: str
    length: int = LENGTH


def expressions() -> list[Expression]:
    """Every literal expression of the source, with the methods that it is used with."""
    return [found for file in sorted(ROOT.rglob("*.py")) for found in _of_module(file)]


def _of_module(file: Path) -> Iterator[Expression]:
    tree = ast.parse(file.read_text())
    constants: dict[str, str] = {}
    compiled: dict[str, tuple[str, int, int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if (text := _text(node.value, constants)) is not None:
                constants[name] = text
            elif _is_call(node.value, {"compile"}) and (text := _text(node.value.args[0], constants)) is not None:
                compiled[name] = (text, _flags(node.value.args[1:]), node.lineno)
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in _METHODS:
            continue
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id in compiled:
            used.setdefault(owner.id, set()).add(node.func.attr)
        elif isinstance(owner, ast.Name) and owner.id == "re" and (text := _text(node.args[0], constants)) is not None:
            flags = _flags([*node.args[2:], *(word.value for word in node.keywords if word.arg == "flags")])
            yield Expression(f"{file.relative_to(ROOT)}:{node.lineno}", text, flags, node.func.attr)
    for name, (text, flags, line) in compiled.items():
        for method in used.get(name) or {"search"}:
            most = BOUNDS.get(f"{file.relative_to(ROOT)} {name}", LENGTH)
            yield Expression(f"{file.relative_to(ROOT)}:{line} {name}", text, flags, method, most)


def unread() -> set[str]:
    """Files with an expression that is no literal."""
    found = set()
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text())
        named = [
            node for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ]
        constants: dict[str, str] = {}
        for node in named:
            if (text := _text(node.value, constants)) is not None:
                constants[node.targets[0].id] = text
        calls = [node for node in ast.walk(tree) if _is_call(node, {"compile", *_METHODS})]
        if any(_text(call.args[0], constants) is None for call in calls):
            found.add(str(file.relative_to(ROOT)))
    return found


def _is_call(node: ast.AST, names: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    )


def _text(node: ast.AST, constants: dict[str, str]) -> str | None:
    """The text of a literal; what is filled in is a word, or the constant that it names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left, constants), _text(node.right, constants)
        return None if left is None or right is None else left + right
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else (_text(part.value, constants) or "word")
            for part in node.values
        ]
        return "".join(parts)
    return None


def _flags(nodes: list[ast.AST]) -> int:
    return sum(
        int(getattr(re, inner.attr))
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and inner.attr.isupper()
    )


def worst_cases(pattern: str, flags: int) -> list[tuple[str, str]]:
    """(beginning, what goes on for ever) of texts that are mostly what the expression likes: its literals and sets."""
    pieces: list[str] = []
    _collect(re._parser.parse(pattern, flags), pieces)
    pieces = list(dict.fromkeys(piece for piece in pieces if piece))[:14]
    pairs = [(one, two) for one in pieces for two in pieces if one != two]
    endless = [*pieces, " ", "\n", "a", "\t", "x\n", *(one + two for one, two in pairs), "".join(pieces)]
    return [("", text) for text in dict.fromkeys(endless) if text] + pairs


def _collect(tree, pieces: list[str]) -> None:  # noqa: C901
    word = ""
    for operation, argument in tree:
        if str(operation) == "LITERAL":
            word += chr(argument)
            continue
        if word:
            pieces.append(word)
            word = ""
        if str(operation) == "IN":
            pieces.append(_member(argument))
        elif str(operation) == "ANY":
            pieces.append("a")
        elif str(operation) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            _collect(argument[2], pieces)
        elif str(operation) == "SUBPATTERN":
            _collect(argument[3], pieces)
        elif str(operation) == "ATOMIC_GROUP":
            _collect(argument, pieces)
        elif str(operation) == "BRANCH":
            for branch in argument[1]:
                _collect(branch, pieces)
        elif str(operation) in ("ASSERT", "ASSERT_NOT"):
            _collect(argument[1], pieces)
    if word:
        pieces.append(word)


def _member(items) -> str:
    """A character of a set."""
    for letter in "a0A-_. \t\n/'\"x" + string.printable + "\x00\x9b\u200b":
        if re._compiler.compile(_as_pattern(items)).match(letter):
            return letter
    return ""


def _as_pattern(items):
    state = re._parser.State()
    state.str = ""
    return re._parser.SubPattern(state, [(re._constants.IN, items)])


# Most are found out by a twentieth of the length.
MEASURE = """
import json, re, sys
from tests.pace import seconds
pattern, flags, method, length, most, a_match, texts = json.load(sys.stdin)
expression = re.compile(pattern, flags)
one = method in ("search", "match", "fullmatch")
found = 0

def look(text):
    global found
    # The others look for one after the other, too.
    found = getattr(expression, method)(text) is not None if one else sum(1 for _ in expression.finditer(text))

for begin, endless in texts:
    text = begin + endless * (length // len(endless) + 1)
    beginning = text[: length // 20]
    taken = seconds(lambda: look(beginning), most / 20) * 20
    if taken > most / 2:
        taken = seconds(lambda: look(text), most + found * 20 * a_match) - found * a_match
    print(json.dumps(taken), flush=True)
"""


def test_what_is_not_measured_here_is_so_elsewhere():
    assert unread() == set(ELSEWHERE)


@pytest.mark.parametrize("expression", expressions(), ids=lambda found: f"{found.where} {found.method}")
def test_no_expression_takes_long(expression):
    texts = worst_cases(expression.pattern, expression.flags)
    limits = [expression.length, MOST_SECONDS, SECONDS_A_MATCH]
    given = [expression.pattern, expression.flags, expression.method, *limits, texts]
    try:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=300,
            cwd=Path(__file__).parents[2],
        ).stdout
    except subprocess.TimeoutExpired as error:
        done = (error.stdout or b"").decode()
    times = [json.loads(line) for line in done.splitlines()]
    slow = [f"{taken:.2f} s for {text!r}" for taken, text in zip(times, texts, strict=False) if taken > MOST_SECONDS]
    if len(times) < len(texts):
        slow.append(f"it never ended for {texts[len(times)]!r}")
    assert not slow, f"{expression.where}: {expression.pattern!r} {slow[:5]}"
