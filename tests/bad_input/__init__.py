"""The catalogue of bad input: what one row is, and how it must hold.

A row lays something bad into an empty folder, hands it to a door of the package, and says what must come of it: one sentence that names the
trouble, or the right result. `first` tells what happened when the row was first tried, so that the catalogue is also the list of what was mended.
"""
import contextlib
import io
import shlex
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from brnpa_nb.cli import main

SENTENCE = (ValueError, TypeError, OSError, ImportError, NotImplementedError)     # anything else was not foreseen
First = Literal["right", "wrong", "silent", "cryptic", "crash"]                  # a wrong answer; a wrong answer or loss that nobody is told of; an error nobody understands; the process died or hung


@dataclass(frozen=True)
class Row:
    "One bad thing, one door, and what must come of it."
    family: str                                        # photographs, tensors, models, arguments, labels, folders, checkpoints
    name: str                                          # the trouble, in words; unique within its family
    do: Callable[[Path], Any]                          # lays the trouble into an empty folder, goes through a door, gives the result
    says: str = ""                                     # a part of the one sentence; empty where the right result is wanted
    check: Callable[[Any], object] | None = None       # asserts that the result is right; needed where `says` is empty
    keeps: tuple[str, ...] = ()                        # names in the folder `out` that may stay after an error
    warns: str = ""                                    # a part of a warning that must be given
    first: First = "right"                             # what happened when it was first tried

    def __str__(self): return f"{self.family}: {self.name}"


class Said(Exception):
    "The command ended with a status other than 0: what it wrote to standard error."


def brnpa(*arguments: object) -> str:
    "Run the command in this process: its standard output; `Said` with its last line where it refused, an AssertionError where a traceback got out."
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try: status = main([str(a) for a in arguments])
        except SystemExit as exit: status = exit.code                            # argparse
    assert "Traceback" not in errors.getvalue(), errors.getvalue()
    if status:
        lines = errors.getvalue().strip().splitlines()
        assert lines and lines[-1].startswith("brnpa"), f"`brnpa {shlex.join(map(str, arguments))}` ended with {status} and did not say why: {lines}"
        raise Said(lines[-1])
    return out.getvalue()


def hold(row: Row, folder: Path) -> None:
    "Assert that a row holds."
    assert row.says or row.check, f"{row} wants neither an error nor a result"
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try: result, error = row.do(folder), None
        except (*SENTENCE, Said) as refusal: result, error = None, refusal
    if row.warns: assert any(row.warns in str(w.message) for w in given), f"no warning says {row.warns!r}: {[str(w.message) for w in given]}"
    if row.says:
        assert error is not None, f"{row}: nothing was refused; the result was {result!r:.300}"
        said = str(error)
        assert row.says in said, f"{row}: {said!r} does not say {row.says!r}"
        assert "\n" not in said.strip() and 10 <= len(said) <= 500, f"{row}: not one sentence: {said!r}"
        left = sorted(p.name for p in (folder / "out").iterdir()) if (folder / "out").is_dir() else ["out"] if (folder / "out").exists() else []
        assert set(left) <= set(row.keeps), f"{row}: half-written: {left}"
    else:
        if error is not None: raise AssertionError(f"{row}: refused: {error}") from error
        row.check(result)
