"""What a class costs one server: memory and seconds per student when k of them run a tutorial at once.

    python -m tests.benchmarks.classroom [tutorials/08_….ipynb] [--students 1 2 4] [--no-servers] [--json]

Each student has what JupyterHub gives: a JupyterLab server of their own, and a kernel that runs the tutorial from top to bottom, on one thread. Memory is read from /proc (Linux) four times a second:

    own      anonymous memory: data that no other process can share; the peak of the sum over students, divided by k
    shared   pages of files, libraries above all, that are in memory once however many students use them; the largest of the students'
    PSS      the kernel's own fair share: own + shared / (processes that use the same files), those outside the class included

so that k students need about shared + k × (own of the kernel + own of the server). Default: the tutorial with the most lines of code.
"""
import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.build import ROOT


def family(pid: int) -> list[int]:
    "A process and all that it has started, directly or not."
    try: children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError: return []
    return [pid, *(q for c in children for q in family(int(c)))]


def memory(pid: int) -> tuple[float, float, float]:
    "(own, shared, PSS) of a process and its children, in MB."
    sums = {"Anonymous": 0, "Rss": 0, "Pss": 0}
    for p in family(pid):
        try: text = Path(f"/proc/{p}/smaps_rollup").read_text()
        except OSError: continue                                   # it has just ended
        for name in sums: sums[name] += int((re.search(rf"^{name}:\s+(\d+)", text, re.M) or ["", "0"])[1])
    return sums["Anonymous"] / 1024, (sums["Rss"] - sums["Anonymous"]) / 1024, sums["Pss"] / 1024


class Watch(threading.Thread):
    "Peaks over time: the sum of what is the processes' own, the largest shared part, the sum of PSS."
    def __init__(self, pids: list[int]):
        super().__init__(daemon=True)
        self.pids, self.done, self.own, self.shared, self.pss = pids, threading.Event(), 0.0, 0.0, 0.0

    def run(self) -> None:
        while not self.done.wait(.25):
            each = [memory(p) for p in list(self.pids)]
            self.own, self.pss = max(self.own, sum(o for o, _, _ in each)), max(self.pss, sum(p for _, _, p in each))
            self.shared = max([self.shared, *(s for _, s, _ in each)])


def lab(folder: Path) -> subprocess.Popen:
    "A JupyterLab server, as a student has one; ready when it answers."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=", "--ServerApp.password="],
                               cwd=folder, env=dict(os.environ, HOME=str(folder)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(240):
        try:
            with socket.create_connection(("127.0.0.1", port), 1): return process
        except OSError: time.sleep(.5)
    process.kill()
    raise RuntimeError("a JupyterLab server did not answer within two minutes")


def student(path: Path, pids: list[int], seconds: list[float], errors: list[BaseException]) -> None:
    "One student runs all cells."
    import nbformat
    from nbclient import NotebookClient

    try:
        client = NotebookClient(nbformat.read(path, as_version=4), timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
        start = time.monotonic()
        with client.setup_kernel():
            pids.append(client.km.provisioner.pid)
            for i, cell in enumerate(client.nb.cells): client.execute_cell(cell, i)
            seconds.append(time.monotonic() - start)
    except BaseException as error: errors.append(error)


def class_of(path: Path, students: int, servers: bool = True) -> dict[str, float]:
    "Peak memory per student in MB, and seconds until each has finished."
    os.environ |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    os.environ.pop("MPLBACKEND", None)
    with ExitStack() as stack:
        labs = []
        for _ in range(students if servers else 0):
            process = lab(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            stack.callback(process.wait)
            stack.callback(process.kill)
            labs.append(process.pid)
        pids, seconds, errors = [], [], []
        kernels, desks = Watch(pids), Watch(labs)
        kernels.start(); desks.start()
        threads = [threading.Thread(target=student, args=(path, pids, seconds, errors)) for _ in range(students)]
        for t in threads: t.start()
        for t in threads: t.join()
        for watch in (kernels, desks): watch.done.set(); watch.join()
        if errors: raise errors[0]
        return {"students": students, "kernel own MB": kernels.own / students, "kernel PSS MB": kernels.pss / students, "server own MB": desks.own / students, "shared MB": max(kernels.shared, desks.shared), "seconds": max(seconds)}


def longest() -> Path:
    "The tutorial with the most code."
    def lines(path: Path) -> int: return sum(len("".join(c["source"]).splitlines()) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code")
    return max((ROOT / "tutorials").glob("[0-9]*.ipynb"), key=lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", nargs="?", type=Path, help="which tutorial")
    parser.add_argument("--students", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--no-servers", action="store_true", help="kernels only")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    path = (args.notebook or longest()).resolve()
    rows = []
    for k in args.students:
        rows.append(class_of(path, k, not args.no_servers))
        if not args.json: print(f"{path.stem}: " + ", ".join(f"{name} {value:.0f}" for name, value in rows[-1].items()), flush=True)
    if args.json: print(json.dumps({"tutorial": path.stem, "rows": rows}))
    return 0


if __name__ == "__main__": sys.exit(main())
