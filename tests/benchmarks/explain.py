"""`brnpa explain` against the network's forward alone, and a folder of 20,000 photographs against one of 1,000.

    python -m tests.benchmarks.explain [--photographs 120] [--repeats 3] [--precision bf16] [--json]   about two minutes
    python -m tests.benchmarks.explain --photographs 2000 --repeats 1 --whole                          the command as its own process, start and page and all
    python -m tests.benchmarks.explain --scale 20000                                                   memory, cost, and two processes on one core each

Speed: JPEGs at 224 px, ResNet-18 at stride 8, batches of 8. Before and after the command the backbone alone runs on as many tensors, half and half; the ratio is of
neighbours in time, the median of the repeats is printed, 1.0 is the speed of the bare forward. Of every twenty photographs one gets a picture, as 100 of 2,000 do.
Scale: a tiny network on tiny drawn pictures, so that everything but the network counts.
Beside each figure of time stands the same in processor time (all threads), which a busy machine distorts less; take one thread for it (`--threads 1`), since idle ones spin.
"""
import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import torch

from brnpa_nb.cli import _keep_memory
from brnpa_nb.cli import main as brnpa
from brnpa_nb.explaining import explain_photos
from brnpa_nb.models import AttentionModel, create_model, load_model
from tests.build import ROOT
from tests.real import DATA

BATCH = 8


class Cost(NamedTuple):
    wall: float       # seconds
    processor: float  # seconds of all threads, of finished children as well

    def __sub__(self, other: "Cost") -> "Cost": return Cost(self.wall - other.wall, self.processor - other.processor)
    def plus(self, other: "Cost") -> "Cost": return Cost(self.wall + other.wall, self.processor + other.processor)


def now() -> Cost:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(perf_counter(), process_time() + children.ru_utime + children.ru_stime)


def jpegs(folder: Path, n: int) -> Path:
    "A folder of n JPEGs: photographs of birds where there are any, else drawn birds; more than there are come again."
    from PIL import Image

    from brnpa_nb.data.birds import Birds
    from brnpa_nb.views.figures import to_pil
    found = sorted((DATA / "cub/images").rglob("*.jpg"))
    folder.mkdir(parents=True)
    if not found:
        for i in range(min(n, 32)): to_pil(Birds(32)[i][0]).resize((320, 280), Image.Resampling.BICUBIC).save(folder / f"drawn{i}.jpg", quality=90)
        found = sorted(folder.iterdir())
    for i in range(n): (folder / f"{i:05d}.jpg").write_bytes(found[i % len(found)].read_bytes())
    for p in folder.glob("drawn*"): p.unlink()
    return folder


def forward(model: AttentionModel, n: int, precision: str) -> Cost:
    "Cost of the backbone alone, on n photographs that are tensors already."
    x = torch.rand(BATCH, 3, 224, 224)
    if precision == "bf16": model, x = model.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        model.backbone(x)
        start = now()
        for _ in range(n // BATCH): model.backbone(x)
        return now() - start


def speed(photographs: int, repeats: int, precision: str, threads: int, whole: bool) -> dict[str, float]:
    "Throughput of the command over that of the forward."
    torch.manual_seed(0)
    _keep_memory()
    torch.set_num_threads(threads)
    ratios = []
    with tempfile.TemporaryDirectory() as tmp:
        model = create_model("resnet18", 1000, output_stride=8).eval()
        model.save(Path(tmp, "model.safetensors"))
        photos = jpegs(Path(tmp, "photos"), photographs)
        for i in range(repeats + 1 - whole):                                    # the first warms up
            line = ["explain", str(photos), "--weights", f"{tmp}/model.safetensors", "--size", "224", "--batch-size", str(BATCH), "--precision", precision, "--pictures", str(photographs // 20), "--out", f"{tmp}/out{i}", "--quiet"]
            env = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
            before, start = forward(model, photographs // 2, precision), now()
            if whole: subprocess.run([sys.executable, "-m", "brnpa_nb.cli", *line], check=True, env=env, stdout=subprocess.DEVNULL)
            else: _quietly(line)
            taken = now() - start
            alone = before.plus(forward(model, photographs // 2, precision))
            if i or whole: ratios.append((alone.wall / taken.wall, alone.processor / taken.processor))
            print(f"{precision}: " + ", ".join(f"{what} {1000 * c.wall / photographs:.1f} ms (processor {1000 * c.processor / photographs:.1f})" for what, c in (("forward", alone), ("command", taken))) + " a photograph", file=sys.stderr)
    name = f"{precision}: throughput of brnpa explain / of the forward alone"
    return {name: statistics.median(w for w, _ in ratios), f"{name}, processor time": statistics.median(c for _, c in ratios)}


def _quietly(line: list[str]) -> None:
    import contextlib
    import io
    with contextlib.redirect_stdout(io.StringIO()):
        if brnpa(line): raise SystemExit("brnpa explain failed")


def child(photos: str, model: str, out: str) -> None:
    "One process of a run, on one core: seconds, and memory after every 250 photographs."
    rank = int(os.environ.get("RANK", 0))
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    _keep_memory()
    seen: list[tuple[int, float, int]] = []
    def note(n: int) -> None:
        if n % 250 == 0: seen.append((n, (now() - start).processor, int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()))
    network = load_model(model)
    if "RANK" in os.environ:
        from brnpa_nb.explaining import processes
        processes().wait()
    start = now()
    explain_photos(network, photos, out, size=64, batch_size=16, pictures=0, progress=note)
    print(json.dumps({**(now() - start)._asdict(), "seen": seen}))


def explained(photos: Path, model: Path, out: Path, processes: int) -> list[dict]:
    "What each process of a run says."
    with socket.socket() as s: s.bind(("localhost", 0)); port = s.getsockname()[1]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    several = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)} if processes > 1 else {}
    runs = [subprocess.Popen([sys.executable, "-m", "tests.benchmarks.explain", "--child", str(photos), str(model), str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                             env=env | several | ({"RANK": str(r), "LOCAL_RANK": str(r)} if processes > 1 else {})) for r in range(processes)]
    found = [r.communicate()[0] for r in runs]
    if any(r.returncode for r in runs): raise SystemExit("a process of the run failed")
    return [json.loads(f) for f in found]


def scale(n: int, repeats: int = 3) -> dict[str, float]:
    "Memory and cost of n photographs against 1,000, and two processes against one."
    from PIL import Image
    few, middle = 1000, max(1000, n // 5)
    with tempfile.TemporaryDirectory() as tmp:
        home, generator = Path(tmp), torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        create_model("resnet10t", 8, output_stride=8, network_args={"channels": (16, 16, 32, 32)}).save(home / "model.safetensors")
        for name, number in (("few", few), ("middle", middle), ("many", n)):
            (home / name).mkdir()
            for i in range(number): Image.fromarray(torch.randint(0, 256, (9, 9, 3), generator=generator, dtype=torch.uint8).numpy()).resize((64, 64)).save(home / name / f"{i:06d}.jpg")
        def take(name: str, i: int, processes: int = 1) -> Cost:
            found = explained(home / name, home / "model.safetensors", home / f"{name}-{processes}-{i}", processes)
            seen.append(found[0]["seen"])
            return Cost(*(max(f[k] for f in found) for k in Cost._fields))
        seen: list[list] = []
        take("few", -1)
        small, gains = [], []
        for i in range(repeats):
            small.append(take("few", i))
            one, two = take("middle", i), take("middle", i, 2)
            gains.append(Cost(*(a / b for a, b in zip(one, two))))
        large, course = take("many", 0), seen[-1]
        small += [take("few", repeats + i) for i in range(repeats)]
    after = next(rss for k, _, rss in course if k == few)
    most = max(rss for k, _, rss in course if k >= few)
    late = course[-1][1] - course[-1 - few // 250][1]                           # processor time of the last thousand
    found = {f"memory at most, of {n} / after {few}": most / after}
    for k in Cost._fields:
        unit = statistics.median(getattr(c, k) for c in small) / few
        print(f"{k} time of a photograph: {1000 * unit:.2f} ms of {few:,}, {1000 * getattr(large, k) / n:.2f} ms of {n:,}; one process over two: {', '.join(f'{getattr(g, k):.2f}' for g in gains)}", file=sys.stderr)
        found |= {f"{k} time of a photograph, {n} / {few}": getattr(large, k) / n / unit, f"{k} time, one process / two, on one core each, {middle} photographs": statistics.median(getattr(g, k) for g in gains)}
    print(f"memory {after / 2**20:.0f} MB after {few:,}, {most / 2**20:.0f} MB at most", file=sys.stderr)
    return found | {f"processor time, last {few} / first {few} of {n}": late / next(t for k, t, _ in course if k == few)}


def run(photographs: int = 80, repeats: int = 2, threads: int = 2) -> dict[str, float]:
    "The figures of speed, in both precisions."
    return {k: v for precision in ("fp32", "bf16") for k, v in speed(photographs, repeats, precision, threads, False).items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="one of them (default: both)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="the command as a process of its own")
    parser.add_argument("--scale", type=int, metavar="N", help="so many photographs against 1,000")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.child: child(*args.child); return 0
    if args.scale: found = scale(args.scale, args.repeats)
    else: found = {k: v for precision in ([args.precision] if args.precision else ["fp32", "bf16"]) for k, v in speed(args.photographs, args.repeats, precision, args.threads, args.whole).items()}
    if args.json: print(json.dumps(found))
    else:
        for name, value in found.items(): print(f"{name:75} {value:6.3f}")
    return 0


if __name__ == "__main__": sys.exit(main())
