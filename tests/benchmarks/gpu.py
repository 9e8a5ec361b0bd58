"""Training on a GPU: bfloat16, channels last and compiled, against plain float32 eager, on the same network and photographs.

    python -m tests.benchmarks.gpu [--model resnet50] [--size 448] [--output-stride 8] [--batch 8] [--backend inductor] [--json]

Figures: time of a training step (loss, gradients, AdamW), plain / quick; the largest batch that fits, quick / plain (by doubling, then by halving the gap); photographs a second, trained and explained, absolute.
Not part of `python -m tests.benchmarks`, which runs everywhere. `--device cpu --size 64 --batch 2 --backend eager` only shows that it runs; the largest batch is then left out.
"""
import statistics
import sys
from collections.abc import Callable
from time import perf_counter

import torch
from torch import nn

from brnpa_nb.models import AttentionModel, create_model
from brnpa_nb.training import CrossEntropy
from tests.benchmarks.timing import arguments, show


def wait(device: str) -> None:
    if device == "cuda": torch.cuda.synchronize()


def trainer(model: AttentionModel, device: str, quick: bool, backend: str) -> Callable[[int], None]:
    "A function that trains one step on that many photographs."
    model.train().to(device)
    if quick: model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net: nn.Module = torch.compile(model, backend=backend) if quick else model
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=1e-4), CrossEntropy()
    side = model.config.image_size
    def step(batch: int) -> None:
        images, targets = torch.rand(batch, 3, side, side, device=device), torch.zeros(batch, dtype=torch.long, device=device)
        if quick: images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16, enabled=quick): value, _ = loss(net, images, targets)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
    return step


def seconds(step: Callable[[int], None], batch: int, device: str, repeats: int) -> float:
    "Median time of a step, after three that warm up."
    found = []
    for i in range(repeats + 3):
        wait(device)
        start = perf_counter()
        step(batch)
        wait(device)
        if i >= 3: found.append(perf_counter() - start)
    return statistics.median(found)


def fits(step: Callable[[int], None], batch: int) -> bool:
    try: step(batch); torch.cuda.synchronize()
    except torch.cuda.OutOfMemoryError: return False
    finally: torch.cuda.empty_cache()
    return True


def largest(step: Callable[[int], None]) -> int:
    "The largest batch that fits, to within an eighth."
    low = 1
    while fits(step, 2 * low): low *= 2
    high = 2 * low
    while high - low > max(1, low // 8):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(step, middle) else (low, middle)
    return low


def main() -> int:
    parser = arguments(__doc__, 7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--output-stride", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    args = parser.parse_args()
    where = f"{args.model}, {args.size} px, stride {args.output_stride}"
    def make() -> AttentionModel: return create_model(args.model, 200, output_stride=args.output_stride, image_size=args.size)
    times, batches = {}, {}
    for quick in (False, True):
        step = trainer(make(), args.device, quick, args.backend)
        times[quick] = seconds(step, args.batch, args.device, args.repeats)
        if args.device == "cuda": batches[quick] = largest(step)
        del step
    found = {f"training step, {where}, batch {args.batch}: float32 eager / bf16, channels last, compiled": times[False] / times[True], f"trained photographs a second, {where}": args.batch / times[True]}
    if batches: found[f"largest batch, {where}: quick / plain"] = batches[True] / batches[False]
    model, images = make().to(args.device).to(memory_format=torch.channels_last), torch.rand(args.batch, 3, args.size, args.size, device=args.device)
    def explain(_: int) -> None:
        with torch.autocast(args.device, torch.bfloat16): model.explain(images)
    found[f"explained photographs a second, bf16, {where}"] = args.batch / seconds(explain, args.batch, args.device, args.repeats)
    show(found, args.json)
    return 0


if __name__ == "__main__": sys.exit(main())
