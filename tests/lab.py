"""The tutorials as a student meets them: opened in JupyterLab in a real browser, all cells run, every widget moved.

    python -m tests.lab             the student's edition of every tutorial: cells, widgets, controls, seconds, and what went wrong
    python -m tests.lab --json 01   those whose names begin so, as JSON
"""
import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brnpa_nb.editions import edition
from tests.browser import chromium, lab

RUN = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
  const cells = panel.content.model.sharedModel.toJSON().cells.filter(c => c.cell_type === 'code');
  return {
    cells: cells.filter(c => c.source.length).length, run: cells.filter(c => c.execution_count).length,
    errors: cells.flatMap(c => c.outputs).filter(o => o.output_type === 'error').map(o => `${o.ename}: ${o.evalue}`),
    views: cells.filter(c => c.outputs.some(o => o.data && 'application/vnd.jupyter.widget-view+json' in o.data)).length,
    words: cells.flatMap(c => c.outputs).filter(o => o.name === 'stderr').map(o => [].concat(o.text).join('')),
  };
}"""
AREA = ".jp-OutputArea-child:has(.jupyter-widgets, .brnpa-stage)"
CONTROLS = "input[type=range], .noUi-handle, select"
SEEN = """area => JSON.stringify([[...area.querySelectorAll('.brnpa-stage')].map(s => s.dataset.drawn),
  [...area.querySelectorAll('img, canvas')].filter(i => i.getClientRects().length).map(i => (i.src || i.toDataURL()).slice(-2000))])"""


@contextmanager
def opened_lab(notebooks: dict[str, bytes]) -> Iterator[Any]:
    "JupyterLab on a folder with these notebooks, and a browser: gives a function that opens one by its name in a page of its own."
    with tempfile.TemporaryDirectory() as tmp, chromium() as browser:
        folder, home = Path(tmp, "course"), Path(tmp, "home")
        for p in (folder, home): p.mkdir()
        for name, content in notebooks.items(): (folder / name).write_bytes(content)
        tracker = home / "config/lab/user-settings/@jupyterlab/notebook-extension"
        tracker.mkdir(parents=True)
        (tracker / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')       # cells out of sight are drawn, too
        with lab(folder, home) as address:
            @contextmanager
            def open_(name: str) -> Iterator[Any]:
                with browser.new_context(viewport={"width": 1300, "height": 1000}) as context:
                    page = context.new_page()
                    page.goto(f"{address}/doc/tree/{name}?reset", timeout=180_000)
                    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=180_000)
                    yield page
                    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
            yield open_


def move(page: Any) -> dict[str, Any]:
    "Every control of every widget once, by the keyboard; a widget of which no control changes what is seen is named."
    areas, moved, still = page.locator(AREA), 0, []
    for i in range(areas.count()):
        area = areas.nth(i)
        area.scroll_into_view_if_needed(timeout=30_000)
        page.wait_for_timeout(200)
        changed, controls = False, area.locator(CONTROLS)
        for k in range(controls.count()):
            control = controls.nth(k)
            if not control.is_visible() or control.is_disabled(): continue
            before = area.evaluate(SEEN)
            control.focus()
            for key in ("ArrowRight", "ArrowDown", "ArrowLeft") if not changed else ("ArrowRight",):
                page.keyboard.press(key)
                page.wait_for_timeout(150)
                if changed := changed or area.evaluate(SEEN) != before: break
            moved += 1
        if controls.count() and not changed: still.append(i)
    return {"widgets": areas.count(), "controls": moved, "still": still}


def visit(open_: Any, name: str) -> dict[str, Any]:
    "Open, run all, move everything."
    began = time.monotonic()
    with open_(name) as page:
        found = page.evaluate(RUN)
        ran = time.monotonic() - began
        page.wait_for_timeout(1000)
        shaken = move(page)
    return {"tutorial": name.removesuffix(".ipynb"), **found, **shaken, "seconds": round(ran), "faults": faults(found, shaken)}


def faults(found: dict[str, Any], shaken: dict[str, Any]) -> list[str]:
    "What went wrong with one notebook."
    said = [*found["errors"], *(f"on standard error: {w[:200]}" for w in found["words"])]
    if found["run"] < found["cells"]: said.append(f"{found['cells'] - found['run']} cells were not run")
    if shaken["widgets"] < found["views"]: said.append(f"{found['views']} widgets among the outputs, {shaken['widgets']} on the page")
    if shaken["still"]: said.append(f"nothing that widget {shaken['still'][0] + 1} shows changes when its controls are moved")
    return said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of names; all if none")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    books = {name: content for name, content in edition("student") if not args.names or name.startswith(tuple(args.names))}
    rows = []
    with opened_lab(books) as open_:
        for name in books:
            rows.append(visit(open_, name))
            r = rows[-1]
            if not args.json: print(f"{r['tutorial']:32}{r['run']:4} cells{r['widgets']:3} widgets{r['controls']:4} controls{r['seconds']:5} s  {'; '.join(r['faults']) or 'well'}", flush=True)
    if args.json: print(json.dumps(rows))
    return int(any(r["faults"] for r in rows))


if __name__ == "__main__": sys.exit(main())
