"""What one training step of the paper's settings costs, for tutorial 13: processor seconds a photograph, and the bytes that each further photograph of a batch takes.

    python -m tests.benchmarks.paper [--threads 1] [--repeats 3] [--only teacher] [--json]

Random weights and random photographs: neither changes the cost. Batches of one, so that the optimiser's own step (milliseconds) counts in full. Teacher and student of a ResNet-50 at 448 px (CUB-200-2011, FGVC-Aircraft, Stanford Cars), a ResNet-12 at 84 px (few-shot), a ResNet-50 at 256 × 128 (re-identification).
"""
import statistics
import sys
from collections.abc import Callable
from time import process_time

import torch

from brnpa_nb.distillation import Distillation, create_student
from brnpa_nb.models import AttentionModel, create_model
from brnpa_nb.training import CrossEntropy, Loss
from tests.benchmarks.timing import arguments, peak, show


def stepper(model: AttentionModel, loss: Loss, size: tuple[int, int]) -> Callable[[int], None]:
    "A function that trains one step on that many photographs."
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    def step(batch: int) -> None:
        images, targets = torch.rand(batch, 3, *size).contiguous(memory_format=torch.channels_last), torch.zeros(batch, dtype=torch.long)
        loss(model, images, targets)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    return step


CASES: dict[str, tuple[str, int, tuple[int, int], int, int | None, str]] = {    # network, classes, size, stride of the teacher, of the student, how
    "teacher, ResNet-50, 448 px, 14 × 14 cells": ("resnet50", 200, (448, 448), 32, None, "atrous"),
    "student, stride removal, 56 × 56": ("resnet50", 200, (448, 448), 32, 8, "stride"),
    "student à trous, 56 × 56": ("resnet50", 200, (448, 448), 32, 8, "atrous"),
    "few-shot teacher, ResNet-12, 84 px, 5 × 5": ("resnet12", 351, (84, 84), 16, None, "atrous"),
    "few-shot student by stride removal, 21 × 21": ("resnet12", 351, (84, 84), 16, 4, "stride"),
    "re-ID teacher, ResNet-50, 256 × 128, 16 × 8": ("resnet50", 751, (256, 128), 16, None, "atrous"),
    "re-ID student by stride removal, 64 × 32": ("resnet50", 751, (256, 128), 16, 4, "stride"),
}


def run(case: str, repeats: int) -> dict[str, float]:
    "Processor seconds (which a busy machine does not stretch, much) and bytes of a photograph, one case."
    name, classes, size, stride, finer, how = CASES[case]
    teacher = create_model(name, classes, output_stride=stride, image_size=max(size))
    model, loss = (teacher, CrossEntropy()) if finer is None else (create_student(teacher, finer, how), Distillation(teacher))
    step, few, many = stepper(model, loss, size), 1, 2
    step(few)
    times = []
    for _ in range(repeats):
        start = process_time()
        step(few)
        times.append((process_time() - start) / few)
    small, large = peak(lambda: step(few)), peak(lambda: step(many))
    return {f"{case}: s a photograph": statistics.median(times), f"{case}: MiB a photograph": (large - small) / (many - few) / 2**20, f"{case}: MiB held whatever the batch": (small - (large - small) / (many - few) * few) / 2**20}


def main() -> int:
    parser = arguments(__doc__, 3)
    parser.add_argument("--only", default="", help="cases that contain this")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    found: dict[str, float] = {}
    for case in CASES:
        if args.only not in case: continue
        found |= (new := run(case, args.repeats))
        if not args.json: show(new, False)
    if args.json: show(found, True)
    return 0


if __name__ == "__main__": sys.exit(main())
