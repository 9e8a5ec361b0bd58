"""Every notebook of the library and every tutorial runs from top to bottom, each in a process of its own."""
import sys

import pytest

from tests.build import ROOT, notebooks
from tests.warm import in_a_process


def run(path):
    from nbdev.test import test_nb
    sys.exit(not test_nb(path, do_print=False)[0])


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(ROOT)))
def test_runs(path):
    done = in_a_process(run, path, folder=path.parent)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
