"""Break it on purpose, and count: bad input, kills, fuzzing, hostile files, odd circumstances, memory, determinism.

    python -m tests.hardening [--only kills fuzz …] [--json]

Under twenty minutes on two quiet cores: two parts at a time, each in a process of its own. The test suite holds a slice of every part; this is the whole of it.
"""
import argparse
import importlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from time import perf_counter

PARTS = ("kills", "parsers", "fuzz", "circumstances", "bad_input", "hostile", "memory", "determinism")      # the longest first


def one(part: str) -> dict:
    "What a part found, in this process."
    start = perf_counter()
    counts = importlib.import_module(f"tests.hardening.{part}").run()
    return {"seconds": round(perf_counter() - start), **{name: asdict(count) for name, count in counts.items()}}


def apart(part: str) -> dict:
    "The same, in a process of its own: a part that dies is a finding, not the end."
    done = subprocess.run([sys.executable, "-m", "tests.hardening", "--part", part], capture_output=True, text=True)
    try: return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError): return {part: {"tried": 1, "held": 0, "findings": [f"ended with {done.returncode}: {done.stderr[-2000:]}"]}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--json", action="store_true", help="print one object: part → what was tried → tried, held, findings")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part: print(json.dumps(one(args.part))); return 0
    start = perf_counter()
    with ThreadPoolExecutor(2) as pool: found = dict(zip(args.only, pool.map(apart, args.only)))
    rows = [(part, name, count) for part, counts in found.items() for name, count in counts.items() if name != "seconds"]
    if args.json: print(json.dumps(found))
    else:
        for part, name, count in rows: print(f"{part:12} {name:60} {count['held']:>8} of {count['tried']:>8} held", *(f"\n    {f}" for f in count["findings"][:20]))
    print(f"{perf_counter() - start:.0f} s", file=sys.stderr)
    return any(count["held"] < count["tried"] for _, _, count in rows)


if __name__ == "__main__": sys.exit(main())
