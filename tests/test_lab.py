"""Tutorials, student's edition, in JupyterLab in a real browser: all cells run without an error, every widget answers when it is moved.

One of each track here; `python -m tests.lab` visits all of them (tests/test_notebooks.py runs every cell of both editions without a browser)."""
import json

import pytest

from brnpa_nb.editions import edition
from tests.lab import faults, opened_lab, visit


def notebook(*cells):
    code = [{"cell_type": "code", "id": f"c{i}", "source": c, "metadata": {}, "outputs": [], "execution_count": None} for i, c in enumerate(cells)]
    return json.dumps({"cells": code, "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}, "nbformat": 4, "nbformat_minor": 5}).encode()


BROKEN = {"raises.ipynb": notebook("x = 1", "x.nothing"),
          "dead.ipynb": notebook("import ipywidgets as w\nw.VBox([w.IntSlider(), w.HTML('<img alt=\"\" src=\"data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==\">')])")}


@pytest.fixture(scope="module")
def opened():
    with opened_lab(dict(edition("student")) | BROKEN) as open_: yield open_


@pytest.mark.parametrize("name", [n for n, _ in edition("student") if n[:2] in ("01", "04", "12")])
def test_runs_and_moves(opened, name):
    found = visit(opened, name)
    assert not found["faults"] and found["run"] == found["cells"] > 10, found


@pytest.mark.parametrize(("name", "part"), [("raises.ipynb", "AttributeError"), ("dead.ipynb", "nothing that widget 1 shows changes")])
def test_a_fault_is_seen(opened, name, part):
    assert part in "; ".join(visit(opened, name)["faults"])


def test_a_fault_is_named():
    fine = {"errors": [], "words": [], "cells": 3, "run": 3, "views": 1}
    shaken = {"widgets": 1, "still": []}
    assert not faults(fine, shaken)
    assert "1 cells were not run" in faults(fine | {"run": 2}, shaken)[0] and "1 widgets among" in faults(fine, shaken | {"widgets": 0})[0] and "standard error" in faults(fine | {"words": ["x"]}, shaken)[0]
