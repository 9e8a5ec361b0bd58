"""What a beginner waits for: importing the package, and the first picture of the first tutorial.

    python -m tests.benchmarks.starting [--repeats 5] [--json]

Import: processor seconds of a fresh Python beyond those of `import torch`, median of neighbouring pairs. First picture: seconds from the start of a fresh kernel until a cell of tutorial 01 has given a picture.
"""
import statistics
import subprocess
import sys
from time import perf_counter

from tests.benchmarks.timing import main
from tests.build import ROOT

MODULES = ("brnpa_nb", "brnpa_nb.models, brnpa_nb.ranking")


def processor(code: str) -> float:
    "Processor seconds, user and system, of a fresh Python that runs `code`."
    done = subprocess.run([sys.executable, "-c", f"{code}\nimport resource\nprint(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))"], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


def imports(repeats: int) -> dict[str, float]:
    "Seconds beyond `import torch`."
    processor("import torch")
    return {f"import {names}: seconds beyond import torch": statistics.median(processor(f"import torch, {names}") - processor("import torch") for _ in range(repeats)) for names in MODULES}


def first_picture() -> float:
    "Seconds until tutorial 01 shows something that is a picture."
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(sorted((ROOT / "tutorials").glob("01_*.ipynb"))[0], 4)
    start, client = perf_counter(), NotebookClient(book, timeout=300, resources={"metadata": {"path": str(ROOT / "tutorials")}})
    with client.setup_kernel():
        for i, cell in enumerate(book.cells):
            client.execute_cell(cell, i)
            if any("image/png" in o.get("data", {}) or "image/jpeg" in o.get("data", {}) for o in cell.get("outputs", [])): return perf_counter() - start
    raise RuntimeError("tutorial 01 shows no picture")


def run(repeats: int = 5) -> dict[str, float]:
    return imports(repeats) | {"tutorial 01: seconds until the first picture": first_picture()}


if __name__ == "__main__": sys.exit(main(__doc__, run, 5))
