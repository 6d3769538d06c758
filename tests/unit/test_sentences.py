"""What is filled into the platform's sentences: numbers, and values that it made or checked itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import better_paas

SOURCE = Path(better_paas.__file__).parent
# Errors of what strangers wrote, sent or answered. Their sentence and hint are the first two arguments; what such a
# one said goes into `quoted`.
KINDS = {
    "AddressRefused", "ArchiveRefused", "BadDockerfile", "FetchFailed", "NoBase", "NoPlan", "PrivateAddress", "RuntimeFailed",
    "Statement", "StepFailed", "SubstitutionFailed", "Told", "TooMuch", "Unavailable",
}  # fmt: skip
# What may stand in braces besides constants (in capitals), everywhere or in one file, and why.
HARMLESS = {
    # Numbers.
    "code", "limits.files", "free // 2 ** 20", "self._settings.least_free_bytes // 2 ** 20", "limits.bytes // 2 ** 20",
    "limits.file_bytes // 2 ** 20", "most_bytes // 2 ** 20", "FILE_BYTES // 2 ** 20", "LARGEST_TEXT // 2 ** 20",
    "_MOST_SOURCES // 2", "timeout", "request.timeout", "limits.seconds", "state.restarts", "found.port", "submodules.MOST", "submodules.DEEPEST", "left", "line", "number", "queue.MOST_ATTEMPTS",
    # Of a set that is fixed in the code.
    "what", "kind", "flag", "way", "runtime", "verb", "builders/instructions.py:name", "builders/said/own.py:wanted", "builders/said/own.py:key.path", "runtime/process/runtime.py:name", "stop", "self._escape", "type(error).__name__",
    "action.name", "also", "tail", "often",
    # Of the server's own settings and machine.
    "self.bundle", "error.strerror", "release", "closed", "issuer",
    # Addresses as the kernel has them, and statuses of a form that was checked.
    "deployments/healthy.py:shown", "deployments/healthy.py:hint", "good",
    # Digits alone: see each language's `wanted_version`, and the name that is made of it.
    "version", "version or '(any version)'",
    # Sentences of ours, whose own parts are looked at where they are made.
    "error", "message", "reason", "state.reason", "result.seen", "trouble.sentence", "failed.sentence", "fault.sentence", "event.sentence", "why.sentence",
    "detail.sentence", "state.problem", "goes.sentence", "left_out", "', '.join(_changed(fields)) or nothing",
    # Names of apps and projects: a-z, 0-9 and '-', at most 40.
    "app.name", "project.name", "names", "owner",
}  # fmt: skip


def filled_in(node: ast.expr) -> Iterator[ast.expr]:
    for part in ast.walk(node):
        if isinstance(part, ast.FormattedValue):
            yield part.value


def suspects() -> Iterator[str]:
    for file in sorted(SOURCE.rglob("*.py")):
        if "cli" in file.relative_to(SOURCE).parts:
            continue
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in KINDS:
                continue
            first = 1 if call.func.id == "BadDockerfile" else 0
            said = call.args[first : first + (1 if call.func.id == "Statement" else 2)]
            for argument in said:
                for value in filled_in(argument):
                    text = ast.unparse(value)
                    where = file.relative_to(SOURCE).as_posix()
                    if not text.lstrip("_").isupper() and not {text, f"{where}:{text}"} & HARMLESS:
                        yield f"{file.relative_to(SOURCE)}:{call.lineno}: {{{text}}}"


def test_nothing_of_a_stranger_is_filled_into_a_sentence():
    assert list(suspects()) == []
