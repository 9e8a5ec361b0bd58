"""Keep notebooks, modules and README in step.

    python -m tests.build nbs/01_grouping.ipynb …   run these notebooks, keep their outputs, then all of the below
    python -m tests.build                           clean every notebook, export the modules, write README.md
    python -m tests.build --check                   the same in a copy of the tree: exit 1 and name what is out of step
"""
import argparse
import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDGET_TYPES = ("application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json")


def notebooks(root: Path = ROOT) -> list[Path]:
    "Every notebook of the library and of the tutorials, in reading order."
    found = [p for folder in ("nbs", "tutorials") for p in sorted((root / folder).rglob("*.ipynb"))]
    return [p for p in found if not any(part.startswith((".", "_")) for part in p.relative_to(root).parts)]


def execute(path: Path) -> None:
    "Run a notebook from its own folder in a fresh kernel and keep the outputs; the first error stops the build."
    import nbformat
    from nbclient import NotebookClient

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # the kernel sees this checkout
    os.environ.pop("MPLBACKEND", None)                                                                       # or the kernel draws nothing that could be kept
    nb = nbformat.read(path, as_version=4)
    NotebookClient(nb, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    nbformat.write(nb, path)


def drop_widgets(path: Path) -> None:
    "Take widget views and state out of a notebook (code hosts refuse or cannot draw them; a still stands beside), and the time of day at which each cell ran."
    nb = json.loads(path.read_text(encoding="utf-8"))
    nb["metadata"].pop("widgets", None)
    for cell in nb["cells"]:
        cell["metadata"].pop("execution", None)
        if cell["cell_type"] == "code":
            cell["outputs"] = [o for o in cell["outputs"] if not any(t in o.get("data", {}) for t in WIDGET_TYPES)]
    path.write_text(json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def readme(index: Path) -> str:
    "`nbs/index.ipynb` as markdown: prose, fenced code that is not hidden, text outputs."
    parts = ["<!-- Written by `python -m tests.build` from nbs/index.ipynb: edit that. -->\n"]
    for cell in json.loads(index.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown": parts.append(source.replace("](images/", "](nbs/images/"))
        elif source and not source.startswith("#|"):
            parts.append(f"```python\n{source}\n```")
            for out in cell["outputs"]:
                text = out.get("text") or out.get("data", {}).get("text/plain") or []
                if text and "image/png" not in out.get("data", {}): parts.append(f"```\n{''.join(text).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def build(root: Path) -> None:
    "Clean, export and write the README of the tree at `root`."
    for path in notebooks(root): drop_widgets(path)
    for command in (["nbdev.clean:nbdev_clean"], ["nbdev.clean:nbdev_clean", "--fname", "tutorials"], ["nbdev.export:nb_export_all"]):
        _nbdev(root, *command)
    if (root / "nbs/index.ipynb").exists():
        (root / "README.md").write_text(readme(root / "nbs/index.ipynb"), encoding="utf-8")


def _nbdev(root: Path, entry: str, *args: str) -> None:
    "One nbdev command in its own interpreter, since nbdev takes the project from the working directory."
    module, name = entry.split(":")
    code = "from nbdev.doclinks import nbdev_export; nbdev_export()" if name == "nb_export_all" else f"import sys; from {module} import {name}; sys.argv[0] = '{name}'; {name}()"
    subprocess.run([sys.executable, "-c", code, *args], cwd=root, check=True)


def out_of_step() -> list[str]:
    "Files that a clean build of the tracked tree would write differently, delete or add."
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    files = [f for f in files if f and (ROOT / f).is_file()]
    with tempfile.TemporaryDirectory() as tmp:
        for f in files:
            (Path(tmp) / f).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / f, Path(tmp) / f)
        build(Path(tmp))
        made = [str(p.relative_to(tmp)) for p in (Path(tmp) / "brnpa_nb").rglob("*.py")]
        compare = [f for f in files if f.endswith((".ipynb", ".py")) or f == "README.md"]
        changed = [f for f in compare if not filecmp.cmp(ROOT / f, Path(tmp) / f, shallow=False)]
        return changed + [f for f in made if f not in files]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebooks to run first")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is out of step")
    args = parser.parse_args()
    if args.check:
        changed = out_of_step()
        print("\n".join(f"out of step: {f}" for f in changed) or "notebooks, modules and README are in step")
        return int(bool(changed))
    for path in args.notebooks: execute(path.resolve())
    build(ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
