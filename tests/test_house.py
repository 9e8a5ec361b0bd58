"""The rules of the house that a program can check."""
import ast
import json
import re
import statistics
import subprocess
import sys
import time

import nbformat
import pytest

from tests.build import ROOT, WIDGET_TYPES, notebooks

MODULES = sorted(p for p in (ROOT / "brnpa_nb").rglob("*.py") if p.name not in ("__init__.py", "_modidx.py"))
by_name = {"ids": lambda p: str(p.relative_to(ROOT))}


@pytest.mark.parametrize("path", notebooks(), **by_name)
def test_notebook_is_clean(path):
    text = path.read_text(encoding="utf-8")
    nb = nbformat.reads(text, as_version=4)
    nbformat.validate(nb)
    assert path.stat().st_size <= 300_000, f"{path.stat().st_size // 1000} kB: shrink the pictures"
    assert "widgets" not in nb.metadata and not any(t in text for t in WIDGET_TYPES), "widget state: put a still picture there"
    assert not re.search(r"^\s*\"?(<{7}|>{7}) ", text, re.M), "a conflict marker"
    assert len({c.id for c in nb.cells}) == len(nb.cells), "cell ids repeat"
    code = [c for c in nb.cells if c.cell_type == "code" and c.source.strip()]
    assert not [o for c in code for o in c.outputs if o.output_type == "error"], "an error is among the outputs"
    assert statistics.median(len(c.source.strip().splitlines()) for c in code) <= 7, "long cells: one idea a cell"
    images = [o for c in code for o in c.outputs if "image/png" in o.get("data", {}) or "image/jpeg" in o.get("data", {})]
    assert not images or re.search(r"what to see", text, re.I), "say beneath a picture what is to be seen"


@pytest.mark.parametrize("path", MODULES, **by_name)
def test_module_comes_from_a_notebook(path):
    text = path.read_text(encoding="utf-8")
    source = re.search(r"File to edit: (\S+\.ipynb)", text)
    assert source and (path.parent / source[1]).resolve().is_file(), "its notebook is gone: delete the module"
    assert len(text.splitlines()) <= 460, "a room too long: make it two"


def _public(path):
    "(owner, function) for every public function and method of a module."
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"): yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"): yield node.name, node


@pytest.mark.parametrize("path", MODULES, **by_name)
def test_public_things_are_documented_and_typed(path):
    for name, node in _public(path):
        assert ast.get_docstring(node), f"{name} has no docstring"
        if isinstance(node, ast.FunctionDef):
            untyped = [a.arg for a in [*node.args.args, *node.args.kwonlyargs] if a.annotation is None]
            assert not untyped and node.returns is not None, f"{name}: no type for {untyped or 'its result'}"
            assert node.end_lineno - node.lineno <= 60, f"{name} does not fit a screen"


@pytest.mark.parametrize("path", MODULES, **by_name)
def test_nothing_is_unpickled_or_evaluated(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "torch.load", "torch.save", "pickle.load", "pickle.loads", "np.load"), f"{called} in line {node.lineno}"


def test_imports_go_upwards_only():
    "A module imports only from rooms that come before it in the reading order of nbs/index.ipynb."
    text = "".join("".join(c["source"]) for c in json.loads((ROOT / "nbs/index.ipynb").read_text(encoding="utf-8"))["cells"])
    order = re.findall(r"^\| `([a-z_.]+)` \|", text, re.M)
    rank = {name: i for i, name in enumerate(order)}
    for path in MODULES:
        name = ".".join(path.relative_to(ROOT / "brnpa_nb").with_suffix("").parts)
        assert name in rank, f"{name} is missing from the table of rooms in nbs/index.ipynb"
        package = ("brnpa_nb." + name).split(".")[:-1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.level: continue
            target = ".".join(package[:len(package) - node.level + 1][1:] + ([node.module] if node.module else []))
            if target: assert rank[target] < rank[name], f"{name} imports {target}, which comes after it"


def test_import_is_cheap():
    "At most 0.3 s on top of torch (medians of five, one after the other), and nothing heavy comes along."
    def seconds(code):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
        return time.perf_counter() - start
    pairs = [(seconds("import torch"), seconds("import torch, brnpa_nb, brnpa_nb.models, brnpa_nb.ranking")) for _ in range(5)]
    assert statistics.median(b - a for a, b in pairs) <= 0.3
    heavy = "timm torchvision matplotlib accelerate ipywidgets captum IPython fastcore nbdev scipy".split()
    code = f"import brnpa_nb, brnpa_nb.models, brnpa_nb.ranking, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip() == "[]"


def test_no_path_of_a_machine_is_committed():
    found = subprocess.run(["git", "grep", "-nIE", "/(home|root|tmp|Users)/[a-z0-9_-]+/", "--", ".", ":!LICENSE", ":!tests/test_house.py"], cwd=ROOT, capture_output=True, text=True).stdout
    assert not found, found


def test_readme_is_written_from_the_index():
    from tests.build import readme
    assert (ROOT / "README.md").read_text(encoding="utf-8") == readme(ROOT / "nbs/index.ipynb")
