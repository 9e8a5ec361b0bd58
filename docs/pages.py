"""Notebooks as pages: the library's rooms through nbdev's processors, the tutorials with folded exercises, text for pictures, and live explorers."""
import ast
import copy
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from docs.modules import ROOT, Module, Thing, prose

Cell = dict[str, Any]
COLAB = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")


def source(cell: Cell) -> str: return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def markdown(text: str) -> Cell: return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(text: str, *tags: str) -> Cell: return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": text, "outputs": [], "execution_count": None}


def page(cells: list[Cell]) -> dict[str, Any]:
    "A notebook of these cells."
    return {"cells": cells, "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 4}


def tag(cell: Cell, *tags: str) -> None: cell["metadata"].setdefault("tags", []).extend(tags)


# -- words ----------------------------------------------------------------------------------------------------------------------------------------

def plain(text: str) -> str:
    "Markdown as plain words, on one line."
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<[^>]+>", "", text))
    return re.sub(r"\s+", " ", re.sub(r"[*`#>|]|(?<!\w)_|_(?!\w)", "", text)).strip()


def what_to_see(text: str) -> str:
    "The sentences that begin *What to see, without the words themselves; empty if there are none."
    found = re.search(r"\*What to see(?:[^*:]*)?(?:\*:?|:)\s*(.*?)(?:\n\s*\n|\Z)", text, re.S | re.I)
    if not found: return ""
    said = found[1] if "*" not in found[1] or text[found.start():found.start(1)].count("*") > 1 else re.split(r"(?<!\*)\*(?!\*)", found[1])[0]
    return plain(said)


def alternatives(cells: list[Cell]) -> None:
    "Every picture gets words: what stands after it as *What to see:, or the last sentence before it."
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "code" or not any(k.startswith("image/") for o in cell["outputs"] for k in o.get("data", {})): continue
        after = next((what_to_see(source(c)) for c in cells[i + 1:i + 4] if c["cell_type"] == "markdown" and what_to_see(source(c))), "")
        before = next((plain(source(c)) for c in reversed(cells[:i]) if c["cell_type"] == "markdown"), "")
        words = after or (re.split(r"(?<=[.!?:]) ", before)[-1] if before else "") or "The picture that this cell draws."
        cell["metadata"]["mystnb"] = {"image": {"alt": words[:480]}}


def link_names(text: str, names: dict[str, str]) -> str:
    "Backticked names and notebooks become links to their pages; headings, fenced code and existing links stay."
    def one(found: re.Match[str]) -> str:
        word = found[1]
        if (at := re.fullmatch(r"(nbs|tutorials)/((?:\w+/)*\w+)\.ipynb", word)) and (ROOT / word).is_file():
            return f"[`{word}`](/{'rooms' if at[1] == 'nbs' else 'tutorials'}/{at[2]}.ipynb)" if at[2] != "index" else found[0]
        return f"{{py:obj}}`{word} <{names[word]}>`" if word in names else found[0]
    parts = re.split(r"(^```.*?^```[ \t]*$|^#+ .*$|\[[^\]]*\]\([^)]*\))", text, flags=re.M | re.S)
    return "".join(p if i % 2 else re.sub(r"(?<!`)(?<!\})`([\w./]+)`(?!`)", one, p) for i, p in enumerate(parts))


def names_of(cells: Iterable[Cell], modules: dict[str, Module], own: Module | None = None) -> dict[str, str]:
    "Names that a reader of this notebook knows: what it exports and what it imports from the package."
    known = {n: f"brnpa_nb.{own.name}.{n}" for n in own.exported} if own else {}
    for cell in cells:
        if cell["cell_type"] != "code": continue
        try: tree = ast.parse(re.sub(r"^\s*[%!].*$", "pass", source(cell), flags=re.M))
        except SyntaxError: continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brnpa_nb."):
                module = modules.get(node.module.removeprefix("brnpa_nb."))
                if module: known |= {a.asname or a.name: f"brnpa_nb.{module.name}.{a.name}" for a in node.names if a.name in module.exported}
    return known


# -- rooms ----------------------------------------------------------------------------------------------------------------------------------------

def _shown(thing: Thing, module: Module, level: int) -> list[Cell]:
    "What nbdev's show_doc shows: signature with comments, docstring; and the way to the API page."
    parts = [f"{'#' * level} {thing.name}", f"```python\n{thing.lines}\n```", prose(thing.doc), f"{{py:obj}}`In the reference <brnpa_nb.{module.name}.{thing.name}>`"]
    return [markdown("\n\n".join(parts))]


def room(path: Path, modules: dict[str, Module]) -> dict[str, Any]:
    "A notebook of the library, through nbdev's processors; nothing is run, `show_doc` is answered from the module's source."
    from execnb.nbio import read_nb
    from nbdev.process import NBProcessor
    from nbdev.processors import add_show_docs, clean_magics, hide_line, mv_exports, populate_language, rm_header_dash, strip_ansi, strip_hidden_metadata

    nb = read_nb(path)
    processor = NBProcessor(nb=nb, procs=[populate_language, add_show_docs, strip_ansi, hide_line, rm_header_dash, clean_magics, mv_exports, strip_hidden_metadata])
    processor.process()
    module = next((m for m in modules.values() if m.notebook == path.relative_to(ROOT).as_posix()), None)
    known = names_of([json.loads(json.dumps(c)) for c in nb.cells], modules, module)
    things = {t.name: t for t in module.things} if module else {}
    cells: list[Cell] = []
    level = 1
    for raw in nb.cells:
        directives = dict(getattr(raw, "directives_", {}))
        cell = {k: copy.deepcopy(v) for k, v in dict(raw).items() if k in ("cell_type", "source", "metadata", "outputs", "execution_count")}
        cell = json.loads(json.dumps(cell))
        cell["metadata"] = {"tags": list(cell["metadata"].get("tags", []))}
        text = source(cell)
        if cell["cell_type"] == "markdown":
            heads = re.findall(r"^(#+) ", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
            level = len(heads[-1]) if heads else level
            cells.append(markdown(link_names(text, known)))
        elif "hide" in directives or "default_exp" in directives: continue
        elif (shown := re.match(r"show_doc\(([\w.]+)\)", text)):
            name = shown[1]
            thing = things.get(name) or next((t for owner in things.values() for t in owner.inside if f"{owner.name}.{t.name}" == name), None)
            if thing and module: cells += _shown(thing, module, min(level + 1, 6))
        elif directives.keys() & {"export", "exports", "exporti"}:
            cell["source"], cell["outputs"] = text.strip(), []
            if not cell["source"]: continue
            public = any(isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_") for n in ast.parse(cell["source"]).body)
            imports = all(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.parse(cell["source"]).body)
            if public or imports: tag(cell, "hide-input")
            cells.append(cell)
        elif text.strip(): cells.append(cell)
    cells = _signature_first(cells)
    alternatives(cells)
    head = source(cells[0])
    about = f"`brnpa_nb.{module.name}` · [reference](/api/{module.name}.md) · edit `{module.notebook}`" if module else ""
    cells[0] = markdown(f"{head}\n\n{about}")
    return page(cells)


def _signature_first(cells: list[Cell]) -> list[Cell]:
    "The folded code of a function stands after its signatures."
    out: list[Cell] = []
    i = 0
    while i < len(cells):
        cell = cells[i]
        out.append(cell)
        if cell["cell_type"] == "code" and "hide-input" in cell["metadata"]["tags"]:
            j = i + 1
            while j < len(cells) and cells[j]["cell_type"] == "markdown" and "`In the reference <" in source(cells[j]): j += 1
            if j > i + 1: out[-1:] = [*cells[i + 1:j], cell]
            i = j
        else: i += 1
    return out


# -- tutorials ------------------------------------------------------------------------------------------------------------------------------------

def details_open(text: str) -> str:
    "Blank lines around the tags of a fold, or markdown inside it would not be read as such."
    text = re.sub(r"(<details[^>]*>\s*<summary>.*?</summary>)[ \t]*\n?(?=\S)", r"\1\n\n", text, flags=re.S)
    return re.sub(r"(?<=\S)[ \t]*\n?[ \t]*(</details>)", r"\n\n\1", text)


def tutorial(path: Path, modules: dict[str, Module], explorer: Callable[[int], str] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A tutorial as its reader on the site needs it: exercises as stubs with everything else folded, no badge of another machine, words for pictures,
    and `explorer` (depth of the page → HTML) in its first widget's place. Second: the student's notebook."""
    from brnpa_nb.editions import student

    solved = json.loads(path.read_text(encoding="utf-8"))
    nb = student(solved, outputs=True)
    known = names_of(solved["cells"], modules)
    cells: list[Cell] = []
    for raw in nb["cells"]:
        text = source(raw)
        cell = {k: v for k, v in raw.items() if k not in ("id", "attachments")} | {"source": text, "metadata": {"tags": list(raw["metadata"].get("tags", []))}}
        if cell["cell_type"] == "markdown":
            text = COLAB.sub(rf"[Open in Colab](\1) · <a href='../_static/notebooks/{path.name}' download>Download the notebook</a>", text)
            cells.append(markdown(link_names(details_open(text), known)))
        elif text.strip():
            if "find_spec(" in text or all(isinstance(n, ast.Import | ast.ImportFrom) for n in _tree(text)): tag(cell, "hide-input")
            cells.append(cell)
    alternatives(cells)
    if explorer: cells = _with_explorer(cells, explorer)
    return page(cells), student(solved)


def _tree(text: str) -> list[ast.stmt]:
    try: return ast.parse(text).body or [ast.Pass()]
    except SyntaxError: return [ast.Pass()]


def _with_explorer(cells: list[Cell], html: Callable[[int], str]) -> list[Cell]:
    "The explorer under the first widget."
    from tests.tutorials import widget_cells

    at = next(widget_cells(cells))
    return [*cells[:at + 1], markdown(html(1)), *cells[at + 1:]]
