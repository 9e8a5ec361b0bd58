"""What a tutorial must be, and what each one is: words, code, minutes, running time, exercises.

    python -m tests.tutorials             run every tutorial in a fresh kernel, and print the table
    python -m tests.tutorials --static    without running them
    python -m tests.tutorials --json      the same as JSON
    python -m tests.tutorials NOTEBOOK …  these only; exit 1 when one of them has a fault
"""
import argparse
import ast
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brnpa_nb.editions import BEGIN, exercises_of, read_notebook, tutorial_files
from tests.build import ROOT

TRACKS = {"Look": (1, 3), "Understand": (4, 7), "Judge": (8, 13)}
WORDS, LINES = 180, 15                     # a minute's reading: words of prose, or lines of code
READING, RUNNING, SIZE = 30, 180, 300_000  # minutes, seconds on two cores, bytes
INSTALL = """import importlib.util, subprocess, sys
if importlib.util.find_spec("brnpa_nb") is None: subprocess.run([sys.executable, "-m", "pip", "install", "-q", "git+https://github.com/brnpa-nb/brnpa_nb"], check=True)   # on Colab, say"""
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/brnpa-nb/brnpa_nb/blob/main/tutorials/{name})"
FACTS = re.compile(r"^\*\*Track\*\* (\w+) · tutorial (\d+) of (\d+) · \*\*Reading\*\* (\d+) minutes · \*\*Running\*\* (.+)$", re.M)
LAST = ["Summary", "Exercises", "Where next"]
SHOWING = {"explore", "explore_store", "compare"}        # functions of brnpa_nb.views whose result is a widget


def text(cell: dict[str, Any]) -> str: return "".join(cell["source"])


def prose(source: str) -> str:
    "Markdown as it is read: no folded text, no fenced code, no addresses."
    for pattern in (r"<details>.*?</details>", r"```.*?```", r"\]\([^)]*\)", r"!\[[^\]]*\]", r"<[^>]+>"): source = re.sub(pattern, " ", source, flags=re.S)
    return source


def words(source: str) -> int: return len(re.findall(r"[A-Za-z0-9À-ž][\w’'.\-×]*", prose(source)))


def code_lines(source: str) -> int: return len([line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")])


def _call(node: ast.AST) -> str: return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def widget_cells(cells: list[dict[str, Any]]) -> Iterator[int]:
    "Places of the cells whose value is a widget, as far as the source tells."
    ours: set[str] = set()
    held: set[str] = set()
    def is_widget(value: ast.AST) -> bool: return _call(value) in ours or bool(re.match(r"(ipywidgets|widgets)\.(VBox|HBox|interact|interactive|Stack|Tab)$", _call(value)))
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "code": continue
        tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", text(cell), flags=re.M))
        for n in ast.walk(tree):
            if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("brnpa_nb.views"): ours |= {a.asname or a.name for a in n.names if a.name in SHOWING}
        for n in tree.body:
            if isinstance(n, ast.Assign) and is_widget(n.value): held |= {ast.unparse(t) for t in n.targets}
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr) and (is_widget(last.value) or ast.unparse(last.value) in held): yield i


def pictures(cells: list[dict[str, Any]]) -> list[int]:
    "Places of the cells with a picture among their outputs."
    return [i for i, c in enumerate(cells) if c["cell_type"] == "code" and any(k.startswith("image/") for o in c["outputs"] for k in o.get("data", {})) or c["cell_type"] == "code" and "<img" in json.dumps(c["outputs"])]


def faults(path: Path) -> list[str]:
    "What is wrong with the shape of a tutorial; nothing, if all is well."
    nb = read_notebook(path)
    cells = nb["cells"]
    return [*_head(path, cells), *_headings(cells), *_seeing(cells), *_exercises(path, nb), *_limits(path, cells)]


def _head(path: Path, cells: list[dict[str, Any]]) -> Iterator[str]:
    first, number = text(cells[0]), int(path.name[:2])
    facts = FACTS.search(first)
    if not re.match(r"# .+\n> .+", first): yield "it begins with '# Title' and '> one sentence'"
    if not facts: yield "no line like '**Track** Look · tutorial 1 of 13 · **Reading** 15 minutes · **Running** under a minute (…)'"
    else:
        first_, last = TRACKS.get(facts[1], (0, 0))
        if not first_ <= number <= last or int(facts[2]) != number or int(facts[3]) != len(tutorial_files()): yield f"track, number or count is wrong: {facts[0]}"
        if abs(int(facts[4]) - (need := minutes(cells))) > max(4, .3 * need): yield f"it says {facts[4]} minutes of reading; {need:.0f} are needed"
    if BADGE.format(name=path.name) not in first: yield "no Colab badge with its own address"
    order = [first.find(t) for t in ("**Track**", "colab-badge", "**You will be able to**\n\n- ", "**You need** ")]
    if -1 in order or order != sorted(order): yield "after the title: Track, badge, **You will be able to** with a list, **You need**, in this order"
    if not 3 <= len(re.findall(r"^- ", first, re.M)) <= 6: yield "three to six objectives"
    if text(cells[1]).strip() != "## Set up" and not text(cells[1]).startswith("## Set up\n"): yield "the second cell is '## Set up'"
    if text(cells[2]) != INSTALL: yield "the third cell installs where the package is missing, in the agreed words"
    if cells[3]["cell_type"] != "code" or not all(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.parse(text(cells[3])).body): yield "the fourth cell holds the imports, and nothing else"


def headings(cells: list[dict[str, Any]]) -> list[tuple[int, str]]:
    "(level, title) of every heading."
    return [(len(m[1]), m[2].strip()) for c in cells if c["cell_type"] == "markdown" for m in re.finditer(r"^(#{1,6}) (.+)$", re.sub(r"```.*?```", "", text(c), flags=re.S), re.M)]


def _headings(cells: list[dict[str, Any]]) -> Iterator[str]:
    found = headings(cells)
    if [level for level, _ in found].count(1) != 1: yield "one title, no more"
    for (a, _), (b, title) in zip(found, found[1:]):
        if b > a + 1: yield f"a level is skipped before {title!r}"
    if [title for level, title in found if level == 2][-3:] != LAST: yield f"its last sections are {LAST}"


def _seeing(cells: list[dict[str, Any]]) -> Iterator[str]:
    def told(part: list[dict[str, Any]], word: str) -> bool: return any(c["cell_type"] == "markdown" and word in text(c) for c in part)
    for i in widget_cells(cells):
        if not told(cells[max(0, i - 5):i], "**Predict:**"): yield f"cell {i} shows a widget without a **Predict:** before it"
        if not told(cells[i + 1:i + 6], "*What to see:"): yield f"no *What to see:* after the widget of cell {i}"
    for i in pictures(cells):
        if not told(cells[i + 1:i + 3], "*What to see:"): yield f"the picture of cell {i} is not followed by *What to see: …*"


def _exercises(path: Path, nb: dict[str, Any]) -> Iterator[str]:
    try: found = exercises_of(nb)
    except ValueError as error: yield str(error); return
    if not 3 <= len(found) <= 6: yield f"three to six exercises, found {len(found)}"
    if [e.number for e in found] != [f"{int(path.name[:2])}.{k}" for k in range(1, len(found) + 1)]: yield f"exercises are numbered {[e.number for e in found]}"
    if any(e.difficulty not in (1, 2, 3) for e in found): yield "a difficulty has one to three dots"


def minutes(cells: list[dict[str, Any]]) -> float:
    "Reading time: prose that is not folded, and code but for solutions."
    return sum(words(text(c)) / WORDS if c["cell_type"] == "markdown" else code_lines(text(c)) / LINES for c in cells if BEGIN not in text(c))


def _limits(path: Path, cells: list[dict[str, Any]]) -> Iterator[str]:
    lengths = [code_lines(text(c)) for c in cells if c["cell_type"] == "code" and text(c).strip()]
    if (need := minutes(cells)) > READING: yield f"{need:.0f} minutes of reading; {READING} are the limit"
    if statistics.median(lengths) > 6: yield f"the median cell has {statistics.median(lengths):g} lines; 6 are the limit"
    if max(lengths) > 25: yield f"a cell of {max(lengths)} lines"
    if path.stat().st_size > SIZE: yield f"{path.stat().st_size // 1000} kB"


def measure(path: Path) -> dict[str, Any]:
    "What a tutorial is, without running it."
    nb = read_notebook(path)
    cells, exercises = nb["cells"], exercises_of(nb)
    code = [text(c) for c in cells if c["cell_type"] == "code" and text(c).strip()]
    lengths = [code_lines(c) for c in code]
    return {"tutorial": path.stem, "words": sum(words(text(c)) for c in cells if c["cell_type"] == "markdown"), "code lines": sum(lengths), "cells": len(code), "median cell": f"{statistics.median(lengths):g}", "longest cell": max(lengths),
            "reading min": round(minutes(cells)), "widgets": len(list(widget_cells(cells))), "pictures": len(pictures(cells)), "exercises": len(exercises), "exercise min": sum(e.minutes for e in exercises), "kB": path.stat().st_size // 1000}


def run(path: Path) -> dict[str, Any]:
    "Run it in a fresh kernel, as Jupyter does: seconds by the clock, the kernel's start among them."
    import nbformat
    from nbclient import NotebookClient

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    began = time.monotonic()
    NotebookClient(nbformat.read(path, as_version=4), timeout=900, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    return {"running s": round(time.monotonic() - began)}


def table(rows: list[dict[str, Any]]) -> str:
    "Rows of equal keys as a table in Markdown, numbers summed in the last row."
    names = list(rows[0])
    total = {n: sum(r[n] for r in rows) if n not in ("tutorial", "median cell", "longest cell") else "" for n in names} | {"tutorial": "all"}
    return "\n".join(["| " + " | ".join(names) + " |", "|---" + "|--:" * (len(names) - 1) + "|", *("| " + " | ".join(str(r[n]) for n in names) + " |" for r in [*rows, total])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="these only")
    parser.add_argument("--static", action="store_true", help="do not run them")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    paths = [p.resolve() for p in args.notebooks] or tutorial_files()
    found = {p.stem: faults(p) for p in paths}
    rows = [measure(p) | ({} if args.static else run(p)) | {"faults": len(found[p.stem])} for p in paths] if not any("exercise" in f for fs in found.values() for f in fs) else []
    if args.json: print(json.dumps({"tutorials": rows, "faults": found}, ensure_ascii=False))
    else: print("\n".join([*([table(rows)] if rows else []), *(f"{name}: {fault}" for name, all_ in found.items() for fault in all_)]))
    return int(any(found.values()))


if __name__ == "__main__": sys.exit(main())
