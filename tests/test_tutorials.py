"""Every tutorial has the shape that readers and teachers count on."""
import json

import pytest

from brnpa_nb.editions import tutorial_files
from tests.tutorials import TRACKS, faults, headings, measure, minutes, widget_cells


@pytest.mark.parametrize("path", tutorial_files(), ids=lambda p: p.stem)
def test_shape(path): assert not (found := faults(path)), "\n".join(found)


def test_three_tracks():
    assert [int(p.name[:2]) for p in tutorial_files()] == list(range(1, TRACKS["Judge"][1] + 1))
    rows = [measure(p) for p in tutorial_files()]
    assert sum(r["exercises"] for r in rows) >= 40 and sum(r["widgets"] for r in rows) >= 8


def cell(kind, source): return {"cell_type": kind, "source": source, "outputs": []}


def test_the_measures():
    assert minutes([cell("markdown", "word " * 180 + "<details>\n" + "hidden " * 500 + "</details>"), cell("code", "x = 1\n# a remark\n" * 15)]) == pytest.approx(2)
    cells = [cell("code", "from brnpa_nb.views.explorer import explore\nimport ipywidgets as widgets"), cell("code", "view = explore(1)\nview"), cell("code", "widgets.VBox([])"), cell("code", "view.still(9)"), cell("code", "x = explore(2)"), cell("code", "x")]
    assert list(widget_cells(cells)) == [1, 2, 5]
    assert headings([cell("markdown", "# a\n\n```\n# no heading\n```\n\n## b")]) == [(1, "a"), (2, "b")]


def test_faults_are_found(tmp_path):
    path = tmp_path / "01_first_ranked_maps.ipynb"
    made = {"cells": [cell("markdown", "# A\n> b"), cell("markdown", "#### deep"), cell("code", "x = 1"), cell("code", "x")], "metadata": {}}
    made["cells"][3]["outputs"] = [{"data": {"image/png": ""}}]
    path.write_text(json.dumps(made))
    found = "\n".join(faults(path))
    for part in ("no line like", "badge", "a level is skipped", "last sections", "installs", "the picture of cell 3", "three to six exercises"): assert part in found
