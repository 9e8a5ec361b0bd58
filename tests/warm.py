"""A process of its own that need not import everything anew: on Linux forked from one that has loaded the heavy libraries, and nothing of ours."""
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.build import ROOT
from tests.offline import block
from tests.upstream import strict

HEAVY = ["torch", "torchvision", "timm", "accelerate", "matplotlib.pyplot", "scipy.stats", "ipywidgets", "nbdev.test", "fastcore.test", "pytest"]
context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")       # elsewhere libraries do not all survive a fork
if sys.platform == "linux": context.set_forkserver_preload(HEAVY)


def _child(out: Path, errors: Path, folder: Path, do: Callable, args: tuple) -> None:
    "What runs in the process: both streams into files, then the work."
    for stream, path in ((1, out), (2, errors)): os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    multiprocessing.set_start_method(None, force=True)                       # what is started in here starts as it would anywhere
    os.chdir(folder)
    sys.path.insert(0, str(ROOT))
    block()
    strict()
    do(*args)


def in_a_process(do: Callable, *args: object, folder: Path = ROOT, timeout: float = 900) -> subprocess.CompletedProcess:
    "Call a function of a module in a process of its own: its exit status, and what it wrote to both streams."
    os.environ |= {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "TQDM_DISABLE": "1"}          # the first call starts the server, which keeps them
    with tempfile.TemporaryDirectory() as tmp:
        streams = [Path(tmp) / name for name in ("out", "errors")]
        process = context.Process(target=_child, args=(*streams, folder, do, args))
        process.start()
        process.join(timeout)
        if late := process.is_alive(): process.kill(); process.join()
        said = [path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in streams]
    if late: raise TimeoutError(f"stopped after {timeout} s\n{said[0][-6000:]}\n{said[1][-6000:]}")
    return subprocess.CompletedProcess(args, process.exitcode, *said)


def command(*args: str) -> None:
    "For `in_a_process`: the command `brnpa`, as `python -m brnpa_nb.cli` runs it."
    sys.argv = ["brnpa", *args]
    runpy.run_module("brnpa_nb.cli", run_name="__main__", alter_sys=True)
