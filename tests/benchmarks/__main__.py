"""All speed figures, each a ratio taken side by side in one run, against what was aimed at.

    python -m tests.benchmarks [--only grouping maps …] [--json]

Under ten minutes on two quiet cores. No figure here is a test: a busy machine can miss any of them. Each script alone takes more repeats; those on learning and evidence (cub, fewshot, three_tasks, evidence) are experiments of their own.
"""
import argparse
import importlib
import json
import sys
from time import perf_counter

SCRIPTS = ("grouping", "maps", "distilling", "starting", "explain")
GOALS = {"forward: plain / ours": (">=", 8), "forward: ours / five reads": ("<=", 3), "forward: bytes / features": ("<=", .1), "with backward: plain / ours": (">=", 4), "with backward: bytes / features": ("<=", 1.5),
         "explain / bare backbone": ("<=", 1.03), "Grad-CAM of grad-cam": ("<=", .4), "Grad-CAM of torch-cam": ("<=", 1), "distillation": ("<=", 1.05), "seconds beyond import torch": ("<=", .3), "first picture": ("<=", 10),
         "throughput of brnpa explain": (">=", .9)}


def goal(name: str) -> tuple[str, float] | None:
    "What was aimed at, where something was."
    return next((g for words, g in GOALS.items() if words in name), None)


def line(name: str, value: float) -> str:
    "A figure, what was aimed at, and whether it was met."
    aim = goal(name)
    if aim is None: return f"{name:88} {value:9.3f}"
    met = value >= aim[1] if aim[0] == ">=" else value <= aim[1]
    return f"{name:88} {value:9.3f}   {aim[0]} {aim[1]:g}   {'met' if met else 'MISSED'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=SCRIPTS, choices=SCRIPTS)
    parser.add_argument("--json", action="store_true", help="print one object, figure to number")
    args = parser.parse_args()
    start, found = perf_counter(), {}
    for script in args.only:
        rows = importlib.import_module(f"tests.benchmarks.{script}").run()
        found |= rows
        if not args.json: print("\n".join(line(*row) for row in rows.items()), flush=True)
    if args.json: print(json.dumps(found))
    print(f"{perf_counter() - start:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__": sys.exit(main())
