"""What the fuzzer began with, and what it found: everything is read well, and quickly."""

import pytest

from tests.fuzz.run import CORPUS, reader, timed
from tests.fuzz.targets import LONGEST, TARGETS

INPUTS = sorted(path for name in TARGETS for path in (CORPUS / name).iterdir())


@pytest.mark.parametrize("file", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_is_read(file):
    timed(reader(file.parent.name), file.read_bytes())


def test_each_reader_has_inputs_and_they_stay_small():
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    assert sum(path.stat().st_size for path in INPUTS) < 2**20
    assert all(path.stat().st_size <= LONGEST for path in INPUTS)
