"""Every worker of a parallel run computes on one thread: two that share the cores by turns are slower than two that have one each."""
import os

if "PYTEST_XDIST_WORKER" in os.environ: os.environ.setdefault("OMP_NUM_THREADS", "1")
