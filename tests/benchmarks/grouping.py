"""Grouping against the plain formula and against plain reads of the features: time and memory, forward, and forward with backward.

    python -m tests.benchmarks.grouping [--threads 2] [--repeats 5] [--json]

Ratios are of neighbours in time, and the median of them is printed. Memory: the most bytes held at once over the features' size.
"""
import sys
from collections.abc import Callable

import torch

from brnpa_nb.grouping import group
from tests.benchmarks.timing import main, peak, ratio

SHAPES = ((4, 2048, 56, 56), (8, 2048, 28, 28))


def plain(features: torch.Tensor, n_maps: int = 3) -> torch.Tensor:
    "The formula written straight down: permute, multiply, sum."
    x = features.flatten(2).permute(0, 2, 1)
    n = x.pow(2).sum(-1).sqrt() + 1e-5
    a, vectors = n, []
    for _ in range(n_maps):
        seed = a.argmax(1)
        s = (x * x[torch.arange(len(x)), seed][:, None]).sum(-1) / (n * n.gather(1, seed[:, None]))
        vectors.append((x * (s / s.sum(1, keepdim=True))[..., None]).sum(1))
        a = (1 - s) * a
    return torch.stack(vectors, 1)


def measure(shape: tuple[int, ...], layout: torch.memory_format, repeats: int) -> dict[str, float]:
    "Ratios for features of one shape and layout."
    x = torch.rand(shape).to(memory_format=layout)
    leaf, size, g = x.clone(memory_format=torch.preserve_format).requires_grad_(), x.numel() * 4, torch.rand(shape[0], 3, shape[1])
    def learn(f: Callable[[torch.Tensor], torch.Tensor]) -> None: leaf.grad = None; f(leaf).backward(g)
    def ours(y: torch.Tensor) -> torch.Tensor: return group(y).vectors
    with torch.no_grad():
        found = {"forward: plain / ours": ratio(lambda: plain(x), lambda: ours(x), repeats), "forward: ours / five reads": ratio(lambda: ours(x), lambda: [x.sum() for _ in range(5)], repeats),
                 "forward: bytes / features": peak(lambda: ours(x)) / size}
    found["with backward: plain / ours"] = ratio(lambda: learn(plain), lambda: learn(ours), repeats)
    leaf.grad = None                                                 # or its end would count as room
    return found | {"with backward: bytes / features": peak(lambda: learn(ours)) / size}


def run(repeats: int = 5) -> dict[str, float]:
    layouts = {"": torch.contiguous_format, " channels last": torch.channels_last}
    return {f"grouping {shape}{name}, {what}": value for shape in SHAPES for name, layout in layouts.items() for what, value in measure(shape, layout, repeats).items()}


if __name__ == "__main__": sys.exit(main(__doc__, run, 5))
