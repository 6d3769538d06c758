"""The same as `test_expressions`, without a measurement: an analysis that looks for repetitions that share letters.

It knows nothing of possessive repetitions and atomic groups, and is told that they are usual ones. What it then finds
in them is no fault, since nothing in there is tried twice: such an expression is left to the measurement.
"""

import re
import warnings

import pytest

with warnings.catch_warnings():
    # It asks Python for its parser under the name that this had before 3.11.
    warnings.simplefilter("ignore", DeprecationWarning)
    from regexploit.ast.sre import SreOpParser
    from regexploit.redos import find

from tests.unit.test_expressions import expressions


class Parser(SreOpParser):
    def from_POSSESSIVE_REPEAT(self, data):
        return self.from_MAX_REPEAT(data)

    def from_ATOMIC_GROUP(self, data):
        return self.sequence_or_singleton(data)


def found_in(pattern: str, flags: int = 0) -> list[str]:
    return [str(found) for found in find(Parser().parse_sre(pattern, flags))]


@pytest.mark.parametrize("expression", expressions(), ids=lambda found: f"{found.where} {found.method}")
def test_no_expression_tries_its_text_again_and_again(expression):
    found = found_in(expression.pattern, expression.flags)
    if found and re.search(r"[+*?}]\+|\(\?>", expression.pattern):
        pytest.skip("possessive: the analysis can't tell, test_expressions measures it")
    assert not found, f"{expression.where}: {expression.pattern!r} {found}"


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"x\s*\s*\s*$", r"(?:[a-z]+|[a-c]*)*!"])
def test_the_analysis_finds_them(pattern):
    assert found_in(pattern)


def groups_repeated_possessively(pattern: str, flags: int = 0) -> list[str]:
    found: list[str] = []
    single = {re._constants.LITERAL, re._constants.NOT_LITERAL, re._constants.IN, re._constants.ANY}

    def walk(parts):
        for operator, value in parts:
            if operator is re._constants.POSSESSIVE_REPEAT:
                body = list(value[2])
                if len(body) != 1 or body[0][0] not in {*single, re._constants.ATOMIC_GROUP}:
                    found.append(str(body))
            for inner in value if isinstance(value, tuple) else [value]:
                for each in inner if isinstance(inner, list) else [inner]:
                    if isinstance(each, re._parser.SubPattern):
                        walk(each)

    walk(re._parser.parse(pattern, flags))
    return found


@pytest.mark.parametrize("expression", expressions(), ids=lambda found: f"{found.where} {found.method}")
def test_what_is_repeated_possessively_is_atomic(expression):
    """Python before 3.11.5, as Debian 12 has it, goes on behind a part of a group that did not match as a whole
    (python/cpython#106052); an atomic group goes back to where it began."""
    found = groups_repeated_possessively(expression.pattern, expression.flags)
    assert not found, f"{expression.where}: (?>…) instead of (?:…) in {expression.pattern!r}: {found}"


@pytest.mark.parametrize("pattern", [r"(?:ab)*+", r"x(?:(?:a|bc)?+)", r"(ab)++", r"(?=(?:a\d)?+)", r"(?:a\d)?+|b"])
def test_others_are_found(pattern):
    assert groups_repeated_possessively(pattern)
    assert not groups_repeated_possessively(r"a*+[bc]++.?+\d{2,}+(?>ab|c\d)*+")
