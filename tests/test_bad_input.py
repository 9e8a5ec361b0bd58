"""Bad input: each row of the catalogue gives one sentence or the right result, and leaves nothing half-written."""
import importlib
from collections import Counter

import pytest

from tests.bad_input import hold

FAMILIES = ("photographs", "tensors", "models", "arguments", "labels", "folders", "checkpoints")
ROWS = [row for family in FAMILIES for row in importlib.import_module(f"tests.bad_input.{family}").ROWS]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_holds(row, tmp_path): hold(row, tmp_path)


def test_the_catalogue_is_whole():
    assert len(ROWS) >= 80
    assert {r.family for r in ROWS} == set(FAMILIES)
    assert max(Counter(map(str, ROWS)).values()) == 1, "two rows of one name"
