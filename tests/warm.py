"""A process of its own that need not import everything anew: on Linux forked from one that has loaded the heavy libraries, and nothing of ours."""
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
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


class Begun:
    "A process on its way: a group of its own, as a terminal gives to a command."
    def __init__(self, do: Callable, *args: object, folder: Path = ROOT):
        os.environ |= {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "TQDM_DISABLE": "1"}          # the first call starts the server, which keeps them
        self.tmp = tempfile.TemporaryDirectory()
        self.args, self.streams = args, [Path(self.tmp.name) / name for name in ("out", "errors")]
        self.process = context.Process(target=_child, args=(*self.streams, folder, _in_a_group, (do, args)))
        self.process.start()
        self.pid: int = self.process.pid  # type: ignore[assignment]

    def said(self) -> list[str]: return [path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in self.streams]

    def wait_for(self, there: Callable[[], object], timeout: float = 120) -> bool:
        "Until something is there, or the process has ended: whether it still runs."
        deadline = time.monotonic() + timeout
        while self.process.is_alive() and not there():
            if time.monotonic() > deadline: self.process.kill(); raise TimeoutError(f"nothing after {timeout} s\n{self.said()}")
            time.sleep(.002)
        return self.process.is_alive()

    def send(self, number: int, group: bool = False) -> None:
        "A signal, to the process or to everything that it has started, too."
        with suppress(ProcessLookupError): (os.killpg if group else os.kill)(self.pid, number)

    def children(self) -> list[int]:
        "Processes that it has started and that still run."
        try: return [int(p) for p in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError: return []

    def orphans(self, patience: float = 30.) -> bool:
        "Whether a process of the group is still there after it has ended, and after so many seconds."
        deadline = time.monotonic() + patience
        while self._group() and time.monotonic() < deadline: time.sleep(.02)
        if left := self._group(): self.send(signal.SIGKILL, group=True)
        return bool(left)

    def _group(self) -> list[int]:
        "Those of the group that run; who has ended and was not yet fetched does not."
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                pid, rest = path.parent.name, path.read_text().rpartition(")")[2].split()
                if int(rest[2]) == self.pid and rest[0] not in "ZX": found.append(int(pid))
        return found

    def end(self, timeout: float = 900) -> subprocess.CompletedProcess:
        "Wait for it: its exit status, and what it wrote to both streams."
        try: self.process.join(timeout)
        except BaseException: self.process.kill(); raise                     # Ctrl-C is for this process alone
        if late := self.process.is_alive(): self.process.kill(); self.process.join()
        said = self.said()
        self.tmp.cleanup()
        if late: raise TimeoutError(f"stopped after {timeout} s\n{said[0][-6000:]}\n{said[1][-6000:]}")
        return subprocess.CompletedProcess(self.args, self.process.exitcode, *said)  # type: ignore[arg-type]


def _in_a_group(do: Callable, args: tuple) -> None:
    os.setpgrp()
    do(*args)


def in_a_process(do: Callable, *args: object, folder: Path = ROOT, timeout: float = 900) -> subprocess.CompletedProcess:
    "Call a function of a module in a process of its own: its exit status, and what it wrote to both streams."
    return Begun(do, *args, folder=folder).end(timeout)


def command(*args: str) -> None:
    "For `in_a_process`: the command `brnpa`, as `python -m brnpa_nb.cli` runs it."
    sys.argv = ["brnpa", *args]
    warnings.filterwarnings("default", category=UserWarning)                 # our own, of photographs left out and the like, are for people
    runpy.run_module("brnpa_nb.cli", run_name="__main__", alter_sys=True)
