"""Every notebook of the library and every tutorial runs from top to bottom, each in a process of its own; a tutorial in both its editions at once."""
import ast
import copy
import json
import sys
import tempfile
from pathlib import Path

import pytest

from brnpa_nb.editions import exercises_of, read_notebook, student
from tests.build import ROOT, notebooks
from tests.warm import in_a_process


def run(path):
    from nbdev.test import test_nb
    if path.parent.name == "tutorials":
        with tempfile.TemporaryDirectory() as tmp:
            both = Path(tmp, path.name)
            both.write_text(json.dumps(both_editions(read_notebook(path))), encoding="utf-8")
            sys.exit(not test_nb(both, do_print=False)[0])
    sys.exit(not test_nb(path, skip_flags={"slow", "gpu"}, do_print=False)[0])       # as nbdev_test, which reads them from settings.ini


def both_editions(notebook):
    """A notebook that runs every cell of the instructor's edition and every cell of the student's: at each exercise the solution and its check, then the stub and the same check.

    What comes after meets the stub, as it does in the student's edition."""
    made, stubs = copy.deepcopy(notebook), student(notebook)["cells"]
    for e in reversed(exercises_of(notebook)):
        solved, asked = made["cells"][e.task + 1:e.task + 3]
        name = "".join(asked["source"]).split(",")[0].removeprefix("check(")
        must = [{"cell_type": "code", "id": f"{which}-{e.task}", "metadata": {}, "outputs": [], "execution_count": None, "source": f"assert check({name}, {_function(e.solved)}).solved is {which}"} for which in (True, None)]
        made["cells"][e.task + 1:e.task + 3] = [solved, asked, must[0], *({**c, "id": f"stub-{c['id']}"} for c in stubs[e.task + 1:e.task + 3]), must[1]]
    return made


def _function(solved):
    return ast.parse(solved).body[-1].name


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(ROOT)))
def test_runs(path):
    done = in_a_process(run, path, folder=path.parent)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"


def test_both_editions_run_every_cell():
    path = next(p for p in notebooks() if p.parent.name == "tutorials" and exercises_of(read_notebook(p)))
    source = read_notebook(path)
    run_ = {"".join(c["source"]) for c in both_editions(source)["cells"]}
    for edition in (source, student(source)):
        assert {"".join(c["source"]) for c in edition["cells"] if c["cell_type"] == "code"} <= run_
