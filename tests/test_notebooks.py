"""Every notebook of the library and every tutorial runs from top to bottom, each in a process of its own."""
import os
import subprocess
import sys

import pytest

from tests.build import ROOT, notebooks


@pytest.mark.parametrize("path", notebooks(), ids=lambda p: str(p.relative_to(ROOT)))
def test_runs(path):
    code = "import sys; from pathlib import Path; from nbdev.test import test_nb; sys.exit(not test_nb(Path(sys.argv[1]), do_print=False)[0])"
    env = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "TQDM_DISABLE": "1"}
    done = subprocess.run([sys.executable, "-c", code, path], cwd=path.parent, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
