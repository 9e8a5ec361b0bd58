"""What a distillation step costs at high resolution: against the student's forward and backward pass and the teacher's forward pass, bare.

    python -m tests.benchmarks.distilling [--threads 2] [--repeats 5] [--json]

A ResNet-18 with random weights, teacher at stride 32, student at stride 8, 8 photographs of 224 pixels, channels last. Ours: the loss of `Distillation` (grouping on
both sides, softened answers, cross-entropy) and its gradients. Bare: the two backbones with average pooling and a linear head, cross-entropy of the student. "Whole step" has AdamW on both sides.
"""
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from brnpa_nb.distillation import Distillation, create_student
from brnpa_nb.models import AttentionModel, create_model
from tests.benchmarks.timing import main, ratio


def pair(pooling: str) -> tuple[AttentionModel, AttentionModel]:
    "Teacher and student, in the layout that `fit` gives them."
    teacher = create_model("resnet18", 200, output_stride=32, pooling=pooling).to(memory_format=torch.channels_last)
    return teacher.eval(), create_student(teacher, 8).to(memory_format=torch.channels_last)


def step(model: AttentionModel, loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer | None) -> None:
    "One step; gradients are dropped as `fit` drops them."
    loss().backward()
    if optimizer: optimizer.step()
    model.zero_grad()


def run(repeats: int = 5) -> dict[str, float]:
    images, targets = torch.rand(8, 3, 224, 224).contiguous(memory_format=torch.channels_last), torch.arange(8)
    teacher, student = pair("brnpa")
    bare_teacher, bare_student = pair("average")
    distil = Distillation(teacher)
    def ours() -> Tensor: return distil(student, images, targets)[0]
    def bare() -> Tensor:
        with torch.no_grad(): bare_teacher.head(bare_teacher.backbone(images).mean((2, 3)))
        return torch.nn.functional.cross_entropy(bare_student.head(bare_student.backbone(images).mean((2, 3))), targets)
    first, second = (torch.optim.AdamW(m.parameters(), lr=1e-5) for m in (student, bare_student))
    return {"distillation, stride 8, batch 8: loss and gradients / bare": ratio(lambda: step(student, ours, None), lambda: step(bare_student, bare, None), repeats),
            "distillation, stride 8, batch 8: whole step / bare": ratio(lambda: step(student, ours, first), lambda: step(bare_student, bare, second), repeats)}


if __name__ == "__main__": sys.exit(main(__doc__, run, 5))
