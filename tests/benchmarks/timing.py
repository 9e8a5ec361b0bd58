"""What all benchmarks share: ratios of neighbours in time, bytes held at once, and one way to print them."""
import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch


def seconds(f: Callable[[], object]) -> float:
    "How long one call takes."
    start = perf_counter()
    f()
    return perf_counter() - start


def ratio(a: Callable[[], object], b: Callable[[], object], repeats: int) -> float:
    "Median of a's time over b's, measured in turn: what disturbs the machine disturbs both. The order changes each time."
    a(); b()
    found = []
    for i in range(repeats):
        if i % 2: below = seconds(b); above = seconds(a)
        else: above = seconds(a); below = seconds(b)
        found.append(above / below)
    return statistics.median(found)


def peak(f: Callable[[], object]) -> int:
    "Most bytes held at once while `f` runs, beyond what was there."
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile: f()
    with tempfile.TemporaryDirectory() as folder:
        profile.export_chrome_trace(str(Path(folder, "trace.json")))
        events = sorted((e for e in json.loads(Path(folder, "trace.json").read_text())["traceEvents"] if e["name"] == "[memory]"), key=lambda e: e["ts"])
    return max(e["args"]["Total Allocated"] for e in events) - (events[0]["args"]["Total Allocated"] - events[0]["args"]["Bytes"])


def arguments(about: str | None, repeats: int) -> argparse.ArgumentParser:
    "The arguments that every benchmark has."
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--repeats", type=int, default=repeats, help="pairs, of which the median is taken")
    parser.add_argument("--json", action="store_true", help="print one object, figure to number")
    return parser


def show(found: dict[str, float], as_json: bool) -> None:
    "A table, or one JSON object."
    if as_json: print(json.dumps(found)); return
    for name, value in found.items(): print(f"{name:92} {value:8.3f}")


def main(about: str | None, run: Callable[[int], dict[str, float]], repeats: int) -> int:
    "A benchmark as a command: its arguments, its figures, a table."
    args = arguments(about, repeats).parse_args()
    torch.set_num_threads(args.threads)
    show(run(args.repeats), args.json)
    return 0
