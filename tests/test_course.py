"""Every exercise: its solution passes, its stub is "not solved yet", and typical wrong answers are told what is wrong with them."""
import ast
import math

import nbformat
import pytest
import torch

from brnpa_nb.course import ROOMS, check, numbers
from brnpa_nb.editions import edition, exercises_of, read_notebook, stub, tutorial_files
from tests.wrong_answers import WRONG

TUTORIALS = {path: read_notebook(path) for path in tutorial_files()}
EXERCISES = [pytest.param(path, e, id=e.number) for path, nb in TUTORIALS.items() for e in exercises_of(nb)]


def _only_imports(source):
    tree = ast.parse(source)
    return all(isinstance(n, ast.Import | ast.ImportFrom) for n in tree.body) and tree.body


def defined_by(path, source):
    "The function that a solved cell or a stub defines, with nothing but the notebook's imports."
    names: dict = {}
    for cell in TUTORIALS[path]["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code" and not text.startswith(("%", "!")) and _only_imports(text): exec(text, names)
    before = set(names)
    exec(source, names)
    functions = [n for n in names if n not in before and callable(names[n])]
    return names[functions[-1]]


@pytest.mark.parametrize(("path", "e"), EXERCISES)
def test_solution_passes(path, e):
    state = torch.get_rng_state()
    verdict = check(e.number, defined_by(path, e.solved))
    assert verdict.solved is True, verdict
    assert len(verdict.message) > 15 and "\n" not in verdict.message, "one sentence that says what is known now"
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(("path", "e"), EXERCISES)
def test_stub_is_not_solved(path, e):
    text = stub(e.solved)
    function = ast.parse(text).body[-1]
    assert isinstance(function, ast.FunctionDef) and ast.get_docstring(function), "a stub is a function with a docstring"
    assert function.returns is not None and all(a.annotation is not None for a in function.args.args), "a stub has types"
    verdict = check(e.number, defined_by(path, text))
    assert verdict.solved is None and function.name in verdict.message, verdict


@pytest.mark.parametrize("number", numbers())
def test_wrong_answers_are_told_why(number):
    answers = WRONG[number]
    assert len(answers) >= 2, "at least two typical mistakes"
    told = []
    for answer, part in answers:
        verdict = check(number, answer)
        assert verdict.solved is False, f"{part!r}: {verdict}"
        assert part.lower() in verdict.message.lower(), verdict
        assert "\n" not in verdict.message and 20 < len(verdict.message) < 400, verdict
        told.append(verdict.message)
    assert len(set(told)) > 1, "different mistakes are told the same"
    assert check(number, lambda *_, **__: None).solved is False        # forgot to return
    assert check(number, 3).solved is False                             # no function at all


def test_every_exercise_has_a_check_and_every_check_an_exercise():
    written = [e.number for nb in TUTORIALS.values() for e in exercises_of(nb)]
    assert written == sorted(written, key=lambda n: tuple(map(int, n.split(".")))) == numbers() and len(written) == len(set(written))
    assert set(WRONG) == set(written)
    assert sorted(t for tutorials in ROOMS.values() for t in tutorials) == [int(p.name[:2]) for p in TUTORIALS]


def test_there_are_forty():
    assert len(EXERCISES) >= 40


@pytest.mark.parametrize("kind", ["student", "reader", "instructor"])
def test_editions_are_valid_notebooks(kind):
    for name, content in edition(kind):
        nb = nbformat.reads(content.decode(), as_version=4)
        nbformat.validate(nb)
        text = content.decode()
        if kind != "instructor": assert "BEGIN SOLUTION" not in text
        marked = [c.metadata["nbgrader"] for c in nb.cells if "nbgrader" in c.metadata]
        n = len(exercises_of(TUTORIALS[next(p for p in TUTORIALS if p.name == name)]))
        assert len(marked) == (2 * n if kind == "instructor" else 0)
        assert len({m["grade_id"] for m in marked}) == len(marked) and math.isfinite(sum(m.get("points", 0) for m in marked))
