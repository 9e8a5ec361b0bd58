"""Where real photographs and weights are, if they are at all: never part of the repository, never needed by it."""
import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("BRNPA_DATA", Path(__file__).resolve().parents[2] / "shared/data"))


def needs(*parts: str):
    "A mark that skips, saying why, where a file or folder of the real data is absent."
    return pytest.mark.skipif(not (DATA / Path(*parts)).exists(), reason=f"no {Path(*parts)} beside the repository (set BRNPA_DATA)")
