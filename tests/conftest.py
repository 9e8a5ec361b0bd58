"""Every worker of a parallel run computes on one thread: two that share the cores by turns are slower than two that have one each. The longest tests come first."""
import os

from tests.offline import block
from tests.upstream import filters

if "PYTEST_XDIST_WORKER" in os.environ: os.environ.setdefault("OMP_NUM_THREADS", "1")

block()        # whatever asks another machine in a test is a fault: everything but explicit downloads works without a network

# Processor seconds, roughly: only the order counts, so that no worker is left with a long one in the end. What is not here follows in the order of the files.
LONG = {"tutorials/08": 150, "test_shipped.py::test_s": 100, "tutorials/09": 90, "03b_leaving": 130, "00_backbones.ipynb": 65, "05_sanity.ipynb": 55, "08_cli.ipynb": 45,
        "07d_comparing.ipynb": 35, "02b_library_explainers.ipynb": 30, "07_benchmark.ipynb": 30, "tutorials/10": 30, "tutorials/11": 30, "07b_jobs.ipynb": 30, "06b_explaining_tasks.ipynb": 25, "07c_three_tasks.ipynb": 20, "test_every_step": 25, "test_killed_and_resumed": 10, "test_evaluate_json": 20, "07_demo.ipynb": 15, "test_site": 100}


def pytest_configure(config):
    for line in filters(): config.addinivalue_line("filterwarnings", line)


def pytest_collection_finish(session):
    "Groups hold: otherwise two workers build the same site and sit the same exam, and nobody is told."
    if "PYTEST_XDIST_WORKER" in os.environ and (loose := [i.nodeid for i in session.items if i.get_closest_marker("xdist_group") and "@" not in i.nodeid]):
        raise RuntimeError(f"pytest-xdist does not keep {loose[0]} with its group; take releases of pytest and pytest-xdist that go together")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: -next((s for name, s in LONG.items() if name in item.nodeid), 0))
