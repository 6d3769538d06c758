"""A line that strangers can cause is written once in a second."""

import logging

from better_paas.kit.seldom import Seldom


def line(text: str, *values, name: str = "uvicorn.error", error: type | None = None) -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "", 0, text, values, (error, None, None) if error else None)


def test_each_kind_passes_once_in_a_second_and_the_next_says_how_many_did_not():
    now = [0.0]
    seldom = Seldom(lambda: now[0])
    passed = [seldom.filter(line("%s sent nonsense", number)) for number in range(1000)]
    assert passed == [True] + [False] * 999
    # Others are not held back by it.
    assert seldom.filter(line("a fault of ours"))
    assert seldom.filter(line("%s sent nonsense", 1, error=ValueError))
    now[0] = 1.0
    after = line("%s sent nonsense", "x")
    assert seldom.filter(after)
    assert after.getMessage() == "x sent nonsense (999 more of these)"
    now[0] = 3.0
    after = line("%s sent nonsense", "x")
    assert seldom.filter(after) and after.getMessage() == "x sent nonsense"


def test_kinds_without_end_fill_no_memory():
    seldom = Seldom(lambda: 0.0)
    for number in range(5000):
        seldom.filter(line(f"{number}"))
    assert len(seldom._kinds) <= 1000
