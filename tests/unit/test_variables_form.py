"""What the dashboard's form of variables sends, and how it follows what others change meanwhile."""

from typing import Any

import pytest

from tests import typescript
from tests.unit.test_dotenv import thousand_texts

BEGIN = """
import { parse } from './apps/dotenv'
import { asText, conceded, begun, difference, edited, followed, fromApp, fromText, merged, named, problem, saved, variable } from './apps/variables'
const stored = (envVars, ...secretKeys) => fromApp({ envVars, secretKeys })
const typed = (rows, name, change) => rows.map(entry => (entry.key === name ? { ...entry, ...change } : entry))
const without = (rows, name) => rows.filter(entry => entry.key !== name)
const plainly = rows => rows.map(({ key, value, secret }) => [key, value, secret])
"""


def made(expression: str, given: Any = None) -> Any:
    return typescript.call(f"{BEGIN} export default given => {expression}", given)


def test_text_that_is_not_edited_changes_nothing():
    texts = thousand_texts()
    changed = made(
        """given.filter(text => {
            const rows = stored({ A: text, AUTH_URL: text, KEY: '***' }, 'KEY')
            return JSON.stringify(plainly(fromText(parse(asText(rows)), rows))) !== JSON.stringify(plainly(rows))
        })""",
        texts,
    )
    assert changed == []


ROWS = "stored({ A: '1', B: '2', KEY: '***' }, 'KEY')"


@pytest.mark.parametrize(
    ("after", "sent"),
    [
        ("rows", {}),
        ("[...rows, variable('', '')]", {}),
        ("typed(rows, 'A', { value: '1\\n' })", {"set": {"A": "1\n"}}),
        ("[...rows, variable('C', '')]", {"set": {"C": ""}}),
        ("without(rows, 'A')", {"unset": ["A"]}),
        ("without(rows, 'KEY')", {"unset": ["KEY"]}),
        ("typed(rows, 'A', { key: 'C' })", {"set": {"C": "1"}, "unset": ["A"]}),
        ("typed(rows, 'A', { secret: true })", {"secret": ["A"]}),
        ("typed(rows, 'KEY', { value: 'new' })", {"set": {"KEY": "new"}}),
        ("typed(rows, 'KEY', { value: '***', secret: false })", {"set": {"KEY": "***"}, "plain": ["KEY"]}),
        ("[...rows, variable('__proto__', 'x', true)]", {"set": {"__proto__": "x"}, "secret": ["__proto__"]}),
    ],
)
def test_only_the_difference_is_sent(after, sent):
    nothing = {"set": {}, "unset": [], "secret": [], "plain": []}
    assert made(f"{{ const rows = {ROWS}; return difference(rows, {after}) }}") == nothing | sent


@pytest.mark.parametrize(
    ("mine", "theirs", "rows", "disputed"),
    [
        # What was not touched here follows.
        ("rows", "stored({ A: '9', C: '3' })", [["A", "9", False], ["C", "3", False]], []),
        ("typed(rows, 'A', { value: 'x' })", "stored({ A: '1', B: '9' })", [["A", "x", False], ["B", "9", False]], []),
        # What was typed stays, also a name that is not there yet.
        ("[...rows, variable('N', 'x')]", "stored({ B: '2' })", [["B", "2", False], ["N", "x", False]], []),
        ("without(rows, 'A')", "stored({ A: '1', B: '9' })", [["B", "9", False]], []),
        # What both have touched is for the person to decide.
        ("typed(rows, 'A', { value: 'x' })", "stored({ A: '9', B: '2' })", [["A", "x", False], ["B", "2", False]], ["A"]),
        ("typed(rows, 'A', { value: 'x' })", "stored({ B: '2' })", [["A", "x", False], ["B", "2", False]], ["A"]),
        ("without(rows, 'A')", "stored({ A: '9', B: '2' })", [["B", "2", False]], ["A"]),
        ("[...rows, variable('N', 'x')]", "stored({ A: '1', B: '2', N: 'y' })", [["A", "1", False], ["B", "2", False], ["N", "x", False]], ["N"]),
        ("typed(rows, 'A', { value: 'x' })", "stored({ A: 'x', B: '2' })", [["A", "x", False], ["B", "2", False]], []),
    ],
)  # fmt: skip
def test_a_form_follows_what_others_change(mine, theirs, rows, disputed):
    found = made(f"""{{
        const rows = stored({{ A: '1', B: '2' }}), now = {theirs}
        const form = followed({{ ...begun(rows), rows: {mine} }}, now)
        return {{ rows: plainly(form.rows), disputed: form.disputed, conceded: plainly(conceded(form).rows), now: plainly(now) }}
    }}""")
    assert (found["rows"], found["disputed"]) == (rows, disputed)
    if disputed:
        assert sorted(found["conceded"]) == sorted(found["now"])


def test_a_text_changes_only_what_was_edited_in_it():
    found = made("""{
        const begun = stored({ A: '1', B: '2', C: '3', KEY: '***' }, 'KEY')
        const now = stored({ A: '1', B: '9', C: '9', N: 'new', KEY: '***' }, 'KEY')
        const { rows, disputed } = edited(parse('A=x\\nB=2\\nC=y\\n'), begun, now)
        return { sent: difference(now, rows), disputed }
    }""")
    assert found == {
        "sent": {"set": {"A": "x", "C": "y"}, "unset": ["KEY"], "secret": [], "plain": []},
        "disputed": ["C"],
    }


def test_what_is_typed_while_it_is_saved_stays():
    assert made("""{
        const rows = stored({ A: '1', B: '2' })
        const sent = [...typed(rows, 'A', { value: 'sent' }), variable('KEY', 'k', true)]
        const form = saved({ ...begun(rows), rows: typed(sent, 'B', { value: 'later' }) }, sent, stored({ A: 'sent', B: '2', KEY: '***' }, 'KEY'))
        return [plainly(form.rows), difference(form.before, form.rows).set]
    }""") == [[["A", "sent", False], ["B", "later", False], ["KEY", None, True]], {"B": "later"}]


def test_what_is_pasted_replaces_its_names_and_is_marked():
    assert made("""plainly(merged(parse("A=9\\nAPI_KEY='x\\ny'\\nKEY=***\\nAUTH=z"), [...stored({ A: '1', AUTH: 'a', KEY: '***' }, 'KEY'), variable()]))""") == [
        ["A", "9", False], ["AUTH", "z", True], ["KEY", None, True], ["API_KEY", "x\ny", True],
    ]  # fmt: skip


def test_a_guess_by_the_name_is_taken_back_until_there_is_a_value():
    assert made("['AUTH', 'AUTHOR'].reduce(named, variable()).secret") is False
    assert made("named({ ...variable('TOKEN', 'x'), secret: true }, 'MODE').secret") is True
    assert made("named({ ...variable('A', ''), secret: true }, 'MODE').secret") is True


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("variable()", ""),
        ("variable('', 'x')", "Its name is missing"),
        ("variable('A-B', 'x')", "Letters, digits and _, at most 128"),
        ("variable('A', 'x')", "This name is there twice"),
        ("variable('C', 'x')", ""),
    ],
)
def test_what_is_wrong_with_a_row_is_said(row, wrong):
    assert made(f"{{ const rows = [...stored({{ A: '1' }}), {row}]; return problem(rows.at(-1), rows) }}") == wrong
