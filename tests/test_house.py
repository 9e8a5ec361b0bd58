"""The rules of the house that a program can check."""
import ast
import functools
import json
import re
import statistics
import subprocess
import sys

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
    for i, cell in enumerate(nb.cells):
        if cell.cell_type == "code" and any(k in o.get("data", {}) for o in cell.outputs for k in ("image/png", "image/jpeg")):
            near = [c for c in [*nb.cells[max(0, i - 2):i], *nb.cells[i + 1:i + 2]] if c.cell_type == "markdown"]
            assert near, f"cell {i} shows a picture that no word beside it explains"


def _outer(node):
    "The call that gives the value of an expression, and for display(…) also those that give its arguments."
    if isinstance(node, ast.Tuple): return [c for n in node.elts for c in _outer(n)]
    if not isinstance(node, ast.Call) or _name(node).endswith(".save"): return []
    more = node.args if _name(node) == "display" else [node.func.value] if isinstance(node.func, ast.Attribute) else []     # and in a chain of calls every link
    return [node, *(c for a in more for c in _outer(a))]


def _name(call): return ast.unparse(call.func)


def _shown(statements):
    "Calls whose value a cell shows or that stand alone, outside definitions and branches."
    for s in statements:
        if isinstance(s, ast.Expr): yield from _outer(s.value)
        if isinstance(s, ast.For | ast.With): yield from _shown(s.body)


def _run(statements):
    "Every call that a cell makes when it runs: all but those in definitions and branches."
    for s in statements:
        if isinstance(s, ast.For | ast.With): yield from _run(s.body)
        elif not isinstance(s, ast.FunctionDef | ast.ClassDef | ast.If | ast.Try): yield from (n for n in ast.walk(s) if isinstance(n, ast.Call))


@functools.cache
def _returning_pictures():
    "Names of the package's functions that give a figure or a picture."
    return {node.name for p in MODULES for node in ast.parse(p.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns).strip("'\"") in ("Figure", "Image.Image", "Image")}


def missing_pictures(cells):
    "Places of the code cells that draw when they run and have no picture among their outputs."
    drawing, new = _returning_pictures() | {"Image", "JPEG", "SVG", "Image.open", "Image.fromarray"}, {"plt.subplots", "plt.figure", "plt.imshow", "plt.plot", "plt.show", "plt.subplot_mosaic"}
    for i, cell in enumerate(cells):
        source = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell["source"], flags=re.M)
        if cell["cell_type"] != "code" or re.match(r"#\|\s*export", source): continue
        tree = ast.parse(source)
        for f in (n for n in tree.body if isinstance(n, ast.FunctionDef)):         # a helper that draws, itself or through another
            inside = {_name(n) for n in ast.walk(f) if isinstance(n, ast.Call)}
            if new & inside or "display" in inside and drawing & inside or any(_name(c) in drawing for r in ast.walk(f) if isinstance(r, ast.Return) and r.value for c in _outer(r.value)): drawing.add(f.name)
        made, alone = {_name(c) for c in _run(tree.body)}, {_name(c) for c in _shown(tree.body)}
        told = [k for o in cell["outputs"] for k in o.get("data", {})]
        drawn = any(k.startswith("image/") for k in told) or any("<img" in "".join(o.get("data", {}).get("text/html", "")) for o in cell["outputs"])
        unseen = any(re.match(r"<(Figure|PIL\.|IPython\.core\.display\.(Image|SVG))", "".join(o.get("data", {}).get("text/plain", ""))) for o in cell["outputs"])
        if not drawn and "plt.close" not in made and (unseen or new & made or drawing & alone): yield i


@pytest.mark.parametrize("path", notebooks(), **by_name)
def test_cells_that_draw_show_their_picture(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not (bare := list(missing_pictures(cells))), f"cells {bare} draw, but no picture is among their outputs: build the notebook without MPLBACKEND"


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
    "At most 0.3 s of processor time on top of torch (the least of five), and nothing heavy comes along."
    code = "import torch, time; t = time.process_time(); import brnpa_nb, brnpa_nb.models, brnpa_nb.ranking; print(time.process_time() - t)"
    assert min(float(subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True).stdout) for _ in range(5)) <= 0.3
    heavy = "timm torchvision matplotlib accelerate ipywidgets captum IPython fastcore nbdev scipy".split()
    code = f"import brnpa_nb, brnpa_nb.models, brnpa_nb.ranking, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip() == "[]"


def test_no_path_of_a_machine_is_committed():
    found = subprocess.run(["git", "grep", "-nIE", "/(home|root|tmp|Users)/[A-Za-z0-9._-]+/", "--", ".", ":!LICENSE", ":!tests/test_house.py"], cwd=ROOT, capture_output=True, text=True).stdout
    assert not found, found


def test_readme_is_written_from_the_index():
    from tests.build import readme
    assert (ROOT / "README.md").read_text(encoding="utf-8") == readme(ROOT / "nbs/index.ipynb")
