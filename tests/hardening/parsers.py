"""Every parser of ours, fed with damaged and invented input: a result that is right in itself, or one foreseen sentence; no other error, no hang, no memory without bound.

How cases are counted: one case is one input handed to one parser. Inputs are real ones (of the package's own drawn data sets, checkpoints, stores, archives), changed one to
four times: bits, pieces, numbers (2⁶⁰, −1, NaN …), words, lines, JSON values. Any number of cases is had from one seed, and the same seed gives the same cases. A case that fails is
made shorter by leaving pieces out as long as it still fails in the same way.
"""
from __future__ import annotations

import json
import linecache
import math
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bad_input import SENTENCE
from tests.hardening import Count

SECONDS = 5            # for one case
BYTES = 2 * 2**30      # of address space, on top of what the process has when it begins


# ---- what a case may end in --------------------------------------------------------------------------------------

class Hang(BaseException):
    "A case took too long."


def _late(*_: Any) -> None: raise Hang(f"more than {SECONDS} s")


@contextmanager
def bounded():
    "For one `with` block: memory is bounded, and `alarm` may be set."
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    before = signal.signal(signal.SIGALRM, _late)
    if pages: resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, hard))
    try: yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def foreseen(error: BaseException) -> str:
    "Empty if the error was raised by a `raise` of ours and is one sentence; else what is wrong with it."
    if not isinstance(error, SENTENCE): return f"{type(error).__name__} is none of the errors that are promised"
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None: tb = tb.tb_next
    where, line = tb.tb_frame.f_globals.get("__name__", ""), linecache.getline(tb.tb_frame.f_code.co_filename, tb.tb_lineno)
    if not where.startswith("brnpa_nb"): return f"raised in {where}, not by us"
    if not re.search(r"\braise\b", line): return "raised by what we called, not by us"
    said = str(error)
    return "" if "\n" not in said and 10 <= len(said) <= 2000 else f"not one sentence of bearable length ({len(said)} characters)"


def outcome(read: Callable[[bytes], Any], data: bytes) -> str:
    "Empty if the case holds; else what happened, and where."
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(data)
        return ""
    except Hang as error: return f"hang: {error}"
    except AssertionError as error: return f"wrong: {str(error).splitlines()[0] if str(error) else _place(error)}"
    except Exception as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        trouble = foreseen(error)
        return f"{type(error).__name__} at {_place(error)}: {str(error)[:120]!r}: {trouble}" if trouble else ""
    finally: signal.setitimer(signal.ITIMER_REAL, 0)


def _place(error: BaseException) -> str:
    "Module and function of ours in which it happened."
    tb, found = error.__traceback__, ""
    while tb is not None:
        name = tb.tb_frame.f_globals.get("__name__", "")
        if name.startswith("brnpa_nb"): found = f"{name}.{tb.tb_frame.f_code.co_name} line {tb.tb_lineno}"
        tb = tb.tb_next
    return found or "no line of ours"


# ---- changed input -----------------------------------------------------------------------------------------------

NUMBERS = [b"0", b"-1", b"1", b"2", b"255", b"256", b"65536", b"2147483648", b"1152921504606846976", b"18446744073709551616", b"1" * 400, b"1e309", b"-1e309", b"nan", b"1.5", b"1_0", "²".encode(), "٣".encode(), b"0x10", b"-0", b""]
WORDS = [b"", b"\0", b"..", b"../x", b"/", b"\\", b"C:", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b"\t", b" ", b'"', b"'", b",", b"{", b"}", b"[", b"]", b"null", b"NaN", b"Infinity", b"true", b"a" * 300, b"a/" * 300, "😀".encode(), b"\xe2\x80\xa8", b"\x1f\x8b", b"PK\3\4", b"\x80\4\x95"]
VALUES: list[Any] = [None, True, False, 0, -1, 1, 2**31, 2**60, 10**30, 1.5, 1e308, math.nan, math.inf, "", "x", "../../x", "\0", "\ud800", "1", [], [[]], [1], ["a"], [None], {}, {"a": 1}, {"": None}, [0] * 50, "a" * 400]


def change(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    "One change."
    kind, n = rng.randrange(13), len(data)
    at = rng.randrange(n + 1)
    if kind == 0 and n: i = rng.randrange(n); return data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1:]
    if kind == 1 and n: i = rng.randrange(n); return data[:i] + bytes([rng.choice((0, 1, 127, 128, 255, 10, 32, rng.randrange(256)))]) + data[i + 1:]
    if kind == 2: return data[:at] + data[at + rng.choice((1, 1, 2, 4, 8, 64, 512)):]
    if kind == 3: return data[:at]
    if kind == 4: end = at + rng.choice((1, 4, 16, 64, 512)); return data[:end] + data[at:end] * rng.choice((1, 1, 3)) + data[end:]
    if kind in (5, 6): return data[:at] + rng.choice(WORDS) + data[at:]
    if kind in (7, 8):
        found = [m.span() for m in re.finditer(rb"-?\d+(?:\.\d+)?", data[:200_000])]
        if found: a, b = rng.choice(found); return data[:a] + rng.choice(NUMBERS) + data[b:]
    if kind == 9:
        lines = data.split(b"\n")
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        lines[i] = lines[j] if rng.random() < .5 else lines[i] + b" " + lines[j]
        return b"\n".join(lines)
    if kind == 10: other = rng.choice(others); cut = rng.randrange(len(other) + 1); return data[:at] + other[cut:cut + rng.choice((8, 64, 100_000))]
    if kind == 11 and n >= 8:
        i, size = rng.randrange(n - 7), rng.choice((2, 4, 8))
        return data[:i] + rng.choice((0, 1, -1, 2**15, 2**31 - 1, 2**60, n, n - i)).to_bytes(16, rng.choice(("little", "big")), signed=True)[:size] + data[i + size:]
    if kind == 12:
        words = [m.span() for m in re.finditer(rb"[^\s,;:]+", data[:200_000])]
        if words: a, b = rng.choice(words); return data[:a] + rng.choice(WORDS) + data[b:]
    return data + rng.choice(WORDS)


def change_json(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    "One change of a JSON text, four times of five one that leaves it JSON: a value, a key or a branch is replaced, taken out or doubled."
    if rng.random() < .2: return change(data, others, rng)
    try: whole = json.loads(data)
    except (ValueError, RecursionError): return change(data, others, rng)
    places: list[tuple[Any, Any]] = []
    def walk(x: Any) -> None:
        for k, v in x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else (): places.append((x, k)); walk(v)
    walk(whole)
    if not places: return json.dumps(rng.choice(VALUES)).encode()
    x, k = rng.choice(places)
    what = rng.randrange(5)
    if what == 0: del x[k]
    elif what == 1: x[k] = [x[k]]
    elif what == 2 and isinstance(x, list): x.append(x[k])
    elif what == 3:
        other, key = rng.choice(places)
        if key in (other if isinstance(other, dict) else range(len(other))): x[k] = json.loads(json.dumps(other[key]))
    else: x[k] = rng.choice(VALUES)
    return json.dumps(whole).encode()


@dataclass
class Parser:
    "One parser: real inputs, how they are changed, how one is read (with what must hold of the result)."
    name: str
    seeds: list[bytes]
    read: Callable[[bytes], Any]
    share: float = 1.                                      # of the cases
    change: Callable[[bytes, list[bytes], random.Random], bytes] = field(default=change)

    def case(self, i: int, seed: int) -> bytes:
        "The i-th case; the first are the real inputs."
        if i < len(self.seeds): return self.seeds[i]
        rng = random.Random(f"{seed} {self.name} {i}")
        data = rng.choice(self.seeds)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))): data = self.change(data, self.seeds, rng)
        return data


def shorter(parser: Parser, data: bytes, found: str, tries: int = 300) -> bytes:
    "A case that fails in the same way, with pieces left out."
    kind = found.split(":")[0]
    piece = len(data) // 2
    while piece and tries:
        at = 0
        while at < len(data) and tries:
            tries -= 1
            less = data[:at] + data[at + piece:]
            if outcome(parser.read, less).split(":")[0] == kind: data = less
            else: at += piece
        piece //= 2
    return data


def campaign(parsers: list[Parser], cases: int, seed: int = 0, seconds: float = math.inf) -> dict[str, Count]:
    "So many cases over all parsers, or as many as there is time for; one finding a place."
    counts: dict[str, Count] = {}
    whole, began = sum(p.share for p in parsers), time.monotonic()
    with bounded():
        for p in parsers:
            count, seen, until = Count(), set(), time.monotonic() + (seconds - (time.monotonic() - began)) * p.share / whole
            whole -= p.share
            mine = max(len(p.seeds), round(cases * p.share / sum(q.share for q in parsers)))
            for i in range(mine):
                if time.monotonic() > until: break
                found = outcome(p.read, data := p.case(i, seed))
                count.tried, count.held = count.tried + 1, count.held + (not found)
                if found and (place := re.sub(r"'.*'|\".*\"|\d+", "", found)) not in seen:
                    seen.add(place)
                    if len(seen) <= 30: count.findings.append(f"case {i}: {found}; {shorter(p, data, found)[:160]!r}")
            counts[p.name] = count
    return counts


@contextmanager
def scratch():
    "A folder in memory where there is one: every case is a file, and many flush to disk."
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder: yield Path(folder)


def run(cases: int = 210_000, seed: int = 0) -> dict[str, Count]:
    "The whole campaign, in about five minutes on one core."
    from tests.hardening.parsed import all_parsers
    with scratch() as folder: return campaign(all_parsers(folder), cases, seed)


if __name__ == "__main__":
    for name, count in run(int(sys.argv[1]) if len(sys.argv) > 1 else 210_000, int(sys.argv[2]) if len(sys.argv) > 2 else 0).items():
        print(f"{name:40} {count.held:>8} of {count.tried:>8} held", *(f"\n    {f}" for f in count.findings))
