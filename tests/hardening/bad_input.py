"""Every row of the catalogue of bad input, each in a fresh folder: how many hold, by family, and what each was when it was first tried."""
import importlib
import tempfile
from collections import Counter
from pathlib import Path

from tests.bad_input import Row, hold
from tests.hardening import Count

FAMILIES = ("photographs", "folders", "labels", "tensors", "models", "arguments", "checkpoints")


def rows(family: str) -> list[Row]: return importlib.import_module(f"tests.bad_input.{family}").ROWS


def held(row: Row) -> str:
    "What is wrong with a row; nothing where it holds."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try: hold(row, Path(folder))
        except (KeyboardInterrupt, SystemExit): raise
        except BaseException as error: return f"{row}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""


def run() -> dict[str, Count]:
    "Counts by family; one more says how many rows were not right when first tried, and holds where they are now."
    counts: dict[str, Count] = {}
    mended: dict[str, Count] = {}
    for family in FAMILIES:
        for row in rows(family):
            said = held(row)
            counts.setdefault(f"rows on {family}", Count()).add(not said, said)
            if row.first != "right": mended.setdefault(f"rows that were {row.first} when first tried", Count()).add(not said, said)
    return counts | dict(sorted(mended.items()))


def first_tried() -> dict[str, Counter]:
    "Family → what happened when its rows were first tried → how many."
    return {family: Counter(row.first for row in rows(family)) for family in FAMILIES}
