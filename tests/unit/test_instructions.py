"""Dockerfiles to instructions and back, by BuildKit's rules."""

import contextlib
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from better_paas.builders import dockerfile, own
from better_paas.builders.instructions import BadDockerfile, parse
from tests import pace


def read(text: str) -> list[tuple]:
    """(name, flags, arguments, number of lines of its heredocs) of each instruction."""
    return [(each.name, list(each.flags), each.arguments, len(each.heredocs)) for each in parse(text).instructions]


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        ("from a\nRun x", [("FROM", [], "a", 0), ("RUN", [], "x", 0)]),
        ("\ufeffFROM a\r\nRUN x \\\r\n  y\r\n", [("FROM", [], "a", 0), ("RUN", [], "x   y", 0)]),
        ("RUN a \\\n# comment\n\n  # one more\n b \\ \t\n c", [("RUN", [], "a  b  c", 0)]),
        ("RU\\\nN a\\\nb", [("RUN", [], "ab", 0)]),
        ("RUN a \\\\\nRUN b", [("RUN", [], "a \\\\", 0), ("RUN", [], "b", 0)]),
        ("RUN a \\", [("RUN", [], "a", 0)]),
        ("# escape=`\nRUN a `\n b \\\nRUN c", [("RUN", [], "a  b \\", 0), ("RUN", [], "c", 0)]),
        ("# not=known\n# escape=`\nRUN a `\nRUN b", [("RUN", [], "a `", 0), ("RUN", [], "b", 0)]),
        ("# comment\n# escape=`\nRUN a \\\n b", [("RUN", [], "a  b", 0)]),
        ("# syntax=docker/dockerfile:1\n# ESCAPE = `\nRUN a `\n b", [("RUN", [], "a  b", 0)]),
        ("# check=skip=all\nRUN a", [("RUN", [], "a", 0)]),
        (
            "RUN --mount=type=cache,target=/x --network=none a",
            [("RUN", ["--mount=type=cache,target=/x", "--network=none"], "a", 0)],
        ),
        ("RUN --mount=type=cache,\\\ntarget=/x \\\n  a", [("RUN", ["--mount=type=cache,target=/x"], "a", 0)]),
        ("RUN --mount='type=bind,\"source=a b\"' a", [("RUN", ['--mount=type=bind,"source=a b"'], "a", 0)]),
        ("COPY --chown=1:1 -- --odd /x", [("COPY", ["--chown=1:1"], "--odd /x", 0)]),
        ("RUN a --mount=x", [("RUN", [], "a --mount=x", 0)]),
        ("RUN <<EOF\nFROM inside\nEOF\nRUN b", [("RUN", [], "<<EOF", 2), ("RUN", [], "b", 0)]),
        ("RUN <<'EOF' cat > x\n\\\n# no comment\nEOF", [("RUN", [], "<<'EOF' cat > x", 3)]),
        ("RUN <<-EOF\n\tx\n\tEOF\nRUN b", [("RUN", [], "<<-EOF", 2), ("RUN", [], "b", 0)]),
        ("RUN <<EOF\n EOF\nEOF \nEOF\r\nRUN b", [("RUN", [], "<<EOF", 3), ("RUN", [], "b", 0)]),
        ('COPY <<a <<"b" /x/\na\nx\nb\nRUN c', [("COPY", [], '<<a <<"b" /x/', 3), ("RUN", [], "c", 0)]),
        ("ADD <<EOF /x\na\nEOF", [("ADD", [], "<<EOF /x", 2)]),
        ("RUN cat 3<<EOF\na\nEOF", [("RUN", [], "cat 3<<EOF", 2)]),
        ("RUN echo '<<EOF'\nRUN b", [("RUN", [], "echo '<<EOF'", 0), ("RUN", [], "b", 0)]),
        ("RUN a <<< b\nRUN c", [("RUN", [], "a <<< b", 0), ("RUN", [], "c", 0)]),
        ("RUN echo $((1<<2)) ${A:-b}\nRUN c", [("RUN", [], "echo $((1<<2)) ${A:-b}", 0), ("RUN", [], "c", 0)]),
        ('RUN ["cat", "<<EOF"]\nRUN c', [("RUN", [], '["cat", "<<EOF"]', 0), ("RUN", [], "c", 0)]),
        ("RUN [ -f a ] && cat <<EOF\nx\nEOF", [("RUN", [], "[ -f a ] && cat <<EOF", 2)]),
        ("CMD cat <<EOF\nRUN c", [("CMD", [], "cat <<EOF", 0), ("RUN", [], "c", 0)]),
        ("ENV A=<<EOF", [("ENV", [], "A=<<EOF", 0)]),
        ("RUN a\u2028b", [("RUN", [], "a\u2028b", 0)]),
        ("\u00a0RUN a\u00a0", [("RUN", [], "a", 0)]),
    ],
)
def test_texts_to_instructions(text, instructions):
    assert read(text) == instructions
    assert read(parse(text).render()) == instructions


def test_triggers_are_read_as_what_they_keep():
    (trigger,) = parse("OnBuild copy --from=x a b").instructions
    assert (trigger.name, trigger.is_trigger, trigger.flags) == ("COPY", True, ("--from=x",))
    assert parse("ONBUILD RUN <<EOF\na\nEOF").render() == "ONBUILD RUN <<EOF\na\nEOF\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "no instructions"),
        ("# a\n\n", 1, "no instructions"),
        ("FROM a\nbuild", 2, "it begins with no instruction"),
        ("FROM a\nFRÖM b", 2, "no instruction"),
        ("// syntax=evil/x\nFROM a", 1, "no instruction"),
        ('{"syntax": "evil/x"}', 1, "no instruction"),
        ("# syntax=evil/x\nFROM a", 1, "a builder of a stranger"),
        ("#syntax = docker/dockerfile.evil:1\nFROM a", 1, "a builder of a stranger"),
        ("# check=skip=all\n# SynTax=evil/x\nFROM a", 2, "a builder of a stranger"),
        ("# escape=x\nFROM a", 1, "no escape character"),
        ("# escape=`\n# escape=\\\nFROM a", 2, "a second"),
        ("FROM a\nRUN --mount=\\'x a", 2, "a flag can't be read"),
        ("FROM a\nRUN --mount='x a", 2, "a flag can't be read"),
        ("FROM a\nRUN --mount=ä x", 2, "a flag can't be read"),
        ("FROM a\nRUN <<EOF\nx", 2, "a heredoc does not end"),
        ("FROM a\nRUN << EOF\nEOF", 2, "do not agree"),
        ("FROM a\nRUN it's <<EOF\nEOF", 2, "do not agree"),
        ("FROM a\nRUN ${A%b} <<EOF\nEOF", 2, "do not agree"),
        ('FROM a\nRUN ["a"] <<EOF\nEOF', 2, "do not agree"),
        ("FROM a\nRUN <<E$X\nE", 2, "a heredoc has a name"),
        ("FROM a\nONBUILD ONBUILD RUN x", 2, "can't keep ONBUILD"),
        ("FROM a\nONBUILD FROM x", 2, "can't keep FROM"),
        ("FROM a\nRUN a\\\u2028", 2, "odd blank"),
        ("FROM a\nRUN a\0b", 2, "NUL"),
        ("FROM a\nRUN " + "x" * 70_000, 2, "longer than"),
    ],
)
def test_what_can_not_be_read_safely_is_refused_with_its_line(text, line, words):
    with pytest.raises(BadDockerfile, match=f"^line {line} of the Dockerfile: .*{words}") as refused:
        parse(text)
    assert refused.value.hint


def test_no_directive_or_comment_reaches_the_builder_and_lines_stay_where_they_are():
    text = "# syntax=docker/dockerfile:1.7-labs\n# escape=`\n#!x\nFROM a\n\n# comment\nRUN x `\n # y\n  z\n\nRUN b"
    assert parse(text).render() == "# escape=`\n\n\nFROM a\n\n\nRUN x `\n  z\n\n\nRUN b\n"


PIECES = st.sampled_from(
    ["FROM a", "RUN ", "COPY ", "ADD ", "ONBUILD ", "ENV A=b", "\n", "\n", "\n", "\r", " ", "\t", "\\", "\\\n", "\\ \n"]
    + ["`", "`\n", "# c\n", "# escape=`\n", "'", '"', "<<", "<<EOF", "<<-'E'", "<", "EOF", "\nEOF\n", "\n\tE\n", "E"]
    + ["--mount=type=cache,target=/x ", "--from=b ", "--", "-- ", "--a='b c' ", "$", "${A:-b}", "${A#b}", "}", "$$"]
    + ["[", "]", '["a","b"]', "a", "\u00a0", "\u2028", "\x85", "\v", "\f", "é", "\x1c", "\ufeff", "="]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join), st.booleans())
def test_what_is_written_back_is_read_the_same_and_changed_no_more(text, begins):
    try:
        found = parse(f"FROM a\nRUN {text}" if begins else text)
        once = own.read(found.render())
    except BadDockerfile:
        return
    assert parse(found.render()) == found
    assert own.read(once.text) == once
    with_bundle = dockerfile.with_build_ca(once.text, "trust:1")
    assert [each.name for each in parse(with_bundle).instructions if each.name != "ARG"] == [
        each.name for each in found.instructions if each.name != "ARG"
    ]


MOST = 2**20
MOST_SECONDS = 0.05


def worst_cases() -> dict[str, str]:
    head = "FROM a\n"
    return {
        "newlines": "\n" * MOST,
        "continuations": f"{head}RUN " + "\\\n" * 500_000,
        "long continuations": f"{head}RUN " + ("x" * 100 + "\\\n") * 9_900,
        "comments within": f"{head}RUN \\\n" + ("#" * 100 + "\n") * 9_900 + "y",
        "a long line": f"{head}RUN " + "x" * MOST,
        "blanks": "FROM" + (" " * 60_000 + "\n") * 17,
        "backslashes": f"{head}RUN " + "\\ " * 30_000,
        "stages": "FROM a AS b\n" * 80_000,
        "variables": "ARG A=aaaaaaaa\n" + "ARG A=$A$A$A$A\n" * 900 + "FROM $A",
        "arguments": "ARG " + "A'" * 30_000 + "\nFROM $A",
        "patterns": f"ARG A={'a' * 1000}\n" + "ARG B=${A%%*a?a*a?a*a?a*a?a*a?a*b*}\n" * 900 + "FROM x$B",
        "braces": "FROM " + "${A:-" * 12_000,
        "heredocs": f"{head}RUN " + "<<E " * 8_000 + "\n" + "E\n" * 8_000,
        "a long heredoc": f"{head}RUN <<E\n" + ("x" * 100 + "\n") * 9_900 + "E\n",
        "no end of a heredoc": f"{head}RUN <<E\n" + ("x" * 100 + "\n") * 9_900,
        "heredocs one by one": head + "RUN <<E\nE\n" * 4_900,
        "words": f"{head}RUN <<E " + "a " * 16_000 + "\nE\n",
        "quotes": f"{head}RUN <<E " + "'a" * 16_000 + "\nE\n",
        "flags": f"{head}RUN " + "--a " * 16_000,
        "quotes in flags": f"{head}RUN --" + "'a'" * 20_000 + " x",
        "options": f"{head}RUN --mount=" + "from=a," * 4_000 + " x",
        "a list": f"{head}ADD " + "[" * 65_000,
        "sources": head + ("ADD " + "a " * 32_000 + "\n") * 16,
        "a name": f"{head}COPY --from=" + "a--" * 10_000 + "! a b",
        "blanks in a directive": "# syntax" + " " * 65_000 + "=x",
        "junk": "x " * (MOST // 2),
    }


@pytest.mark.parametrize("name", worst_cases())
def test_the_worst_takes_no_time(name):
    text = worst_cases()[name][:MOST]
    for use in (own.read, lambda text: dockerfile.with_build_ca(text, "t"), dockerfile.without_mounts):
        assert pace.seconds(partial(_tried, use, text), MOST_SECONDS) < MOST_SECONDS


def _tried(use, text: str) -> None:
    with contextlib.suppress(BadDockerfile):
        use(text)
