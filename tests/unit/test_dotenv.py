"""`.env` files, as the CLI and the dashboard read and write them."""

import json
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from better_paas.cli import dotenv
from better_paas.cli.dotenv import DotenvError
from tests import pace, typescript

CASES = json.loads((Path(__file__).parents[1] / "dotenv.json").read_text())
# A Map has no form in JSON; pairs keep the order and every name.
READ = """
import { format, parse } from './apps/dotenv'
const read = text => { const found = parse(text); return found instanceof Map ? { values: [...found] } : found }
"""


def read(text: str) -> dict:
    try:
        return {"values": [list(pair) for pair in dotenv.parse(text).items()]}
    except DotenvError as error:
        return {"error": error.fault, "line": error.line}


@cache
def read_by_the_dashboard() -> list[dict]:
    return typescript.call(f"{READ} export default texts => texts.map(read)", [case["text"] for case in CASES])


def wanted(case: dict) -> dict:
    if "values" in case:
        return {"values": [list(pair) for pair in case["values"].items()]}
    return {"error": case["error"], "line": case["line"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_cli_reads(case):
    assert read(case["text"]) == wanted(case)


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number]["case"])
def test_the_dashboard_reads(number):
    assert read_by_the_dashboard()[number] == wanted(CASES[number])


# Mostly what means something in the grammar.
TEXTS = some.text(some.characters(exclude_characters="\0", codec="utf-8"), max_size=40) | some.text(
    " \t\r\n'\"\\#$=*nrt\u2028\ufeffab", max_size=40
)
NAMES = some.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,127}", fullmatch=True)


def thousand_texts() -> list[str]:
    """In one go: starting Node takes longer than looking at them all."""
    texts: list[str] = []

    @settings(max_examples=1000)
    @given(TEXTS)
    def collect(text):
        texts.append(text)

    collect()
    return texts


@given(some.dictionaries(NAMES, TEXTS, max_size=4))
def test_what_is_written_is_read_again(variables):
    assert dotenv.parse(dotenv.format(variables)) == variables


def test_both_write_and_read_alike():
    program = """export default texts => texts.map(text => {
        const written = format([['A', text], ['B', '']])
        return [written, read(written), read('A=' + text)]
    })"""
    texts = thousand_texts()
    for text, (written, again, raw) in zip(texts, typescript.call(READ + program, texts), strict=True):
        assert written == dotenv.format({"A": text, "B": ""})
        assert again == {"values": [["A", text], ["B", ""]]}
        assert raw == read(f"A={text}")


def test_text_that_is_not_edited_changes_nothing_in_the_dashboard():
    program = """
    import { asText, fromApp, fromText } from './apps/variables'
    const plainly = rows => JSON.stringify(rows.map(({ key, value, secret }) => [key, value, secret]))
    export default texts => texts.filter(text => {
        const rows = fromApp({ envVars: { A: text, AUTH_URL: text, KEY: '***' }, secretKeys: ['KEY'] })
        return plainly(fromText(parse(asText(rows)), rows)) !== plainly(rows)
    })"""
    assert typescript.call(READ + program, thousand_texts()) == []


LONG = ["#", " ", "\t\n", "A=", "'", '"\\', "A='x'\n", "'x''", '"\\n"', "A= #\n", "export ", "\n# x", "\\'"]


@pytest.mark.parametrize("piece", LONG)
def test_no_text_takes_long(piece):
    assert pace.seconds(partial(read, "A=" + piece * (1_000_000 // len(piece))), 1) < 1


def test_no_text_takes_long_in_the_dashboard():
    # Of the processor, the best of some: what else the machine does is no fault of the grammar.
    program = """export default pieces => pieces.map(piece => {
        const text = 'A=' + piece.repeat(1_000_000 / piece.length)
        return Math.min(...[1, 2, 3, 4, 5].map(() => {
            const begin = process.cpuUsage()
            parse(text)
            return process.cpuUsage(begin).user / 1e6
        }))
    })"""
    assert max(typescript.call(READ + program, LONG)) < 1
